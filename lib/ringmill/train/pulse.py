"""What a rank is doing, told to its launcher once a second: a rank that stalls has a name, a step and a file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

PULSE_SECONDS = 1.0
STARTING, JOINING, READING = "starting", "joining the ring", "reading rows"
BUILDING, TRAINING = "building the graph", "training"

Tell = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Doing:
    """Where a rank is: `epoch` and `step` from 1, 0 before the first; `file` the one that it opened last, or ''.

    `waits`: it can only wait for other ranks now. `moves` is another number whenever the rank has got further.
    """

    phase: str = STARTING
    epoch: int = 0
    step: int = 0
    file: str = ""
    waits: bool = False
    moves: int = 0


class Pulse:
    """One rank's pulse. `tell` carries it to the launcher; without one nobody listens."""

    def __init__(self, tell: Tell | None = None) -> None:
        self._tell = tell
        self._doing = Doing()
        self._graph: Callable[[], tuple[int, int]] = lambda: (0, 0)
        self._read: Callable[[], tuple[str, int]] = lambda: ("", 0)

    def start(self) -> None:
        """Beat from now on, in a thread."""
        if self._tell:
            threading.Thread(target=self._beat, name="pulse", daemon=True).start()

    def at(self, phase: str, *, epoch: int = 0, step: int = 0) -> None:
        """The rank enters `phase`."""
        self._doing = Doing(phase, epoch, step, moves=self._doing.moves + 1)

    def moved(self) -> None:
        """The rank has got further within its phase."""
        self._doing = replace(self._doing, moves=self._doing.moves + 1)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The block needs the other ranks."""
        before = self._doing
        self._doing = replace(before, waits=True, moves=before.moves + 1)
        try:
            yield
        finally:
            self._doing = replace(self._doing, waits=before.waits, moves=self._doing.moves + 1)

    def follow(self, graph: Callable[[], tuple[int, int]], read: Callable[[], tuple[str, int]]) -> None:
        """While a graph runs, Python stands still: `graph` reads the steps that it has begun, and twice the exchanges
        that it has ended, plus 1 within one. `read` is the file that was opened last, and how many batches were read of
        all: a large file may take longer than a rank may stand still."""
        self._graph, self._read = graph, read

    def now(self) -> Doing:
        doing, (begun, exchanges), (file, batches) = self._doing, self._graph(), self._read()
        steps = begun if doing.phase in (BUILDING, TRAINING) else 0  # else those of a segment that is over
        return replace(
            doing,
            phase=TRAINING if steps else doing.phase,
            step=doing.step + steps,
            file=file,
            waits=doing.waits or exchanges % 2 == 1,
            moves=doing.moves + exchanges + batches,
        )

    def _beat(self) -> None:
        pause = threading.Event()
        while self._tell:
            self._tell("pulse", asdict(self.now()))
            pause.wait(PULSE_SECONDS)
