"""Whether a customer buys, and how much: a logit of buying, and the buyers' mean of log(1 + spend).

Each step minimises, over the rows of the *global* batch,

    Σ w · BCE(label_buy, logit) ÷ Σ w  +  spend_weight · Σ w · buy · (log(1 + label_spend) − mu)² ÷ Σ w · buy
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ringmill.handoff.columns import Label, Rows
from ringmill.train.ranks import Ring
from ringmill.train.scores import Scores, scores_of
from ringmill.train.tasks.purchase_metrics import BUY, LOG_SPEND, SPEND, Outputs, Smearing, Sums
from ringmill.train.tasks.task import Head, Labels, Measure, Values

LOGIT, LOG = "buy_logit", "log_spend"
PREDICTIONS = pa.schema(
    [
        ("row_id", pa.int64()),
        ("buy_probability", pa.float64()),
        ("expected_spend", pa.float64()),
        ("label_buy", pa.float64()),
        ("label_spend", pa.float64()),
    ]
)


@dataclass(frozen=True)
class PurchaseTask:
    """`weights` is what a row counts that buys nothing, and one that buys; (): both 1."""

    spend_weight: float = 0.1
    weights: tuple[float, ...] = ()
    targets: tuple[str, ...] = (BUY, LOG_SPEND)
    heads: tuple[str, ...] = (LOGIT, LOG)
    schema: pa.Schema = PREDICTIONS

    @property
    def labels(self) -> tuple[Label, ...]:
        return (Label(BUY, BUY, weights=self.weights), Label(SPEND, SPEND), Label(LOG_SPEND, SPEND, "log1p"))

    def masses(self, weight: Values, labels: Labels) -> list[Values]:
        """A row's weight, and that of a buyer."""
        return [weight, weight * labels[BUY]]

    def totals(self, weight: Values, labels: Labels) -> list[float]:
        """The weights, the buyers' weights, and their weighted log(1 + label_spend)."""
        bought = weight * labels[BUY]
        return [float(weight.sum()), float(bought.sum()), float(np.sum(bought * labels[LOG_SPEND]))]

    def starts(self, rows: int, totals: Sequence[float]) -> dict[str, Head]:
        """The training rows' log-odds of buying, and their buyers' mean of log(1 + spend)."""
        weight, bought, log_spend = totals
        # Whatever the weights' scale, half a row is the least that either class can stand for.
        scale = rows / (weight if weight > 0 else 1.0)
        buyers = max(bought * scale, 0.5)
        others = max(rows - buyers, 0.5)
        return {LOGIT: Head((), (float(np.log(buyers / others)),)), LOG: Head((), (log_spend * scale / buyers,))}

    def losses(self, heads: Mapping[str, Any], labels: Mapping[str, Any], weight: Any) -> list[Any]:
        import tensorflow as tf

        buy, log_spend = labels[BUY], labels[LOG_SPEND]
        crossed = tf.nn.sigmoid_cross_entropy_with_logits(labels=buy, logits=heads[LOGIT])
        squares = tf.square(log_spend - heads[LOG])
        return [tf.reduce_sum(weight * crossed), tf.reduce_sum(weight * buy * squares)]

    def loss(self, sums: Sequence[Any], divisors: Sequence[Any]) -> Any:
        return sums[0] / divisors[0] + self.spend_weight * sums[1] / divisors[1]

    def outputs(self, heads: Mapping[str, Values]) -> Outputs:
        return Outputs(heads[LOGIT], heads[LOG])

    def measure(self, rows: int) -> Measure:
        return PurchaseMeasure(scores_of(rows))

    def validation_loss(self, metrics: Mapping[str, Any]) -> float | None:
        if metrics["log_loss"] is None:
            return None
        return float(metrics["log_loss"] + self.spend_weight * (metrics["log_spend_mse"] or 0.0))

    def epoch_figures(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        return {f"val_{name}": metrics[name] for name in ("log_loss", "auc", "log_spend_mse")}

    def facts(self, measures: Mapping[str, Any]) -> dict[str, Any]:
        """The factors of smearing, see `Smearing.compute`."""
        smearing: Smearing = measures["train"].smearing.merge(measures["validation"].smearing)
        return smearing.compute()

    def predicted(self, outputs: Outputs, rows: Rows, facts: Mapping[str, Any]) -> Values:
        spend = outputs.expected_spend(facts["smearing"])
        return np.stack([outputs.probability, spend, rows.labels[BUY], rows.labels[SPEND]], axis=1)

    def table(self, row_id: NDArray[np.int64], numbers: Values) -> pa.Table:
        return pa.table([row_id, *numbers.T.copy()], schema=PREDICTIONS)


@dataclass
class PurchaseMeasure:
    """Sums of a split, and the scores of its rows."""

    _scores: Scores
    _sums: Sums = field(default_factory=Sums.empty)

    @property
    def smearing(self) -> Smearing:
        return self._sums.smearing

    def add(self, outputs: Outputs, rows: Rows) -> None:
        self._sums = self._sums.merge(Sums.of(outputs, rows))
        self._scores.add(outputs, rows)

    def merge(self, ring: Ring) -> None:
        # Sums and counts of each rank's rows; divided after they are added, so unequal parts do not matter.
        (total,) = ring.sum([self._sums.vector()], name="metric_sums")
        self._sums = Sums.from_vector(np.asarray(total))
        self._scores.merge(ring)

    def metrics(self) -> dict[str, Any]:
        return self._sums.compute() | self._scores.metrics()

    def curves(self) -> dict[str, Any]:
        return self._scores.curves()
