"""Moments ↔ Arrow records that a shuffle can merge: one record a matrix row. No JVM."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ringmill.features.moments import Moments, Total
from ringmill.features.twofold import Floats, Twofold

# part: products (a record per column), total, range and refused (one each), class (one per label and class).
SCHEMA = "part string, label string, class string, place int, rows bigint, high binary, low binary"
KEY = ("part", "label", "class", "place")
ARROW = pa.schema(
    [
        *((name, pa.string()) for name in KEY[:3]),
        ("place", pa.int32()),
        ("rows", pa.int64()),
        *((name, pa.binary()) for name in ("high", "low")),
    ]
)
RECORDS = 500

Batches = Iterable[pa.RecordBatch]
Key = tuple[Any, ...]
Record = tuple[int, Twofold]


def merging(batches: Batches) -> Iterator[pa.RecordBatch]:
    """For `mapInArrow`: records → one for each key."""
    merged: dict[Key, Record] = {}
    for batch in batches:
        for key, record in _read(batch):
            merged[key] = _merged(key[0], merged[key], record) if key in merged else record
    yield from batches_of(merged.items())


def _merged(part: str, mine: Record, theirs: Record) -> Record:
    if part == "range":
        low, high = np.minimum(mine[1].high, theirs[1].high), np.maximum(mine[1].low, theirs[1].low)
        return mine[0], Twofold(low, high)
    return mine[0] + theirs[0], mine[1] + theirs[1]


def records_of(of: Moments) -> Iterator[tuple[Key, Record]]:
    """Moments → what `moments_from` makes them from again."""
    yield ("total", "", "", 0), (of.total.rows, of.total.sums)
    # No sum: least and most of a column, merged as such.
    yield ("range", "", "", 0), (0, Twofold(of.least, of.most))
    for name, count in of.refused.items():
        yield ("refused", name, "", 0), (count, Twofold.of(np.zeros(0)))
    for label, classes in of.classes.items():
        for name, total in classes.items():
            yield ("class", label, name, 0), (total.rows, total.sums)
    for place in range(len(of.names)):
        yield ("products", "", "", place), (0, of.products[place])


def batches_of(records: Iterable[tuple[Key, Record]]) -> Iterator[pa.RecordBatch]:
    """Records → batches of SCHEMA."""
    found = [(*key, rows, sums.high.tobytes(), sums.low.tobytes()) for key, (rows, sums) in records]
    for start in range(0, len(found), RECORDS):
        columns = zip(*found[start : start + RECORDS], strict=True)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, ARROW, strict=True)]
        yield pa.record_batch(arrays, schema=ARROW)


def _read(table: pa.RecordBatch | pa.Table) -> Iterator[tuple[Key, Record]]:
    for *key, rows, high, low in zip(*(table.column(name).to_pylist() for name in table.schema.names), strict=True):
        yield tuple(key), (rows, Twofold(_floats(high), _floats(low)))


def _floats(data: bytes) -> Floats:
    return np.frombuffer(data, dtype=np.float64)


def moments_from(names: Sequence[str], table: pa.Table) -> Moments | None:
    """Records, one for each key → moments; None where there was no row."""
    records = dict(_read(table))
    if ("total", "", "", 0) not in records:
        return None
    rows = [records["products", "", "", place][1] for place in range(len(names))]
    empty = np.zeros((0, 0))
    products = Twofold(np.stack([row.high for row in rows]), np.stack([row.low for row in rows])) if rows else None
    classes: dict[str, dict[str, Total]] = {}
    for (part, label, name, _), (count, sums) in sorted(records.items(), key=lambda item: item[0]):
        if part == "class":
            classes.setdefault(label, {})[name] = Total(count, sums)
    span = records["range", "", "", 0][1]
    return Moments(
        tuple(names),
        {key[1]: count for key, (count, _) in sorted(records.items(), key=lambda item: item[0]) if key[0] == "refused"},
        span.high,
        span.low,
        Total(*records["total", "", "", 0]),
        products or Twofold(empty, empty),
        classes,
    )
