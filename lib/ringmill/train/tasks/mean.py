"""What the model says of each row is a loss: its weighted mean over all ranks' rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ringmill.handoff.columns import Rows
from ringmill.train.ranks import Ring
from ringmill.train.tasks.task import Values


@dataclass
class MeanOfRows:
    """The rows' weighted losses, called `name`, and their weights."""

    name: str
    total: float = 0.0
    weight: float = 0.0

    def add(self, outputs: Values, rows: Rows) -> None:
        # A model that has diverged may say anything; its validation loss tells.
        with np.errstate(over="ignore", invalid="ignore"):
            self.total += float(np.sum(rows.weight * outputs))
        self.weight += float(np.sum(rows.weight))

    def merge(self, ring: Ring) -> None:
        # Each rank has counted its own rows; divided after they are added.
        (total,) = ring.sum([np.array([self.total, self.weight])], name="metric_sums")
        self.total, self.weight = np.asarray(total).tolist()

    def metrics(self) -> dict[str, Any]:
        """The mean by its name; None of no rows."""
        return {self.name: self.total / self.weight if self.weight else None, "weight": self.weight}

    def curves(self) -> dict[str, Any]:
        return {}
