"""Ranks as threads of this process: what a ring does for them, by a barrier and NumPy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Found = TypeVar("Found")


class Member:
    """A rank of a ring that gathers and sums arrays, one at a time."""

    def __init__(self, hosts: str, rank: int, parts: list[Any], barrier: threading.Barrier) -> None:
        self.size, self.rank, self.host = len(hosts), rank, hosts[rank]
        self._parts, self._barrier = parts, barrier

    def gather(self, rows: NDArray[Any], *, name: str) -> NDArray[Any]:
        return np.concatenate(self._everyones(rows))

    def sum(self, tensors: Sequence[Any], *, name: str) -> list[Any]:
        return [np.sum([one[place] for one in self._everyones(tensors)], axis=0) for place in range(len(tensors))]

    def sum_rows(self, slices: Any, *, name: str) -> Any:
        raise NotImplementedError

    def broadcast(self, variables: Sequence[Any]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass

    def _everyones(self, mine: Any) -> list[Any]:
        self._parts[self.rank] = mine
        self._barrier.wait()
        everyone = list(self._parts)
        self._barrier.wait()
        return everyone


def together(hosts: str, act: Callable[[Member], Found]) -> list[Found]:
    """What `act` gives on each rank; a letter of `hosts` is a rank's host."""
    found: list[Any] = [None] * len(hosts)
    parts, barrier = [None] * len(hosts), threading.Barrier(len(hosts), timeout=60)

    def run(rank: int) -> None:
        found[rank] = act(Member(hosts, rank, parts, barrier))

    threads = [threading.Thread(target=run, args=[rank]) for rank in range(len(hosts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
