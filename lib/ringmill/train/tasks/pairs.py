"""Which product a customer buys next, of all there are: pairs that happened, and none that did not.

Each step minimises, over the rows of the *global* batch, Σ w · −log P(product | customer) ÷ Σ w. The model forms P
itself (train/tower_layers.py), in training among the batch's products: what is measured is exact, over all products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ringmill.handoff.columns import Label
from ringmill.train.tasks.mean import LossOfRows
from ringmill.train.tasks.task import Head, Labels, Values

LOG_LOSS, PRODUCT = "log_loss", "product"
PREDICTIONS = pa.schema([("row_id", pa.int64()), (LOG_LOSS, pa.float64())])


@dataclass(frozen=True)
class PairsTask(LossOfRows):
    """`column` holds the id of the product, from 1 to below `ids`."""

    column: str
    ids: int
    targets: tuple[str, ...] = (PRODUCT,)
    heads: tuple[str, ...] = (LOG_LOSS,)
    schema: pa.Schema = PREDICTIONS

    @property
    def labels(self) -> tuple[Label, ...]:
        return (Label(PRODUCT, self.column),)

    def totals(self, weight: Values, labels: Labels) -> list[float]:
        """The weight of each product, from id 1 on."""
        sums: list[float] = np.bincount(labels[PRODUCT].astype(np.int64), weight, self.ids)[1:].tolist()
        return sums

    def starts(self, rows: int, totals: Sequence[float]) -> dict[str, Head]:
        """The logarithms of the products' shares; half a row is the least that a product can stand for."""
        known = np.maximum(np.array(totals), 0.5)
        return {LOG_LOSS: Head((), tuple(np.log(known / known.sum()).tolist()))}
