"""Seeded resamples of what was measured, and the interval that a figure keeps within over them.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), the percentile interval.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES, LEVEL = 1_000, 0.95


def resamples(units: int, *, seed: int) -> Iterator[NDArray[np.int64]]:
    """`RESAMPLES` times `units` numbers below `units`, drawn with replacement: the same for the same seed."""
    generator = np.random.Generator(np.random.Philox(seed))
    for _ in range(RESAMPLES):
        yield generator.integers(0, units, units)


def within(values: Sequence[float]) -> tuple[float, float]:
    """A figure's values over resamples → the bounds of the middle `LEVEL` of them; those that are NaN, where a resample
    does not define the figure, are left out, and of none at all the bounds are NaN."""
    found = np.asarray(values, np.float64)
    defined = found[~np.isnan(found)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.percentile(defined, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)
