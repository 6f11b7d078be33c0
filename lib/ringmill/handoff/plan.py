"""Rows, batch and ranks to steps: pure arithmetic, proved before anything is started (laws 4 and 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringmill.handoff.manifest import Manifest


@dataclass(frozen=True)
class Slots:
    """One rank's places of one epoch, each (steps, local_batch): the row in each, and its weight (0: padding)."""

    index: NDArray[Any]
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

    def batches(self, epoch: int) -> NDArray[Any]:
        """(steps, batch): the rows of each global batch; `rows` where the last one has none."""
        places = np.arange(self.steps * self.batch, dtype=place_dtype(self.rows + self.batch))
        places[self.rows :] = self.rows
        draws = np.random.Generator(np.random.Philox(key=np.array([self.seed, epoch], np.uint64)))
        draws.shuffle(places[: self.rows])
        return places.reshape(self.steps, self.batch)

    def slots(self, batches: NDArray[Any], rank: int) -> Slots:
        """The stretch that `rank` sees of `batches`, which are some global batches of an epoch, one after another."""
        first, last = share(self.batch, rank, self.ranks)
        index = np.full((len(batches), self.local_batch), self.rows, batches.dtype)
        index[:, : last - first] = batches[:, first:last]
        return Slots(index, (index < self.rows).astype(np.float64))


def place_dtype(count: int) -> type[np.signedinteger[Any]]:
    """What holds the numbers 0 … count, in as few bytes as possible."""
    return np.int32 if count < 2**31 else np.int64


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
    return tuple(stretch(manifest.row_counts, first, last))


def stretch(counts: NDArray[np.int64], first: int, last: int) -> Iterator[RowRange]:
    """Rows first <= row < last of pieces with `counts` rows each that stand in a line, as ranges of the pieces."""
    ends = np.cumsum(counts)
    # Pieces without rows end where they begin, and lie in no range.
    touched = np.flatnonzero((ends > first) & (ends - counts < last) & (counts > 0))
    begins = (ends - counts)[touched]
    starts = np.maximum(first - begins, 0)
    stops = np.minimum(last - begins, counts[touched])
    for piece, start, stop in zip(touched.tolist(), starts.tolist(), stops.tolist(), strict=True):
        if start < stop:
            yield RowRange(piece, start, stop)
