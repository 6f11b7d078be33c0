"""Peak memory of a run: the proportional set sizes of this process and all that it started, summed."""

from __future__ import annotations

import os
import threading
import weakref
from pathlib import Path

import psutil

_PAGE = os.sysconf("SC_PAGE_SIZE")


class MemoryWatch:
    """Samples the process tree from a daemon thread; shared pages count once (PSS), so forks are not counted twice.

    The thread ends with `stop`, or when nobody holds the watch any more.
    """

    def __init__(self, every_seconds: float = 1.0) -> None:
        self.peak_bytes = 0
        self._stop = threading.Event()
        watched = (weakref.ref(self), self._stop, every_seconds)
        self._thread = threading.Thread(target=_watch, args=watched, name="memory-watch", daemon=True)

    def start(self) -> MemoryWatch:
        self._thread.start()
        return self

    def stop(self) -> int:
        """End the thread; returns the highest sum seen, in bytes."""
        self._stop.set()
        self._thread.join()
        return self.peak_bytes

    def sample(self) -> None:
        """Look at the tree once."""
        tree = _tree(psutil.Process(os.getpid()))
        # For a proportional size the kernel walks all pages of a process, which holds up a JVM of gigabytes; the
        # resident size is at hand, and never smaller.
        if sum(map(_resident, tree)) > self.peak_bytes:
            self.peak_bytes = max(self.peak_bytes, sum(map(_pss, tree)))


def _watch(watched: weakref.ref[MemoryWatch], stop: threading.Event, every_seconds: float) -> None:
    while not stop.is_set():
        watch = watched()
        if watch is None:
            return
        watch.sample()
        del watch
        stop.wait(every_seconds)


def tree_bytes(root: psutil.Process) -> int:
    """Summed PSS of a process and its descendants; a process that ends meanwhile counts 0."""
    return sum(map(_pss, _tree(root)))


def _tree(root: psutil.Process) -> list[int]:
    try:
        return [process.pid for process in (root, *root.children(recursive=True))]
    except psutil.Error:
        return []


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return 0
    return 0
