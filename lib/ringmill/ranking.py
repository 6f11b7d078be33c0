"""Lists of recommendations beside what was bought: exact figures of each customer's list, and of all lists together.

Numbers stand for products. A list is best first, its end is padded with `NONE`; nothing is in it twice.
Source: Järvelin, Kekäläinen, Cumulated Gain-Based Evaluation of IR Techniques, 2002, for the gains and their ideal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NONE = -1
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def best(scores: Floats, count: int, *, without: Ints | None = None) -> Ints:
    """(products,) → the numbers of the `count` highest, best first, of equal ones the lowest number first.

    Those of `without` and those whose score is −∞ are left out; the list is padded to `count`.
    """
    kept = scores.copy()
    if without is not None:
        kept[without] = -np.inf
    there = int(np.count_nonzero(kept > -np.inf))
    taken = min(count, there)
    found = np.full(count, NONE, np.int64)
    if taken:
        # All that reach the last score that is taken: of equal ones a partition would keep any.
        last = np.partition(kept, len(kept) - taken)[len(kept) - taken]
        among = np.flatnonzero(kept >= last)
        found[:taken] = among[np.argsort(-kept[among], kind="stable")][:taken]
    return found


def recall(ranked: Ints, bought: Ints) -> float:
    """The share of the products that were bought, at least one, which the list holds."""
    return float(np.isin(ranked, bought).sum() / len(bought))


def ndcg(ranked: Ints, bought: Ints) -> float:
    """Σ over the list's products that were bought of 1 ÷ log₂(1 + place), by that of the best list of its length."""
    gains = 1.0 / np.log2(np.arange(2, len(ranked) + 2))
    return float(gains[np.isin(ranked, bought)].sum() / gains[: len(bought)].sum())


@dataclass(frozen=True)
class Judged:
    """Lists of many customers: of each `recall` and `ndcg`; and `coverage`, the share of all products that at least one
    list holds."""

    recall: Floats
    ndcg: Floats
    coverage: float

    def to_json(self) -> dict[str, float | int | None]:
        """Means over the customers, None of none."""
        count = len(self.recall)
        means = {name: float(getattr(self, name).mean()) if count else None for name in ("recall", "ndcg")}
        return {**means, "coverage": self.coverage, "customers": count}


def judge(lists: Iterable[Ints], bought: Sequence[Ints], *, products: int) -> Judged:
    """A list for each customer, and what each bought: distinct products, at least one; of `products` that there are."""
    recalls, gains = np.zeros(len(bought)), np.zeros(len(bought))
    held = np.zeros(products, bool)
    for place, (ranked, true) in enumerate(zip(lists, bought, strict=True)):
        recalls[place], gains[place] = recall(ranked, true), ndcg(ranked, true)
        held[ranked[ranked != NONE]] = True
    return Judged(recalls, gains, float(held.mean()) if products else 0.0)
