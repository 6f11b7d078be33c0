"""A job's splits, opened in the order that it trains in: decoded once on each host, or read as they pass by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ringmill.handoff.columns import Columns
from ringmill.handoff.manifest import Manifest
from ringmill.handoff.plan import row_ranges, share
from ringmill.handoff.read import RowStream
from ringmill.handoff.resident import Decoded, decoded_bytes
from ringmill.train.evaluate import Split
from ringmill.train.feed import Feed, GlobalFeed
from ringmill.train.host import Holding, hold, ranks_on_host
from ringmill.train.ranks import Ring
from ringmill.train.spec import Job
from ringmill.train.striped import Streamed, striped_feed


@dataclass(frozen=True)
class Opened:
    """One rank's view: what it trains on, what it evaluates, and how many decoded copies all ranks hold of the rows."""

    feed: Feed
    splits: Mapping[str, Split]
    copies: int


def open_splits(job: Job, ring: Ring) -> Opened:
    """Open all splits in the configured order.

    Raises:
        PlanError: a file is gone, or the ranks of a host hold more than `train.memory_mb` allows, because there are so
            many or because they cannot share memory.
        LawError: in the order 'global', a row id occurs twice.
        InputError: see `decode`.
    """
    return _resident(job, ring) if job.spec.train.order == "global" else _striped(job, ring)


def _striped(job: Job, ring: Ring) -> Opened:
    job.handed.check(job.spec.train.memory_mb, ranks=ranks_on_host(ring))
    splits = {name: Streamed(manifest, job.spec.columns) for name, manifest in job.manifests.items()}
    return Opened(striped_feed(job, ring), splits, copies=0)


def _resident(job: Job, ring: Ring) -> Opened:
    """Decode every split into memory that the ranks of a host share: each rank decodes a part, none twice."""
    handed, columns = job.handed, job.spec.columns
    holding = hold(handed.copy_bytes, ring)
    handed.check(job.spec.train.memory_mb, ranks=holding.host_ranks, copies=holding.host_copies)
    splits, at = {}, 0
    for name, manifest in handed.manifests.items():
        splits[name] = Decoded.lay(manifest.rows, columns, holding.memory, at=at)
        at += decoded_bytes(manifest.rows, columns)
        _read_part(splits[name], manifest, columns, holding)
    pa.default_memory_pool().release_unused()
    # Sorting needs all rows of a memory, whoever has decoded them.
    ring.gather(np.zeros(1), name="rows_read")
    if holding.rank == 0:
        for name, split in splits.items():
            split.pad(job.spec.padding_fill)
            split.sort(f"{handed.manifests[name].table}, split = '{name}'")
    # Nobody reads on before the order is there.
    ring.gather(np.zeros(1), name="rows_sorted")
    stop_every = job.spec.train.checkpoint_steps
    feed = GlobalFeed.of(job.plan, ring.rank, splits["train"], task=job.spec.task, stop_every=stop_every)
    return Opened(feed, splits, holding.copies)


def _read_part(split: Decoded, manifest: Manifest, columns: Columns, holding: Holding) -> None:
    first, last = share(len(split), holding.rank, holding.ranks)
    ranges = row_ranges(manifest, holding.rank, holding.ranks)
    RowStream(manifest, ranges, columns).fill(split.rows.part(first, last))
