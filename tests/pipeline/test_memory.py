"""Peak memory: what is counted, when it costs a walk over all pages, and that no watch outlives its run."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import psutil
import pytest

from ringmill.config import load
from ringmill.pipeline import memory
from ringmill.pipeline.memory import MemoryWatch, tree_bytes
from ringmill.pipeline.stage import Run

CONF = Path(__file__).parents[2] / "conf" / "default.yaml"
MIB = 2**20


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
    watch = MemoryWatch()
    before = tree_bytes(psutil.Process(os.getpid()))
    block = bytearray(os.urandom(MIB)) * 64
    watch.sample()
    del block
    peak = watch.peak_bytes
    watch.sample()
    assert before + 60 * MIB < peak == watch.peak_bytes


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
