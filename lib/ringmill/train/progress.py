"""`progress.jsonl`: what happens in a run, a JSON object a line, written by rank 0 and followed by who started it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ringmill.errors import TrainingError

OnProgress = Callable[[Mapping[str, Any]], None]
FILE = "progress.jsonl"
FOLLOW_SECONDS = 0.1


class Progress:
    """Rank 0's pen; on other ranks nothing is written."""

    def __init__(self, folder: Path, rank: int) -> None:
        self._path = folder / FILE if rank == 0 else None

    def say(self, event: str, **figures: Any) -> None:
        """Raises TrainingError where the line cannot be written."""
        if self._path:
            append(self._path, {"event": event, **figures})


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add one line.

    Raises:
        TrainingError: the system refuses to write it, for example because the disk is full.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        raise TrainingError.not_written("The progress of the training", str(path), error.strerror or "") from error


@contextmanager
def following(path: Path, on_progress: OnProgress) -> Iterator[None]:
    """Hand each whole line that appears in `path` to `on_progress`, until the block ends and all lines are read."""
    ended = threading.Event()

    def follow() -> None:
        with path.open(encoding="utf-8") as file:
            part = ""
            while True:
                last = ended.wait(FOLLOW_SECONDS)
                *lines, part = (part + file.read()).split("\n")
                for line in lines:
                    with suppress(json.JSONDecodeError):  # half a line, of a disk that was full, and what followed it
                        on_progress(json.loads(line))
                if last:
                    return

    thread = threading.Thread(target=follow, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
