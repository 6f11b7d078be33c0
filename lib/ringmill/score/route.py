"""Scores and true classes of the validation split → two thresholds, for what is accepted and what is rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
ROUTES = ("accepted", "rejected", "review")
EVEN = 0.5


@dataclass(frozen=True)
class Cut:
    """A threshold, and what lies on its side of it in the validation split: so many rows, so many of them right.

    `at` is null where no threshold reaches the precision; nothing is then on its side.
    """

    at: float | None
    rows: int = 0
    right: int = 0

    @property
    def precision(self) -> float | None:
        return self.right / self.rows if self.rows else None

    def to_json(self) -> dict[str, Any]:
        return {"at": self.at, "rows": self.rows, "right": self.right, "precision": self.precision}


@dataclass(frozen=True)
class Thresholds:
    """A score of at most `low.at` is accepted, one of at least `high.at` rejected; what lies between is for review."""

    low: Cut
    high: Cut

    def to_json(self) -> dict[str, Any]:
        return {"accepted": self.low.to_json(), "rejected": self.high.to_json()}


def choose(score: Values, positive: NDArray[np.bool_], *, precision: float) -> Thresholds:
    """(rows,) chances of the positive class, and which rows are of it → the thresholds that leave least to review.

    `high` is the least score of 0.5 and more at or above which at least `precision` of the rows are positive; `low` the
    greatest below 0.5 at or below which as many are not. What is likelier right than wrong is on no other side.
    """
    above = score >= EVEN
    high = _cut(-score[above], positive[above], precision)
    low = _cut(score[~above], ~positive[~above], precision)
    return Thresholds(low, high if high.at is None else Cut(-high.at, high.rows, high.right))


def _cut(order: Values, right: NDArray[np.bool_], precision: float) -> Cut:
    """The greatest value of `order` at or below which at least `precision` of the rows are right."""
    values, places = np.unique(order, return_inverse=True)
    rows = np.cumsum(np.bincount(places, minlength=len(values)))
    hits = np.cumsum(np.bincount(places, right, minlength=len(values)))
    good = np.flatnonzero(hits >= precision * rows)
    if not len(good):
        return Cut(None)
    return Cut(float(values[good[-1]]), int(rows[good[-1]]), int(hits[good[-1]]))
