"""What the steps of an epoch gave: sums over all ranks, which are divided once, at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmill.train.feed import SIGNATURE
from ringmill.train.tasks.task import Task


@dataclass(frozen=True)
class Passed:
    """What the steps of an epoch gave so far, over all ranks.

    `losses` are the sums of the task's losses, `divisors` what each is divided by in the end; `seen` the rows that were
    fed, and `signature` that of their ids. `clock` holds one rank's seconds: of getting rows ready, of training,
    and of so many sums of gradients as there were steps, which are a part of training.
    """

    losses: tuple[float, ...] = ()
    divisors: tuple[float, ...] = ()
    seen: int = 0
    signature: int = 0
    clock: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Passed:
        """Of what a checkpoint holds; {}: nothing yet."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in tree.items()
        }
        return cls(**fields)

    def __add__(self, other: Passed) -> Passed:
        return Passed(
            _added(self.losses, other.losses),
            _added(self.divisors, other.divisors),
            self.seen + other.seen,
            (self.signature + other.signature) & int(SIGNATURE),
            (self.clock[0] + other.clock[0], self.clock[1] + other.clock[1], self.clock[2] + other.clock[2]),
        )

    def pace(self, ranks: int) -> dict[str, float]:
        """Rows a second of one rank, and the shares of its time, which add up to 1.

        Data: getting rows ready. Allreduce: as many sums of gradients as there were steps, each as long as a probe of
        it took before the first, and together no longer than training, since nothing can be timed inside of a graph.
        Compute: the rest, which is all else of the graph calls, waiting for slower ranks included.
        """
        data, training, sums = self.clock
        whole = max(data + training, 1e-9)
        in_data, in_sums = round(data / whole, 4), round(min(sums, training) / whole, 4)
        return {
            "rows_per_second": round(self.seen / ranks / whole, 1),
            "share_data": in_data,
            "share_compute": round(max(1.0 - in_data - in_sums, 0.0), 4),
            "share_allreduce": in_sums,
        }

    def loss(self, task: Task) -> float:
        """The epoch's mean loss, as seen on the way."""
        return float(task.loss(self.losses, divisor(self.divisors)))


def _added(some: tuple[float, ...], others: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(one + other for one, other in zip(some, others, strict=True)) if some and others else some or others


def divisor(total: Any) -> Any:
    """A sum of weights to divide by; of nothing at all the losses' sum is 0, and so is what 1 makes of it."""
    return np.where(np.asarray(total) > 0, total, 1.0)
