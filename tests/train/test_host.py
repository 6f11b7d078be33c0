"""hold: which ranks share a memory, whatever the hosts and whoever may not open it."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from ringmill.handoff.memory import Memory
from ringmill.train import host
from ringmill.train.host import Holding, hold
from ringmill.train.ranks import Solo
from train.together import together


def held(hosts: str, size: int) -> list[Holding]:
    return together(hosts, lambda member: hold(size, member))


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
    found = held(hosts, 64)
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
    found = held("aaa", 64)
    assert sorted(f"{one.rank}/{one.ranks}" for one in found) == ["0/1", "0/2", "1/2"]
    assert {(one.copies, one.host_copies, one.host_ranks) for one in found} == {(2, 2, 3)}


def test_without_shared_memory_every_rank_holds_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(size: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(host.Memory, "shared", none)
    found = held("aba", 64)
    assert [f"{one.rank}/{one.ranks}" for one in found] == ["0/1"] * 3
    assert {one.copies for one in found} == {3}
    assert [one.host_copies for one in found] == [2, 1, 2]


def test_a_rank_alone_needs_no_shared_memory() -> None:
    alone = hold(64, Solo())
    assert (alone.rank, alone.ranks, alone.copies, alone.host_copies) == (0, 1, 1, 1)
