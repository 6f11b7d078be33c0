"""A row's own numbers, said again through a narrow code: what is learnt is the code.

Each step minimises, over the rows of the *global* batch, Σ w · mean over columns of (x − said)² ÷ Σ w. The model forms
the mean itself (train/models/autoencoder.py): it is the one that knows x as well as what it says of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ringmill.handoff.columns import Label, Rows
from ringmill.train.ranks import Ring
from ringmill.train.tasks.task import Head, Labels, Measure, Values

SQUARED_ERROR = "squared_error"
PREDICTIONS = pa.schema([("row_id", pa.int64()), (SQUARED_ERROR, pa.float64())])


@dataclass(frozen=True)
class ReconstructionTask:
    """It has no labels; a row counts what `train.sample_weight` says."""

    labels: tuple[Label, ...] = ()
    targets: tuple[str, ...] = ()
    heads: tuple[str, ...] = (SQUARED_ERROR,)
    schema: pa.Schema = PREDICTIONS

    def masses(self, weight: Values, labels: Labels) -> list[Values]:
        return [weight]

    def totals(self, weight: Values, labels: Labels) -> list[float]:
        return [float(weight.sum())]

    def starts(self, rows: int, totals: Sequence[float]) -> dict[str, Head]:
        """The one head; an error has no bias to start from."""
        return {SQUARED_ERROR: Head((), (0.0,))}

    def losses(self, heads: Mapping[str, Any], labels: Mapping[str, Any], weight: Any) -> list[Any]:
        import tensorflow as tf

        return [tf.reduce_sum(weight * heads[SQUARED_ERROR])]

    def loss(self, sums: Sequence[Any], divisors: Sequence[Any]) -> Any:
        return sums[0] / divisors[0]

    def outputs(self, heads: Mapping[str, Values]) -> Values:
        return heads[SQUARED_ERROR]

    def measure(self, rows: int) -> Measure:
        return SquaredError()

    def validation_loss(self, metrics: Mapping[str, Any]) -> float:
        return float(metrics[SQUARED_ERROR])

    def epoch_figures(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        return {f"val_{SQUARED_ERROR}": metrics[SQUARED_ERROR]}

    def facts(self, measures: Mapping[str, Measure]) -> dict[str, Any]:
        return {}

    def predicted(self, outputs: Values, rows: Rows, facts: Mapping[str, Any]) -> Values:
        return outputs[:, None]

    def table(self, row_id: NDArray[np.int64], numbers: Values) -> pa.Table:
        return pa.table([row_id, numbers[:, 0]], schema=PREDICTIONS)


@dataclass
class SquaredError:
    """The rows' weighted errors, and their weights."""

    error: float = 0.0
    weight: float = 0.0

    def add(self, outputs: Values, rows: Rows) -> None:
        # A model that has diverged may say anything; its validation loss tells.
        with np.errstate(over="ignore", invalid="ignore"):
            self.error += float(np.sum(rows.weight * outputs))
        self.weight += float(np.sum(rows.weight))

    def merge(self, ring: Ring) -> None:
        # Each rank has counted its own rows; divided after they are added.
        (total,) = ring.sum([np.array([self.error, self.weight])], name="metric_sums")
        self.error, self.weight = np.asarray(total).tolist()

    def metrics(self) -> dict[str, Any]:
        """`squared_error`: the weighted mean over rows; None of no rows."""
        return {SQUARED_ERROR: self.error / self.weight if self.weight else None, "weight": self.weight}

    def curves(self) -> dict[str, Any]:
        return {}
