"""What an epoch is made of: segments, each some steps whose rows are in memory, in the order that the plan gives.

The loop asks for nothing but segments, so that one loop serves an order whose rows are all resident and one whose rows
pass by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ringmill.handoff.budget import PLACES_AT_ONCE
from ringmill.handoff.plan import Plan
from ringmill.handoff.resident import BLOCK, Decoded
from ringmill.mixing import GOLDEN, mixed
from ringmill.train.tasks.task import Task

SIGNATURE = np.uint64(2**62 - 1)  # the bits of a signature, which is exchanged as int64


@dataclass(frozen=True)
class Window:
    """Decoded rows as tensors: row_id (rows + 1,) int64, x (rows + 1, length) in the input's dtype, and each label that
    the loss is made of (rows + 1,) float64.

    They are the decoded rows' own memory, which stays as it is for as long as they are used. The last row is what
    padding refers to; what it holds reaches no number, see `Trainer`.
    """

    row_id: Any
    x: Any
    labels: Mapping[str, Any]

    @classmethod
    def of(cls, rows: Decoded, task: Task) -> Self:
        labels = {name: _tensor(rows.labels[name]) for name in task.targets}
        return cls(_tensor(rows.row_id), _tensor(rows.x), labels)


@dataclass(frozen=True)
class Segment:
    """`len(self)` steps of one rank, from step `first` of the epoch on.

    `index` and `weight` (steps, local_batch): the window's row in each place, and its weight (0: padding).
    `divisors` (steps, losses): over the *global* batch, what each of the task's losses is divided by.
    `row_id` (n,): the ids of the rows that this rank sees in it, padding left out.
    """

    first: int
    window: Window
    index: NDArray[Any]
    weight: NDArray[np.float64]
    divisors: NDArray[np.float64]
    row_id: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True)
class Totals:
    """Over all training rows: how many, the task's sums (see `Task.totals`), and the signature of the rows' ids (see
    `signature`)."""

    rows: int
    sums: tuple[float, ...]
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

    A segment ends at each multiple of `stop_every` steps (0: of none), so that an epoch can be resumed there; and
    before it has more places than one graph call takes.
    """

    plan: Plan
    rank: int
    rows: Decoded
    window: Window
    totals: Totals
    task: Task
    stop_every: int = 0

    @classmethod
    def of(cls, plan: Plan, rank: int, rows: Decoded, *, task: Task, stop_every: int = 0) -> Self:
        return cls(plan, rank, rows, Window.of(rows, task), totals_of(rows, task), task, stop_every)

    def segments(self, epoch: int, first: int = 0) -> Iterator[Segment]:
        batches = self.plan.batches(epoch)
        for start, stop in self._cuts(first):
            yield self._segment(start, batches[start:stop])

    def _cuts(self, first: int) -> Iterator[tuple[int, int]]:
        whole, steps = max(1, PLACES_AT_ONCE // self.plan.local_batch), self.plan.steps
        while first < steps:
            stop = min(first - first % whole + whole, steps)
            if self.stop_every:
                stop = min(stop, first - first % self.stop_every + self.stop_every)
            yield first, stop
            first = stop

    def _segment(self, first: int, batches: NDArray[Any]) -> Segment:
        slots = self.plan.slots(batches, self.rank)
        index, real = self.rows.order[slots.index], slots.weight > 0
        seen = index[real]
        weight = slots.weight
        weight[real] = self.rows.weight[seen]
        return Segment(first, self.window, index, weight, self._divisors(batches), self.rows.row_id[seen])

    def _divisors(self, batches: NDArray[Any]) -> NDArray[np.float64]:
        """(steps, losses), of global batches."""
        parts = []
        block = max(1, BLOCK // self.plan.batch)
        for start in range(0, len(batches), block):
            places = batches[start : start + block]
            real = places < self.plan.rows
            at = self.rows.order[np.where(real, places, 0)]
            weight = self.rows.weight[at] * real
            labels = {name: self.rows.labels[name][at] for name in self.task.targets}
            parts.append(np.stack([mass.sum(axis=1) for mass in self.task.masses(weight, labels)], axis=1))
        return np.concatenate(parts)


def totals_of(rows: Decoded, task: Task) -> Totals:
    """The totals of rows that are all resident, in the order of their ids: the same for every layout of the files."""
    sums: list[float] = []
    for start in range(0, len(rows), BLOCK):
        at = rows.order[start : min(start + BLOCK, len(rows))]
        found = task.totals(rows.weight[at], {name: rows.labels[name][at] for name in task.targets})
        sums = [before + now for before, now in zip(sums, found, strict=True)] if sums else found
    return Totals(len(rows), tuple(sums), signature(rows.rows.row_id))


def signature(row_ids: NDArray[np.int64]) -> int:
    """A sum of the ids' 64-bit hashes (splitmix64), modulo 2^62: equal multisets agree, others all but never."""
    return sum(_hashed(row_ids[start : start + BLOCK]) for start in range(0, len(row_ids), BLOCK)) & int(SIGNATURE)


def _hashed(row_ids: NDArray[np.int64]) -> int:
    return int(np.sum(mixed(row_ids.astype(np.uint64) + GOLDEN), dtype=np.uint64) & SIGNATURE)


def _tensor(column: NDArray[Any]) -> Any:
    """The column's own memory as a tensor: tf.constant would copy it."""
    return tf.experimental.dlpack.from_dlpack(column.__dlpack__())
