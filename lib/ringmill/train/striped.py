"""The order 'striped': a rank reads its stretch of the row groups window by window, the next one while this one trains.

Two windows of decoded rows are in memory, whatever the table's size; nothing of it stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from ringmill.handoff.columns import Columns, Rows
from ringmill.handoff.manifest import Manifest
from ringmill.handoff.memory import Memory
from ringmill.handoff.plan import row_ranges, share
from ringmill.handoff.read import ROWS_AT_ONCE, RowStream, group_sizes
from ringmill.handoff.resident import Decoded, decoded_bytes
from ringmill.handoff.stripes import Stripes, row_groups, window_capacity
from ringmill.train.feed import SIGNATURE, Segment, Totals, Window, signature
from ringmill.train.ranks import Ring
from ringmill.train.spec import Job
from ringmill.train.tasks.task import Task


@dataclass(frozen=True)
class Streamed:
    """A split that is read anew whenever it is gone through."""

    manifest: Manifest
    columns: Columns

    def __len__(self) -> int:
        return self.manifest.rows

    def blocks(self, rank: int, ranks: int, *, size: int) -> Iterator[Rows]:
        """This rank's part of the files' rows, at most `size` at a time; every rank has as many blocks."""
        first, last = share(len(self), rank, ranks)
        stream = RowStream(self.manifest, row_ranges(self.manifest, rank, ranks), self.columns)
        longest = -(-len(self) // ranks)
        for start in range(0, longest, size):
            rows = Rows.empty(max(0, min(size, last - first - start)), self.columns)
            stream.fill(rows)
            yield rows


@dataclass(frozen=True)
class StripedFeed:
    """The windows of one rank; `places` are what they are decoded into, in turns."""

    stripes: Stripes
    manifest: Manifest
    columns: Columns
    ring: Ring
    totals: Totals
    places: tuple[Decoded, Decoded]
    task: Task
    padding_fill: float = 0.0

    def segments(self, epoch: int, first: int = 0) -> Iterator[Segment]:
        """One segment per window. Raises as `RowStream.fill`."""
        ranges = self.stripes.ranges(epoch, self.ring.rank, first)
        stream = RowStream(self.manifest, ranges, self.columns)
        windows = list(self.stripes.windows(first))
        seen = self.stripes.seen(self.ring.rank)
        sizes = [int(seen[stop] - seen[start]) for start, stop in windows]
        with ThreadPoolExecutor(1, thread_name_prefix="next-window") as reader:
            ahead = reader.submit(self._fill, stream, self.places[0].first(sizes[0]))
            for place, (start, stop) in enumerate(windows):
                rows = ahead.result()
                if place + 1 < len(windows):
                    free = self.places[(place + 1) % 2].first(sizes[place + 1])
                    ahead = reader.submit(self._fill, stream, free)
                yield self._segment(epoch, start, stop, rows)

    def _fill(self, stream: RowStream, rows: Decoded) -> Decoded:
        stream.fill(rows.rows)
        rows.pad(self.padding_fill)
        return rows

    def _segment(self, epoch: int, first: int, last: int, rows: Decoded) -> Segment:
        slots = self.stripes.slots(epoch, self.ring.rank, first, last)
        real = slots.weight > 0
        weight = slots.weight
        weight[real] = rows.weight[slots.index[real]]
        # Padding refers to a row whose labels may be anything.
        labels = {name: np.where(real, rows.labels[name][slots.index], 0.0) for name in self.task.targets}
        # A loss is divided by the global batch's sums, of which each rank knows its own rows' part.
        mine = np.stack([mass.sum(axis=1) for mass in self.task.masses(weight, labels)], axis=1)[None]
        divisors = self.ring.gather(mine, name="window_sums").sum(axis=0)
        return Segment(first, Window.of(rows, self.task), slots.index, weight, divisors, rows.rows.row_id)


def striped_feed(job: Job, ring: Ring) -> StripedFeed:
    """The feed of a job: the ranks look at the files' footers and labels once, each at a part of them."""
    manifest, columns, window_rows = job.manifests["train"], job.spec.columns, job.spec.train.window_rows
    # Every rank deals all row groups, and each has looked at a part of the footers.
    sizes = ring.gather(group_sizes(manifest, *share(len(manifest.files), ring.rank, ring.size)), name="row_groups")
    capacity = window_capacity(job.plan, window_rows)
    memory = Memory.private(2 * (size := decoded_bytes(capacity, columns)))
    return StripedFeed(
        stripes=Stripes(job.plan, row_groups(sizes), window_rows),
        manifest=manifest,
        columns=columns,
        ring=ring,
        totals=_totals(manifest, columns, ring, job.spec.task),
        task=job.spec.task,
        places=(Decoded.lay(capacity, columns, memory), Decoded.lay(capacity, columns, memory, at=size)),
        padding_fill=job.spec.padding_fill,
    )


def _totals(manifest: Manifest, columns: Columns, ring: Ring, task: Task) -> Totals:
    """One look at ids, labels and weights, before any row is trained on."""
    labels = Streamed(manifest, replace(columns, x=None))
    sums, ids = np.zeros(1), 0
    for rows in labels.blocks(ring.rank, ring.size, size=ROWS_AT_ONCE):
        sums = sums + task.totals(rows.weight, rows.labels)
        ids = (ids + signature(rows.row_id)) & int(SIGNATURE)
    # Each rank has looked at its part of the files.
    sums = ring.gather(sums[None], name="label_sums").sum(axis=0)
    signatures = ring.gather(np.array([ids], np.int64), name="ids").astype(np.uint64)
    return Totals(len(labels), tuple(sums.tolist()), int(signatures.sum() & SIGNATURE))
