"""Locks of a local warehouse: who runs the same stage twice, or has all of it to himself.

The kernel frees a lock when its holder dies, however that happens. A warehouse at a URI has none: there the ledger's
commits tell who lost a race (see `Ledger.append`).
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ringmill.errors import RaceLost
from ringmill.lake.tables import Lake

# The lock that stages share, and that a command holds alone which is for none of them to run beside.
WHOLE = "warehouse"
# How long a stage waits for a command that has the warehouse to itself, and for who decides of models of the same name:
# both take seconds to minutes, and a race that is lost is never tried again.
WAIT_SECONDS = 600.0
PAUSE_SECONDS = 0.2
Say = Callable[[str], None]


def has_none(lake: Lake) -> bool:
    """Whether the warehouse is where no lock can be held."""
    return "://" in lake.root


@contextmanager
def alone(lake: Lake, stage: str, say: Say) -> Iterator[None]:
    """Hold the stage's lock; who has the whole warehouse is waited for, and `say` is told so.

    Raises:
        RaceLost: another process runs the same stage on the same warehouse, or holds the whole of it for too long.
    """
    what = f"stage '{stage}' of {lake.root}"
    with _waited(lake, WHOLE, fcntl.LOCK_SH, what, say), _locked(lake, stage, fcntl.LOCK_EX, what):
        yield


@contextmanager
def in_turn(lake: Lake, name: str, say: Say) -> Iterator[None]:
    """Hold the lock `name`; who holds it, or the whole warehouse, is waited for, and `say` is told so.

    Raises:
        RaceLost: they hold it for too long.
    """
    what = f"'{name}' of {lake.root}"
    with _waited(lake, WHOLE, fcntl.LOCK_SH, what, say), _waited(lake, name, fcntl.LOCK_EX, what, say):
        yield


@contextmanager
def all_alone(lake: Lake, command: str) -> Iterator[None]:
    """Hold a local warehouse while no stage runs on it, and none begins.

    Raises:
        RaceLost: stages run, which are named, or another process holds the warehouse.
    """
    with ExitStack() as held:
        try:
            held.enter_context(_locked(lake, WHOLE, fcntl.LOCK_EX, f"'{command}' of {lake.root}"))
        except RaceLost as error:
            running = [f"stage '{name}'" for name in _held(lake)]
            raise RaceLost.on(
                f"'{command}' of {lake.root}", f"{', '.join(running) or 'another command'} runs"
            ) from error
        yield


def _held(lake: Lake) -> Iterator[str]:
    """The stages whose locks some process holds."""
    for name in sorted(file.name for file in (Path(lake.root) / "locks").iterdir() if file.name != WHOLE):
        try:
            with _locked(lake, name, fcntl.LOCK_SH, name):
                continue
        except RaceLost:
            yield name


@contextmanager
def _waited(lake: Lake, name: str, how: int, what: str, say: Say) -> Iterator[None]:
    until = time.monotonic() + WAIT_SECONDS
    with ExitStack() as held:
        said = False
        while True:
            try:
                held.enter_context(_locked(lake, name, how, what))
                break
            except RaceLost:
                if time.monotonic() >= until:
                    raise
            if not said:
                said = True
                say(f"{what} waits for the lock '{name}', at most {WAIT_SECONDS:.0f} s")
            time.sleep(PAUSE_SECONDS)
        yield


@contextmanager
def _locked(lake: Lake, name: str, how: int, what: str) -> Iterator[None]:
    if has_none(lake):
        yield
        return
    folder = Path(lake.root) / "locks"
    folder.mkdir(exist_ok=True)
    with (folder / name).open("w") as lock:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RaceLost.on(what, f"the lock '{name}' is held by a running process") from error
        yield
