"""Peak memory of a run: the proportional set sizes of this process and all that it started, summed."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import psutil


class MemoryWatch:
    """Samples the process tree from a daemon thread; shared pages count once (PSS), so forks are not counted twice."""

    def __init__(self, every_seconds: float = 1.0) -> None:
        self.peak_bytes = 0
        self._every = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory-watch", daemon=True)

    def start(self) -> MemoryWatch:
        self._thread.start()
        return self

    def stop(self) -> int:
        """End the thread; returns the highest sum seen, in bytes."""
        self._stop.set()
        self._thread.join()
        return self.peak_bytes

    def _watch(self) -> None:
        own = psutil.Process(os.getpid())
        while not self._stop.is_set():
            self.peak_bytes = max(self.peak_bytes, tree_bytes(own))
            self._stop.wait(self._every)


def tree_bytes(root: psutil.Process) -> int:
    """Summed PSS of a process and its descendants; a process that ends meanwhile counts 0."""
    try:
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_pss(process.pid) for process in tree)


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return 0
    return 0
