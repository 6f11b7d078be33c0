"""Rank processes: started with pipes that keep them alive and tell how they are, watched together, ended together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from ringmill.errors import RankLost, TrainingError
from ringmill.train.facts import Facts, check_facts, code_id
from ringmill.train.launch.watch import PulseWatch, Stall
from ringmill.train.peers import Peer
from ringmill.train.rank import ORPHANED, PEER_ENDED

POLL_SECONDS = 0.05
# Ranks that lose a peer end by themselves a moment after it; the cause may be the one that is seen to end last.
GRACE_SECONDS = 2.0
# A pre-flight check is over within ten.
FACTS_SECONDS = 9.0
TAIL_LINES = 12
# The exit status of ssh where the connection was lost, or a signal ended the process at its other end.
SSH_LOST = 255


@dataclass(frozen=True)
class Launch:
    """What a launcher is asked for: `ranks` ranks of the job in `spec`, whose folder is the run's.

    `spec_hash` is the SHA-256 of the file `spec`, `bytes_per_host` the memory that the ranks of
    a host share, `bytes_per_rank` what each needs beside it, `stall_seconds` the
    time after which a rank that gets no further has stalled, `code` the sources that the ranks are to run.
    """

    spec: Path
    ranks: int
    spec_hash: str
    bytes_per_rank: int
    stall_seconds: float
    bytes_per_host: int = 0
    code: str = field(default_factory=code_id)

    @property
    def folder(self) -> Path:
        return self.spec.parent

    def log(self, rank: int) -> Path:
        return self.folder / f"rank-{rank}.log"

    def check(self, facts: Sequence[Facts]) -> None:
        """Raises TrainingError where what the ranks found on their hosts is in the way of a start."""
        shares = {"bytes_per_rank": self.bytes_per_rank, "bytes_per_host": self.bytes_per_host}
        check_facts(facts, folder=str(self.folder), spec=self.spec_hash, code=self.code, **shares)

    @property
    def settings(self) -> dict[str, str]:
        """Of Horovod: it gives a peer up later than we do, who know which one it is."""
        return {"HOROVOD_GLOO_TIMEOUT_SECONDS": str(int(self.stall_seconds) + 60)}


@dataclass(frozen=True)
class Ending:
    """How one rank ended, as its launcher saw it: by itself, or because it had `stall`ed, or `by_launcher`, since
    another one had failed. `error` has the parts of the error with which it ended itself, `refusal` those of what it
    found to be in the way of a start, which with `again` need not be there at another one.
    """

    rank: int
    status: int
    log: str
    tail: str
    limit: float
    error: Mapping[str, str] | None = None
    stall: Stall | None = None
    by_launcher: bool = False
    refusal: Mapping[str, str] | None = None
    again: bool = False

    @property
    def failed(self) -> bool:
        return self.status != 0 or self.stall is not None or self.refusal is not None

    @property
    def told(self) -> bool:
        """It said itself why it ended."""
        return self.error is not None or self.refusal is not None

    @property
    def was_killed(self) -> bool:
        """From outside: it has neither said why, nor given up (SIGABRT), as a rank may whose peer has gone."""
        by_signal = self.status < 0 and self.status != -signal.SIGABRT
        return by_signal and not (self.by_launcher or self.told or self.stall)

    @property
    def lost(self) -> bool:
        """It need not have ended: another start may go well."""
        return self.stall is not None or self.status < 0 or self.status in (PEER_ENDED, ORPHANED, SSH_LOST)

    def to_error(self) -> TrainingError:
        if self.refusal:
            return (RankLost if self.again else TrainingError)(**self.refusal)
        if self.stall:
            epoch, step = self.stall.epoch, self.stall.step
            return RankLost.stalled(
                self.rank, self.log, epoch=epoch, step=step, limit=self.limit, words=self.stall.words
            )
        if self.error:
            return TrainingError.rank_refused(self.rank, self.log, self.error)
        return (RankLost if self.lost else TrainingError).rank_failed(self.rank, self.log, self.tail)


def cause_of(endings: Sequence[Ending]) -> TrainingError | None:
    """The error of the rank for which the others ended; None where all ended well."""
    failed = [ending for ending in endings if ending.failed]
    if not failed:
        return None

    def distance(ending: Ending) -> tuple[bool, bool, bool, int]:
        # A rank may be killed by what another one's end does to it: one that says why it ended comes first.
        known = ending.told or ending.stall is not None
        return (ending.by_launcher, ending.status == PEER_ENDED, not (known or ending.status < 0), ending.rank)

    told = [ending for ending in failed if ending.told and not ending.by_launcher]
    # Nobody reaches a rank that was killed before all were in: its end is the cause.
    killed = [ending for ending in failed if ending.was_killed]
    if killed and all(ending.error is None for ending in told):
        told = killed
    return min(told or failed, key=distance).to_error()


@dataclass
class RankProcess:
    """One rank's process, or that of the ssh that holds it: its log, and what it has told so far."""

    rank: int
    log: Path
    process: subprocess.Popen[bytes]
    watch: PulseWatch
    facts: Facts | None = None
    error: Mapping[str, str] | None = None
    refusal: Mapping[str, str] | None = None
    _part: bytes = field(default=b"", repr=False)

    @classmethod
    def start(
        cls, rank: int, launch: Launch, command: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> Self:
        """Start it, by `command` or here, with `environment` besides this process's; it imports TensorFlow meanwhile,
        and waits for `tell`.
        """
        log = launch.log(rank)
        with log.open("ab") as output:  # a rank that is started again keeps the log of its end
            process = subprocess.Popen(
                command or [sys.executable, *rank_arguments(launch.spec, rank)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # Ctrl-C is for the launcher, which then ends the ranks
            )
        if process.stdout:
            os.set_blocking(process.stdout.fileno(), False)
        return cls(rank, log, process, PulseWatch(launch.stall_seconds))

    def tell(self, settings: Mapping[str, str], peers: Sequence[Peer] = ()) -> None:
        """Hand over the HOROVOD_* settings and whom to try; the pipe stays open as long as this process lives."""
        if self.process.stdin is None:
            return
        with suppress(BrokenPipeError):  # it has ended already; its status tells
            told = {"settings": dict(settings), "peers": [asdict(peer) for peer in peers]}
            self.process.stdin.write(json.dumps(told).encode() + b"\n")
            self.process.stdin.flush()

    def listen(self) -> None:
        """Take in what the rank has told since the last time."""
        while self.process.stdout and (heard := self.process.stdout.read(65_536)):
            *lines, self._part = (self._part + heard).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def _take(self, line: Mapping[str, Any]) -> None:
        match line:
            case {"pulse": pulse}:
                self.watch.hear(pulse)
            case {"facts": facts}:
                self.facts = Facts(**facts)
            case {"error": error}:
                self.error = error
            case {"refusal": refusal}:
                self.refusal = refusal

    @property
    def status(self) -> int | None:
        """The exit status, −N for signal N, None while it runs."""
        return self.process.poll()

    def kill(self) -> None:
        """Kill it if it still runs, and reap it."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Leave nothing of it behind."""
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()

    def ending(self, *, limit: float) -> Ending:
        """How it ended. One that still runs is ended now: it has stalled, or another one has failed."""
        self.listen()
        runs, stall = self.status is None, self.watch.stall()
        if runs:
            self.kill()
        self.listen()
        return Ending(
            self.rank,
            self.status or 0,
            str(self.log),
            self.tail(),
            limit,
            error=self.error,
            stall=stall if runs else None,
            by_launcher=runs and stall is None and self.error is None and self.refusal is None,
            refusal=self.refusal,
        )

    def tail(self) -> str:
        """The log's last lines, and the exit status in words."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        status = self.status or 0
        ending = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        return "\n            ".join([ending, *lines])


def rank_arguments(spec: Path, rank: int) -> list[str]:
    """What Python is given to become a rank; its number is there for whoever looks at a list of processes."""
    return ["-m", "ringmill.train.rank", str(spec), str(rank)]


def wait_for_facts(ranks: Sequence[RankProcess]) -> list[Facts]:
    """What each rank finds on its host.

    Raises:
        TrainingError: a rank ended before it told, or tells nothing; RankLost where a signal ended it.
    """
    deadline = time.monotonic() + FACTS_SECONDS
    while True:
        for rank in ranks:
            rank.listen()
        if not (silent := [rank for rank in ranks if rank.facts is None]):
            return [rank.facts for rank in ranks if rank.facts]
        if any(rank.status is not None for rank in silent) or time.monotonic() > deadline:
            first = min(silent, key=lambda rank: (rank.status is None, rank.rank))
            kind = RankLost if (first.status or 0) < 0 else TrainingError
            raise kind.rank_silent(first.rank, str(first.log), first.tail())
        time.sleep(POLL_SECONDS)


def wait_for(ranks: Sequence[RankProcess], *, limit: float) -> None:
    """Return when every rank has ended well; a rank that gets no further for `limit` seconds has stalled.

    Raises:
        TrainingError: a rank failed; the one named is a cause, not one that only lost its peer.
    """
    while not _over(ranks):
        time.sleep(POLL_SECONDS)
    if any(rank.status == PEER_ENDED for rank in ranks):
        _wait_until(lambda: any(rank.status not in (None, 0, PEER_ENDED) for rank in ranks), ranks)
    if error := cause_of([rank.ending(limit=limit) for rank in ranks]):
        raise error


def _over(ranks: Sequence[RankProcess]) -> bool:
    for rank in ranks:
        rank.listen()
    statuses = [rank.status for rank in ranks]
    stalled = any(rank.watch.stall() for rank, status in zip(ranks, statuses, strict=True) if status is None)
    return stalled or any(statuses) or None not in statuses


def _wait_until(seen: Callable[[], bool], ranks: Sequence[RankProcess]) -> None:
    """Wait for the cause, a moment at most, and while a rank is there that could be it."""
    deadline = time.monotonic() + GRACE_SECONDS
    while not seen() and time.monotonic() < deadline and any(rank.status is None for rank in ranks):
        time.sleep(POLL_SECONDS)
