"""What the model says of each row is a loss: its weighted mean over all ranks' rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ringmill.handoff.columns import Rows
from ringmill.train.ranks import Ring
from ringmill.train.tasks.task import Labels, Measure, Values


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


class LossOfRows:
    """The part of a task that follows from its one head being each row's loss: Σ w · loss ÷ Σ w over the global batch.

    A task that is one says what its labels are and where the head starts, and has `heads` and the `schema` of its
    predictions, row_id and that loss.
    """

    heads: tuple[str, ...]
    schema: pa.Schema

    @property
    def head(self) -> str:
        return self.heads[0]

    def masses(self, weight: Values, labels: Labels) -> list[Values]:
        return [weight]

    def losses(self, heads: Mapping[str, Any], labels: Mapping[str, Any], weight: Any) -> list[Any]:
        import tensorflow as tf

        return [tf.reduce_sum(weight * heads[self.head])]

    def loss(self, sums: Sequence[Any], divisors: Sequence[Any]) -> Any:
        return sums[0] / divisors[0]

    def outputs(self, heads: Mapping[str, Values]) -> Values:
        return heads[self.head]

    def measure(self, rows: int) -> Measure:
        return MeanOfRows(self.head)

    def validation_loss(self, metrics: Mapping[str, Any]) -> float | None:
        loss: float | None = metrics[self.head]
        return loss

    def epoch_figures(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        return {f"val_{self.head}": metrics[self.head]}

    def facts(self, measures: Mapping[str, Measure]) -> dict[str, Any]:
        return {}

    def predicted(self, outputs: Values, rows: Rows, facts: Mapping[str, Any]) -> Values:
        return outputs[:, None]

    def table(self, row_id: NDArray[np.int64], numbers: Values) -> pa.Table:
        return pa.table([row_id, numbers[:, 0]], schema=self.schema)
