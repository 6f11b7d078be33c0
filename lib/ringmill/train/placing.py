"""Which ranks will be on one host, as far as it can be known before any of them is started."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ringmill.config.train import Train

# Spark's own processes are all on the driver's machine: threads of one (local[N]), or workers of its own
# (local-cluster[N,cores,memory]).
LOCAL_MASTER = re.compile(r"local(-cluster)?(\[.*\])?")


@dataclass(frozen=True)
class Placed:
    """The host with the most ranks has `host_ranks`; `assumed` says what that rests on, '' where it is known."""

    host_ranks: int
    assumed: str = ""


def on_one_host(ranks: int) -> Placed:
    """All of them."""
    return Placed(ranks)


def by_master(ranks: int, master: str) -> Placed:
    """In a barrier stage of the Spark whose master is `master`.

    On a cluster the least is assumed: more ranks on a host are counted when they are there, before a row is decoded.
    """
    if LOCAL_MASTER.fullmatch(master):
        return on_one_host(ranks)
    return Placed(1, f"one rank on each host, since {master or 'Spark'} places them" if ranks > 1 else "")


def by_names(ranks: int, hosts: Sequence[str]) -> Placed:
    """Over ssh, where the ranks fill the places of `hosts`, in their order."""
    counts = Counter(places(hosts)[:ranks])
    most = max(counts.values(), default=1)
    return Placed(most, "each name of train.hosts is a machine of its own" if len(counts) > 1 else "")


def places(hosts: Sequence[str]) -> list[str]:
    """The name of the host of each place: 'name' has one, 'name:4' four."""
    pairs = [host.partition(":") for host in hosts]
    return [name for name, _, count in pairs for _ in range(int(count or 1))]


def placed_by(section: Train, master: str = "") -> Placed:
    """As the section `train` says; `master` is that of the Spark that a barrier stage would run in."""
    if section.launcher == "local":
        return on_one_host(section.ranks)
    if section.launcher == "hosts":
        return by_names(section.ranks, section.hosts)
    return by_master(section.ranks, master)
