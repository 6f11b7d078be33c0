"""Which ranks hold their rows in one memory: those of a host that may open what its first rank has made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ringmill.handoff.memory import Memory, Offer
from ringmill.train.ranks import Ring


@dataclass(frozen=True)
class Holding:
    """A rank's memory, and who else holds it.

    `rank` of `ranks` is this rank's place among those that share the memory. `copies` memories are there in all, and
    on this host `host_copies`, for its `host_ranks` ranks.
    """

    memory: Memory
    rank: int
    ranks: int
    copies: int
    host_ranks: int
    host_copies: int


def hold(size: int, ring: Ring) -> Holding:
    """Memory of `size` bytes for each host, shared by its ranks; a rank that cannot open it gets memory of its own."""
    # Who shares a host follows from its name; whether they can share memory is tried, since containers may differ.
    hosts = _hosts(ring)
    neighbours = np.flatnonzero(hosts == hosts[ring.rank])
    first = int(neighbours[0])
    memory, offer = _make(size) if ring.rank == first and len(neighbours) > 1 else (None, None)
    # The first rank of each host tells where its memory is.
    offers = ring.gather(np.array([offer.to_row() if offer else [0, 0, 0]], np.int64), name="memory_offers")
    made = Offer(*(int(value) for value in offers[first]))
    if memory is None and made.pid:
        memory = Memory.open(size, made)
    # Everyone learns who has it: each memory's rows are decoded once, by those that hold it.
    held = ring.gather(np.array([memory is not None]), name="memory_held")
    sharing = neighbours[held[neighbours]]
    group = sharing if memory is not None else np.array([ring.rank])
    return Holding(
        memory=memory or Memory.private(size),
        rank=int(np.searchsorted(group, ring.rank)),
        ranks=len(group),
        copies=sum(_copies(held[hosts == host]) for host in np.unique(hosts)),
        host_ranks=len(neighbours),
        host_copies=_copies(held[neighbours]),
    )


def ranks_on_host(ring: Ring) -> int:
    """How many of the ranks are on this rank's host."""
    hosts = _hosts(ring)
    return int((hosts == hosts[ring.rank]).sum())


def _hosts(ring: Ring) -> NDArray[np.int64]:
    """(ranks,): a number for the host of each, so that they find their neighbours."""
    return ring.gather(np.array([_hash(ring.host)]), name="hosts")


def _make(size: int) -> tuple[Memory | None, Offer | None]:
    try:
        return Memory.shared(size)
    except OSError:  # a kernel or a sandbox without memfd
        return None, None


def _copies(held: NDArray[np.bool_]) -> int:
    """Memories of a host: a shared one, if any rank has it, and one of each rank that has not."""
    return int(held.any()) + int((~held).sum())


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "little")
