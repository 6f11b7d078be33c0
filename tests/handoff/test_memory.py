"""Memory that processes share: one copy, no file, gone with the last process however it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ringmill.handoff.memory import ALIGNED, NAME, Memory, Offer, aligned

SIZE = 2**27
HOLDER = """
import json, sys
from ringmill.handoff.memory import Memory, Offer
size, offer = json.loads(sys.argv[1])
memory, made = (Memory.open(size, Offer(*offer)), None) if offer else Memory.shared(size)
numbers = memory.array(0, (size // 8,), "f8")
if not offer:
    numbers[:] = 1.0
print(json.dumps(made.to_row() if made else numbers.sum()), flush=True)
for line in sys.stdin:
    print(json.dumps(numbers.sum()), flush=True)
"""


class Holder:
    """A process that makes the memory, or opens the offered one, and answers with the sum of its numbers."""

    def __init__(self, offer: list[int] | None = None) -> None:
        command = [sys.executable, "-c", HOLDER, json.dumps([SIZE, offer])]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.answer = json.loads(self.process.stdout.readline())

    def ask(self) -> float:
        self.process.stdin.write("\n")
        return json.loads(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def holders() -> Iterator[list[Holder]]:
    started: list[Holder] = [Holder()]
    started.append(Holder(started[0].answer))
    yield started
    for holder in started:
        holder.kill()


def shared_bytes() -> int:
    line = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("Shmem:"))
    return int(line.split()[1]) * 1024


def mappings(pid: int) -> list[str]:
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return [line.split()[4] for line in lines if NAME in line]


def test_two_processes_hold_one_copy_which_outlives_its_maker_and_dies_with_the_last(holders: list[Holder]) -> None:
    first, second = holders
    assert second.answer == SIZE / 8
    # One and the same inode, whose name is that of a file already deleted.
    assert mappings(first.process.pid) == mappings(second.process.pid) != []
    during = shared_bytes()
    first.kill()
    assert second.ask() == SIZE / 8
    second.kill()
    freed = [during - shared_bytes()]
    while freed[-1] <= 0.9 * SIZE and len(freed) < 100:  # a loaded kernel frees, and counts, a moment after the end
        time.sleep(0.1)
        freed.append(during - shared_bytes())
    assert freed[-1] > 0.9 * SIZE


def test_law_8_the_memory_is_no_file_and_keeps_its_size() -> None:
    memory, offer = Memory.shared(1000)
    assert str(Path(f"/proc/{offer.pid}/fd/{offer.descriptor}").readlink()) == f"/memfd:{NAME} (deleted)"
    for size in (10, 10**6):
        with pytest.raises(PermissionError):
            os.ftruncate(offer.descriptor, size)
    assert memory.size == 1000


@pytest.mark.parametrize(
    "change",
    [{"mark": 1}, {"descriptor": 10**6}, {"pid": 2**22 - 1}],
    ids=["another memory", "no such descriptor", "no such process"],
)
def test_another_memory_than_the_offered_one_is_not_opened(change: dict[str, int]) -> None:
    memory, offer = Memory.shared(100)
    assert Memory.open(100, offer) is not None
    assert Memory.open(101, offer) is None
    assert Memory.open(100, Offer(**{**vars(offer), **change})) is None
    assert memory.size == 100


def test_arrays_lie_where_they_are_told_and_keep_the_memory() -> None:
    memory = Memory.private(3 * ALIGNED)
    one, two = memory.array(0, (2,), np.int64), memory.array(ALIGNED, (2, 2), np.float32)
    del memory
    one[:], two[:] = 7, 1.5
    assert (one.tolist(), two.tolist()) == ([7, 7], [[1.5, 1.5], [1.5, 1.5]])
    assert [array.ctypes.data % ALIGNED for array in (one, two)] == [0, 0]
    assert [aligned(size) for size in (0, 1, 64, 65)] == [0, 64, 64, 128]
