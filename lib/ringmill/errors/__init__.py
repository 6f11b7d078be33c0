"""Every failure that Ringmill reports by name: what happened, where, expected, received, what to do.

`exit_status` is what a command ends with: 1 unforeseen, 2 bad input, 3 a law or a gate was broken, 4 training or
scoring failed or somebody could not be told of it, 5 lost a race.
"""

from __future__ import annotations

import re

from ringmill.errors.base import RingmillError
from ringmill.errors.before import InputError
from ringmill.errors.configuration import ConfigError
from ringmill.errors.during import (
    LawError,
    LineageError,
    PlanError,
    RaceLost,
    ScoringError,
    UnforeseenError,
    WarehouseError,
)
from ringmill.errors.training import RankLost, TrainingError

__all__ = [
    "ConfigError",
    "InputError",
    "LawError",
    "LineageError",
    "PlanError",
    "RaceLost",
    "RankLost",
    "RingmillError",
    "ScoringError",
    "TrainingError",
    "UnforeseenError",
    "WarehouseError",
]

_IN_TRACE = re.compile(
    r"ringmill\.errors\.(?:\w+\.)?(?P<kind>\w+): (?P<what>[^\n]*)\n\s*where: +(?P<where>[^\n]*)\n"
    r"\s*expected: +(?P<expected>[^\n]*)\n\s*received: +(?P<received>[\s\S]*?)\n\s*to do: +(?P<todo>[^\n]*)"
)


def named_in(trace: str) -> RingmillError | None:
    """The error of this package whose text stands in a worker's trace, made again; None where there is none."""
    found = _IN_TRACE.search(trace)
    kind = globals().get(found["kind"]) if found else None
    if found is None or not (isinstance(kind, type) and issubclass(kind, RingmillError)):
        return None
    parts = found.groupdict()
    del parts["kind"]
    return kind(parts.pop("what"), **parts)
