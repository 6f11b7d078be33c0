"""Rows, batch and ranks to steps: pure arithmetic, proved before anything is started (laws 4 and 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ringmill.errors import PlanError
from ringmill.handoff.manifest import Manifest

# A rank's peak in copies of the decoded rows: its own part in Arrow and NumPy, all ranks' rows as gathered and as
# sorted, the tensors, and an epoch's places. Measured at 1 million rows of 32 features: 3.8 to 4.5 above an empty rank.
COPIES = 5


@dataclass(frozen=True)
class Slots:
    """One rank's places of one epoch, each (steps, local_batch): the row in each, and its weight (0: padding)."""

    index: NDArray[np.int64]
    weight: NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """How `ranks` ranks see `rows` rows in global batches of `batch` rows, in the order 'global'.

    Every epoch shuffles all rows by a permutation of (seed, epoch) alone, and cuts it into global batches. A rank
    takes the same stretch of each batch, so that any number of ranks sees the same batches. Every rank has `steps`
    steps of `local_batch` places. A place without a row carries the index `rows`, which is no row, and weight 0.

    With 7 rows, batch 4 and 2 ranks: 2 steps; order 3 5 0 6 | 1 4 2 –; rank 0 sees 3 5 | 1 4, rank 1 sees 0 6 | 2 –.
    """

    rows: int
    batch: int
    ranks: int
    seed: int

    @property
    def steps(self) -> int:
        return -(-self.rows // self.batch)

    @property
    def local_batch(self) -> int:
        return -(-self.batch // self.ranks)

    @property
    def padding(self) -> int:
        """Places of the last global batch that hold no row: fewer than one batch."""
        return self.steps * self.batch - self.rows

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The permutation of all rows in `epoch`."""
        generator = np.random.Generator(np.random.Philox(key=np.array([self.seed, epoch], np.uint64)))
        return generator.permutation(self.rows)

    def batches(self, epoch: int) -> NDArray[np.int64]:
        """(steps, batch): the rows of each global batch; `rows` where the last one has none."""
        places = np.full(self.steps * self.batch, self.rows, np.int64)
        places[: self.rows] = self.order(epoch)
        return places.reshape(self.steps, self.batch)

    def slots(self, epoch: int, rank: int) -> Slots:
        """The stretch of every global batch of `epoch` that `rank` sees."""
        first, last = share(self.batch, rank, self.ranks)
        index = np.full((self.steps, self.local_batch), self.rows, np.int64)
        index[:, : last - first] = self.batches(epoch)[:, first:last]
        return Slots(index, (index < self.rows).astype(np.float64))


@dataclass(frozen=True)
class RowRange:
    """Rows start <= row < stop of one file of a manifest."""

    file: int
    start: int
    stop: int


def share(count: int, rank: int, ranks: int) -> tuple[int, int]:
    """The half-open stretch of `count` things that belongs to `rank`; stretches differ by at most one in length."""
    return rank * count // ranks, (rank + 1) * count // ranks


def row_ranges(manifest: Manifest, rank: int, ranks: int) -> tuple[RowRange, ...]:
    """The ranges that `rank` decodes: each row falls to exactly one rank, whatever the files' number and sizes."""
    first, last = share(manifest.rows, rank, ranks)
    ranges, begin = [], 0
    for position, file in enumerate(manifest.files):
        start, stop = max(first, begin) - begin, min(last, begin + file.rows) - begin
        if start < stop:
            ranges.append(RowRange(position, start, stop))
        begin += file.rows
    return tuple(ranges)


def row_bytes(features: int) -> int:
    """Bytes of one decoded row: row_id, two labels, and `features` float32 values."""
    return 8 + 2 * 8 + 4 * features


def memory_per_rank(manifests: Mapping[str, Manifest], features: int) -> int:
    """Bytes of decoded rows that a rank holds at its peak, in the order 'global'."""
    return COPIES * row_bytes(features) * sum(manifest.rows for manifest in manifests.values())


@dataclass(frozen=True)
class HandOff:
    """A checked plan: the pinned files of each split, the steps, and the memory that they need."""

    manifests: Mapping[str, Manifest]
    plan: Plan
    features: int

    def lines(self) -> list[str]:
        """What a person reads before anything is started."""
        train = self.manifests["train"]
        rows = ", ".join(f"{manifest.rows:,} {split}" for split, manifest in self.manifests.items())
        size = sum(manifest.bytes for manifest in self.manifests.values())
        memory = memory_per_rank(self.manifests, self.features)
        return [
            f"table    {train.table}, version {train.version}",
            f"rows     {rows}; {size:,} bytes in {sum(len(m.files) for m in self.manifests.values())} files",
            f"steps    {self.plan.steps:,} per epoch on each of {self.plan.ranks} ranks, "
            f"global batch {self.plan.batch:,}, {self.plan.local_batch:,} places per rank",
            f"padding  {self.plan.padding:,} places per epoch, weight 0",
            f"memory   {memory:,} bytes of decoded rows per rank; 0 bytes written",
        ]


def hand_off(manifests: Mapping[str, Manifest], plan: Plan, *, features: int, memory_mb: int) -> HandOff:
    """Check that there is something to learn from, and that it fits.

    Raises:
        PlanError: no row in train or validation, or more decoded bytes per rank than `memory_mb` allows.
    """
    for split in ("train", "validation"):
        if not manifests[split].rows:
            raise PlanError.no_rows(manifests[split].table, split)
    needed, budget = memory_per_rank(manifests, features), memory_mb * 2**20
    if needed > budget:
        raise PlanError.over_budget(manifests["train"].table, needed, budget)
    return HandOff(manifests, plan, features)
