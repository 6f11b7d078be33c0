"""Which product a customer buys next, of all there are: pairs that happened, and none that did not.

Each step minimises, over the rows of the *global* batch, Σ w · −log P(product | customer) ÷ Σ w. The model forms P
itself (train/tower_layers.py), in training among the batch's products: what is measured is exact, over all products.
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

LOG_LOSS, PRODUCT = "log_loss", "product"
PREDICTIONS = pa.schema([("row_id", pa.int64()), (LOG_LOSS, pa.float64())])


@dataclass(frozen=True)
class PairsTask:
    """`column` holds the id of the product, from 1 to below `ids`."""

    column: str
    ids: int
    targets: tuple[str, ...] = (PRODUCT,)
    heads: tuple[str, ...] = (LOG_LOSS,)
    schema: pa.Schema = PREDICTIONS

    @property
    def labels(self) -> tuple[Label, ...]:
        return (Label(PRODUCT, self.column),)

    def masses(self, weight: Values, labels: Labels) -> list[Values]:
        return [weight]

    def totals(self, weight: Values, labels: Labels) -> list[float]:
        """The weight of each product, from id 1 on."""
        sums: list[float] = np.bincount(labels[PRODUCT].astype(np.int64), weight, self.ids)[1:].tolist()
        return sums

    def starts(self, rows: int, totals: Sequence[float]) -> dict[str, Head]:
        """The logarithms of the products' shares; half a row is the least that a product can stand for."""
        known = np.maximum(np.array(totals), 0.5)
        return {LOG_LOSS: Head((), tuple(np.log(known / known.sum()).tolist()))}

    def losses(self, heads: Mapping[str, Any], labels: Mapping[str, Any], weight: Any) -> list[Any]:
        import tensorflow as tf

        return [tf.reduce_sum(weight * heads[LOG_LOSS])]

    def loss(self, sums: Sequence[Any], divisors: Sequence[Any]) -> Any:
        return sums[0] / divisors[0]

    def outputs(self, heads: Mapping[str, Values]) -> Values:
        return heads[LOG_LOSS]

    def measure(self, rows: int) -> Measure:
        return MeanOfRows(LOG_LOSS)

    def validation_loss(self, metrics: Mapping[str, Any]) -> float:
        return float(metrics[LOG_LOSS])

    def epoch_figures(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        return {f"val_{LOG_LOSS}": metrics[LOG_LOSS]}

    def facts(self, measures: Mapping[str, Measure]) -> dict[str, Any]:
        return {}

    def predicted(self, outputs: Values, rows: Rows, facts: Mapping[str, Any]) -> Values:
        return outputs[:, None]

    def table(self, row_id: NDArray[np.int64], numbers: Values) -> pa.Table:
        return pa.table([row_id, numbers[:, 0]], schema=PREDICTIONS)
