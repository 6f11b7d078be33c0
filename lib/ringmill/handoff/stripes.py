"""The order 'striped', as arithmetic: row groups dealt to ranks each epoch, cut between rows, in equal steps (law 4).

Each epoch puts the row groups in a line by a permutation of (seed, epoch) and cuts the line into one stretch per rank;
lengths differ by at most one row. A group that a cut falls into is read by both its ranks, so that an epoch reads at
most `ranks` − 1 groups more than there are. A rank reads its stretch from one end to the other, some whole steps at a
time, a window, whose rows it shuffles. The batches depend on the number of ranks: law 5 is not promised.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringmill.handoff.plan import Plan, RowRange, Slots, place_dtype, stretch

_GROUPS, _WINDOW = 1, 2  # tell the draws for different uses apart


@dataclass(frozen=True)
class RowGroups:
    """(groups,) each: the file that a row group is in, the row of the file at which it begins, how many rows it has."""

    file: NDArray[np.int64]
    begin: NDArray[np.int64]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Stripes:
    """How `plan.ranks` ranks see the rows of `groups`, at most `window_rows` of a rank at a time.

    A window holds at least one step. Of the rows of the first s steps, min(s · batch, rows), rank r sees every
    `ranks`-th, beginning with its own: so each global batch is full but the last, and no rank has more than
    `plan.local_batch` rows of it.

    With 7 rows, batch 3 and 2 ranks: 3 steps; rank 0 sees 2, 1 and 1 rows in them, rank 1 sees 1, 2 and 0.
    """

    plan: Plan
    groups: RowGroups
    window_rows: int

    def seen(self, rank: int) -> NDArray[np.int64]:
        """(steps + 1,): how many rows `rank` has seen before each step, and after the last."""
        batches = np.arange(self.plan.steps + 1, dtype=np.int64) * self.plan.batch
        seen: NDArray[np.int64] = -((rank - np.minimum(batches, self.plan.rows)) // self.plan.ranks)
        return np.maximum(seen, 0)

    def windows(self, first: int = 0) -> Iterator[tuple[int, int]]:
        """The windows from step `first` on, with which one begins: (step, step behind its last), for all ranks."""
        length, steps = window_steps(self.plan, self.window_rows), self.plan.steps
        return pairwise([*range(first, steps, length), steps])

    def ranges(self, epoch: int, rank: int, first: int = 0) -> Iterator[RowRange]:
        """What `rank` reads in `epoch` from step `first` on: its stretch of the line of row groups."""
        order = self._dealt(epoch)
        begin = sum(int(self.seen(earlier)[-1]) for earlier in range(rank))
        seen = self.seen(rank)
        for piece in stretch(self.groups.rows[order], begin + int(seen[first]), begin + int(seen[-1])):
            group = int(order[piece.file])
            at = int(self.groups.begin[group])
            yield RowRange(int(self.groups.file[group]), at + piece.start, at + piece.stop)

    def readers(self, epoch: int) -> NDArray[np.int64]:
        """(groups,): how many ranks read a part of each group in `epoch`, as `ranges` deals them."""
        order = self._dealt(epoch)
        ends = np.cumsum(self.groups.rows[order])
        begins = ends - self.groups.rows[order]
        # Ranks without a row cut where others do.
        cuts = np.unique(np.cumsum([int(self.seen(rank)[-1]) for rank in range(self.plan.ranks)]))
        cuts = cuts[cuts < self.plan.rows]
        cut = np.searchsorted(ends, cuts, side="right")
        readers = np.ones(len(order), np.int64)
        np.add.at(readers, order[cut[begins[cut] < cuts]], 1)
        return readers

    def _dealt(self, epoch: int) -> NDArray[np.int64]:
        """(groups,): the places of the row groups in the line of which `epoch` gives each rank its stretch."""
        return _draws(_GROUPS, self.plan.seed, epoch).permutation(len(self.groups.rows))

    def slots(self, epoch: int, rank: int, first: int, last: int) -> Slots:
        """Where the rows that `rank` reads for steps first <= step < last, a window, stand in these steps.

        `index` counts the window's rows from 0, in the order in which they are read; padding carries their number.
        """
        seen = self.seen(rank)[first : last + 1]
        rows, counts = int(seen[-1] - seen[0]), np.diff(seen)
        index = np.full((last - first, self.plan.local_batch), rows, place_dtype(rows))
        shuffled = _draws(_WINDOW, self.plan.seed, epoch, rank, first).permutation(rows)
        index[np.arange(self.plan.local_batch) < counts[:, None]] = shuffled
        return Slots(index, (index < rows).astype(np.float64))


def window_steps(plan: Plan, window_rows: int) -> int:
    """Steps of a window: as many as `window_rows` rows of one rank allow, at least one."""
    return max(1, window_rows // plan.local_batch)


def window_capacity(plan: Plan, window_rows: int) -> int:
    """Rows that a window of any rank may have."""
    return min(window_steps(plan, window_rows), plan.steps) * plan.local_batch


def _draws(*seed: int) -> np.random.Generator:
    """The draws that follow from these numbers alone: the same on every machine."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))


def row_groups(table: NDArray[Any]) -> RowGroups:
    """(groups, 3) of file, begin and rows → the groups, ordered by file and place."""
    ordered = table[np.lexsort((table[:, 1], table[:, 0]))]
    return RowGroups(ordered[:, 0], ordered[:, 1], ordered[:, 2])
