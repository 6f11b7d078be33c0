"""A rank's pulses to a verdict: it lives, it waits for others, or it has stalled."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ringmill.train.pulse import JOINING, READING, STARTING, TRAINING

# What has no steps of its own, such as the building of a graph, is given so long at least. An import of TensorFlow
# holds Python's lock besides: no pulse can come meanwhile.
LEAST_SECONDS = 60.0
MUTE, STEPWISE = (STARTING, JOINING), (READING, TRAINING)


@dataclass(frozen=True)
class Stall:
    """A rank that came to a halt: where it was, and how that was seen."""

    phase: str
    epoch: int
    step: int
    file: str
    sign: str

    @property
    def words(self) -> str:
        file = f"; the file it opened last is {self.file}" if self.file else ""
        return f"{self.sign}, in phase '{self.phase}', epoch {self.epoch}, step {self.step}{file}"


@dataclass
class PulseWatch:
    """What one rank's pulses say; `limit` in seconds, of `clock`."""

    limit: float
    clock: Callable[[], float] = time.monotonic
    _last: Mapping[str, Any] = field(default_factory=dict)
    _heard: float = 0.0
    _moved: float = 0.0

    def __post_init__(self) -> None:
        self._heard = self._moved = self.clock()

    def hear(self, pulse: Mapping[str, Any]) -> None:
        """A pulse came; see `train.pulse.Doing`."""
        self._heard = self.clock()
        if pulse != self._last:
            self._last, self._moved = pulse, self._heard

    def stall(self) -> Stall | None:
        """What there is to say of a rank that has stalled; None of one that has not."""
        now, phase = self.clock(), self._last.get("phase", STARTING)
        patient = max(self.limit, LEAST_SECONDS)
        if now - self._heard > (patient if phase in MUTE else self.limit):
            sign = f"its pulse stopped {now - self._heard:.0f} s ago"
        elif now - self._moved > (self.limit if phase in STEPWISE else patient) and not self._last.get("waits"):
            sign = f"it has not moved for {now - self._moved:.0f} s"
        else:
            return None
        return Stall(phase, self._last.get("epoch", 0), self._last.get("step", 0), self._last.get("file", ""), sign)
