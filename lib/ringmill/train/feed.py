"""What an epoch is made of: segments, each some steps whose rows are in memory, in the order that the plan gives.

The loop asks for nothing but segments, so that one loop serves an order whose rows are all resident and one whose rows
pass by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ringmill.handoff.plan import Plan
from ringmill.handoff.read import Rows

SIGNATURE = np.uint64(2**62 - 1)  # the bits of a signature, which is exchanged as int64
_FINALISER = np.array([0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64)


@dataclass(frozen=True)
class Window:
    """Decoded rows as tensors: x (rows + 1, features), buy and log_spend (rows + 1,), all of one dtype.

    The last row is what padding refers to; what it holds reaches no number, see `Trainer`.
    """

    x: Any
    buy: Any
    log_spend: Any

    @classmethod
    def of(cls, rows: Rows, *, dtype: str, padding_fill: float = 0.0) -> Self:
        return cls(
            _padded(rows.x, padding_fill, dtype),
            _padded(rows.label_buy, padding_fill, dtype),
            _padded(np.log1p(rows.label_spend), padding_fill, dtype),
        )


@dataclass(frozen=True)
class Segment:
    """`len(self)` steps of one rank, from step `first` of the epoch on.

    `index` and `weight` (steps, local_batch): the window's row in each place, and its weight (0: padding).
    `rows` and `buyers` (steps,): over the *global* batch, the sums of weights that the two losses are divided by.
    `row_id` (n,): the ids of the rows that this rank sees in it, padding left out.
    """

    first: int
    window: Window
    index: NDArray[np.int64]
    weight: NDArray[np.float64]
    rows: NDArray[np.float64]
    buyers: NDArray[np.float64]
    row_id: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True)
class Totals:
    """Over all training rows: how many, their features, how many bought, the buyers' sum of log(1 + label_spend), and
    the signature of the rows' ids (see `signature`)."""

    rows: int
    features: int
    buyers: float
    log_spend: float
    signature: int


class Feed(Protocol):
    """One rank's view of the training split."""

    @property
    def totals(self) -> Totals:
        """What the ranks together must see in an epoch; the same on every rank."""

    def segments(self, epoch: int, first: int = 0) -> Iterator[Segment]:
        """The segments of `epoch` from step `first` on; `first` must be where a segment begins."""


@dataclass(frozen=True)
class GlobalFeed:
    """The order 'global': every row is resident, and each rank takes its stretch of every global batch.

    A segment has `steps_per_segment` steps, the last of an epoch maybe fewer; 0: the epoch is one segment.
    """

    plan: Plan
    rank: int
    window: Window
    totals: Totals
    row_id: NDArray[np.int64]
    label_buy: NDArray[np.float64]
    steps_per_segment: int = 0

    @classmethod
    def of(
        cls, plan: Plan, rank: int, rows: Rows, *, dtype: str, padding_fill: float, steps_per_segment: int = 0
    ) -> Self:
        window = Window.of(rows, dtype=dtype, padding_fill=padding_fill)
        log_spend = float(np.sum(rows.label_buy * np.log1p(rows.label_spend)))
        totals = Totals(len(rows), rows.x.shape[1], float(rows.label_buy.sum()), log_spend, signature(rows.row_id))
        return cls(plan, rank, window, totals, rows.row_id, rows.label_buy, steps_per_segment)

    def segments(self, epoch: int, first: int = 0) -> Iterator[Segment]:
        slots = self.plan.slots(epoch, self.rank)
        batches = self.plan.batches(epoch)
        rows = (batches < self.plan.rows).sum(axis=1).astype(np.float64)
        buyers = np.append(self.label_buy, 0.0)[batches].sum(axis=1)
        length = self.steps_per_segment or self.plan.steps
        for start in range(first, self.plan.steps, length):
            part = slice(start, start + length)
            index, weight = slots.index[part], slots.weight[part]
            seen = self.row_id[index[weight > 0]]
            yield Segment(start, self.window, index, weight, rows[part], buyers[part], seen)


def signature(row_ids: NDArray[np.int64]) -> int:
    """A sum of the ids' 64-bit hashes (splitmix64), modulo 2^62: equal multisets agree, others all but never."""
    z = row_ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * _FINALISER[0]
    z = (z ^ (z >> np.uint64(27))) * _FINALISER[1]
    return int(np.sum(z ^ (z >> np.uint64(31)), dtype=np.uint64) & SIGNATURE)


def _padded(column: NDArray[Any], fill: float, dtype: str) -> Any:
    """The column as a tensor, and one row of `fill` after its last."""
    return tf.constant(np.append(column, np.full_like(column[:1], fill, shape=(1, *column.shape[1:])), axis=0), dtype)
