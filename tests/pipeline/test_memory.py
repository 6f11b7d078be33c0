"""Peak memory: what is counted, when it costs a walk over all pages, and that no watch outlives its run."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ringmill.config import load
from ringmill.pipeline import memory
from ringmill.pipeline.memory import MemoryWatch
from ringmill.pipeline.stage import Run

CONF = Path(__file__).parents[2] / "conf" / "default.yaml"
MIB = 2**20
HELD = """
import subprocess, sys
import psutil
from ringmill.pipeline.memory import MemoryWatch, tree_bytes

watch = MemoryWatch()
before = tree_bytes(psutil.Process())
hold = "import sys; block = bytearray(b'x') * (64 << 20); print(flush=True); sys.stdin.read()"
child = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
watch.sample()
peak = watch.peak_bytes
child.communicate()
watch.sample()
print(before, peak, watch.peak_bytes)
"""


def watching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "memory-watch"]


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The processes whose pages were walked."""
    seen: list[int] = []
    counted = memory._pss

    def count(pid: int) -> int:
        seen.append(pid)
        return counted(pid)

    monkeypatch.setattr(memory, "_pss", count)
    return seen


def test_the_peak_is_of_the_whole_tree_and_stays_when_memory_is_freed() -> None:
    # In a process of its own: what other tests of this one free between two looks is no part of what is asked.
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    before, peak, after = map(int, done.stdout.split())
    assert before + 64 * MIB < peak == after


def test_pages_are_walked_only_where_the_resident_sizes_could_make_a_new_peak(walked: list[int]) -> None:
    watch = MemoryWatch()
    watch.sample()
    first = len(walked)
    assert os.getpid() in walked
    watch.peak_bytes *= 4  # as after a large stage
    watch.sample()
    assert len(walked) == first


def test_a_run_that_nobody_closes_leaves_no_thread_that_goes_on_sampling(tmp_path: Path) -> None:
    others = set(watching())
    run = Run(load(CONF, warehouse=str(tmp_path)))
    (started,) = set(watching()) - others
    del run
    gc.collect()
    started.join(30)
    assert not started.is_alive()
