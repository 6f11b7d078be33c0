"""Rank processes: started with a pipe that keeps them alive, watched together, ended together."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ringmill.errors import TrainingError
from ringmill.train.rank import PEER_ENDED

POLL_SECONDS = 0.05
# Ranks that lose a peer end by themselves a moment after it; the cause may be the one that is seen to end last.
GRACE_SECONDS = 2.0
TAIL_LINES = 12


@dataclass(frozen=True)
class RankProcess:
    """One rank's process and its log."""

    rank: int
    log: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, rank: int, spec: Path, log: Path) -> RankProcess:
        """Start it; it imports TensorFlow meanwhile, and waits for `tell`."""
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "ringmill.train.rank", str(spec)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the launcher, which then ends the ranks
            )
        return cls(rank, log, process)

    def tell(self, settings: Mapping[str, str]) -> None:
        """Hand over the HOROVOD_* settings; the pipe stays open as long as this process lives."""
        if self.process.stdin is None:
            return
        with suppress(BrokenPipeError):  # it has ended already; its status tells
            self.process.stdin.write(json.dumps(dict(settings)).encode() + b"\n")
            self.process.stdin.flush()

    @property
    def status(self) -> int | None:
        """The exit status, −N for signal N, None while it runs."""
        return self.process.poll()

    def end(self) -> None:
        """Kill it if it still runs, and reap it."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin:
            with suppress(BrokenPipeError):
                self.process.stdin.close()

    def tail(self) -> str:
        """The log's last lines, and the exit status in words."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        status = self.status or 0
        ending = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        return "\n            ".join([ending, *lines])


def wait_for(ranks: Sequence[RankProcess]) -> None:
    """Return when every rank has ended well.

    Raises:
        TrainingError: a rank failed; the one named is a cause, not one that only lost its peer.
    """
    while any(rank.status is None for rank in ranks):
        if any(rank.status for rank in ranks):
            break
        time.sleep(POLL_SECONDS)
    if failed := _cause(ranks):
        raise TrainingError.rank_failed(failed.rank, str(failed.log), failed.tail())


def _cause(ranks: Sequence[RankProcess]) -> RankProcess | None:
    deadline = time.monotonic() + GRACE_SECONDS
    while all(rank.status in (None, 0, PEER_ENDED) for rank in ranks):
        if not any(rank.status for rank in ranks):
            return None
        if time.monotonic() > deadline or all(rank.status is not None for rank in ranks):
            break
        time.sleep(POLL_SECONDS)
    failed = [rank for rank in ranks if rank.status]
    return min(failed, key=lambda rank: (rank.status == PEER_ENDED, rank.rank))
