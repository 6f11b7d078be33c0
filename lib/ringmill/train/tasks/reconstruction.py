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
from ringmill.train.tasks.mean import MeanOfRows
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
        return MeanOfRows(SQUARED_ERROR)

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
