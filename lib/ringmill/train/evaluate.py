"""Decoded rows to exact metrics: each rank scores its rows, sums are added over ranks and divided once (law 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from ringmill.handoff.columns import Rows
from ringmill.train.ranks import Ring
from ringmill.train.tasks.task import Measure, Task

Score = Callable[[NDArray[Any]], Any]
Take = Callable[[Rows, Any], None]


class Split(Protocol):
    """Rows that ranks can go through together, a block at a time."""

    def __len__(self) -> int:
        """Over all ranks."""

    def blocks(self, rank: int, ranks: int, *, size: int) -> Iterator[Rows]:
        """This rank's rows, at most `size` at a time; every rank has as many blocks, some maybe empty."""


@dataclass(frozen=True)
class Evaluation:
    """A split's metrics, the same on every rank, and what they were made of."""

    rows: int
    metrics: dict[str, Any]
    measure: Measure


def evaluate(
    score: Score, split: Split, ring: Ring, *, task: Task, size: int, take: Take = lambda rows, outputs: None
) -> Evaluation:
    """Score the split's rows once over all ranks, `size` at a time; `take` gets each block of this rank's with its
    outputs."""
    measure = task.measure(len(split))
    for rows in split.blocks(ring.rank, ring.size, size=size):
        outputs = score(rows.x)
        measure.add(outputs, rows)
        take(rows, outputs)
    measure.merge(ring)
    return Evaluation(len(split), measure.metrics() | {"rows": len(split)}, measure)
