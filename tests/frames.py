"""The one helper by which tests compare frames: exact schema, exact values, row order ignored."""

from __future__ import annotations

import math
from typing import Any

from pyspark.sql import DataFrame


def assert_frames_equal(actual: DataFrame, expected: DataFrame, *, tolerance: float = 0.0) -> None:
    """Same columns, types, nullability and rows; NaN is refused (missing is NULL); floats differ by <= tolerance."""
    assert actual.schema == expected.schema, f"schemas differ:\n{actual.schema}\n{expected.schema}"
    left, right = (sorted(map(tuple, frame.collect()), key=repr) for frame in (actual, expected))
    assert len(left) == len(right), f"{len(left)} rows, expected {len(right)}:\n{left}\n{right}"
    for mine, theirs in zip(left, right, strict=True):
        for name, a, b in zip(actual.columns, mine, theirs, strict=True):
            assert _same(a, b, tolerance), f"column {name}: {a!r}, expected {b!r}, in {mine}"


def _same(a: Any, b: Any, tolerance: float) -> bool:
    for value in (a, b):
        assert not (isinstance(value, float) and math.isnan(value)), "NaN in a frame: missing is NULL"
    if isinstance(a, float) and isinstance(b, float) and tolerance:
        return abs(a - b) <= tolerance
    return type(a) is type(b) and bool(a == b)
