"""hold: which ranks share a memory, whatever the hosts and whoever may not open it."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ringmill.handoff.memory import Memory
from ringmill.train import host
from ringmill.train.host import Holding, hold
from ringmill.train.ranks import Solo


class Together:
    """Ranks as threads of this process: gather alone, by a barrier."""

    def __init__(self, hosts: str) -> None:
        self.hosts, self.barrier = hosts, threading.Barrier(len(hosts))
        self.parts: list[Any] = [None] * len(hosts)

    def hold(self, size: int) -> list[Holding]:
        found: list[Any] = [None] * len(self.hosts)

        def run(rank: int) -> None:
            found[rank] = hold(size, Member(self, rank))

        threads = [threading.Thread(target=run, args=[rank]) for rank in range(len(self.hosts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found


class Member:
    def __init__(self, together: Together, rank: int) -> None:
        self.together, self.rank = together, rank
        self.size, self.host = len(together.hosts), together.hosts[rank]

    def gather(self, rows: NDArray[Any], *, name: str) -> NDArray[Any]:
        self.together.parts[self.rank] = rows
        self.together.barrier.wait()
        everyone = np.concatenate(self.together.parts)
        self.together.barrier.wait()
        return everyone


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("a", ["0/1"]),
        ("aaa", ["0/3", "1/3", "2/3"]),
        ("aba", ["0/2", "0/1", "1/2"]),
        ("ab", ["0/1", "0/1"]),
    ],
)
def test_the_ranks_of_a_host_share_one_memory(hosts: str, expected: list[str]) -> None:
    found = Together(hosts).hold(64)
    assert [f"{one.rank}/{one.ranks}" for one in found] == expected
    assert {one.copies for one in found} == {len(set(hosts))}
    assert [(one.host_ranks, one.host_copies) for one in found] == [(hosts.count(name), 1) for name in hosts]
    for name in set(hosts):
        arrays = [one.memory.array(0, (8,), np.int64) for one, at in zip(found, hosts, strict=True) if at == name]
        arrays[0][:] = 9
        assert all((array == 9).all() for array in arrays)


def test_a_rank_that_may_not_open_it_holds_a_copy_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = iter([True, False])
    real, lock = Memory.open, threading.Lock()

    def sometimes(size: int, offer: Any) -> Memory | None:
        with lock:
            return None if next(refused) else real(size, offer)

    monkeypatch.setattr(Memory, "open", sometimes)
    found = Together("aaa").hold(64)
    assert sorted(f"{one.rank}/{one.ranks}" for one in found) == ["0/1", "0/2", "1/2"]
    assert {(one.copies, one.host_copies, one.host_ranks) for one in found} == {(2, 2, 3)}


def test_without_shared_memory_every_rank_holds_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(size: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(host.Memory, "shared", none)
    found = Together("aba").hold(64)
    assert [f"{one.rank}/{one.ranks}" for one in found] == ["0/1"] * 3
    assert {one.copies for one in found} == {3}
    assert [one.host_copies for one in found] == [2, 1, 2]


def test_a_rank_alone_needs_no_shared_memory() -> None:
    alone = hold(64, Solo())
    assert (alone.rank, alone.ranks, alone.copies, alone.host_copies) == (0, 1, 1, 1)
