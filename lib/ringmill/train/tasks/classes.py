"""One of several classes: softmax over the logits, by the weighted mean of −log P(class).

Each step minimises, over the rows of the *global* batch, Σ w · CE(class, logits) ÷ Σ w. With a label smoothing of s a
label is its class by 1 − s and each of n classes by s ÷ n; what is measured are the labels as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ringmill.handoff.columns import Label, Rows
from ringmill.train.tasks.class_metrics import CLASS, ClassMeasure, ClassOutputs
from ringmill.train.tasks.task import Head, Labels, Measure, Values

LOGITS = "logits"
PREDICTIONS = pa.schema(
    [
        ("row_id", pa.int64()),
        ("label", pa.string()),
        ("predicted", pa.string()),
        ("probability", pa.float64()),
        ("probabilities", pa.list_(pa.float64())),
    ]
)


def crossed(logits: Any, places: Any, *, smoothing: float) -> Any:
    """In a graph: (rows, classes) and (rows,), each row's place among the classes → (rows,): the cross-entropies."""
    import tensorflow as tf

    classes = int(logits.shape[1])
    true = tf.one_hot(
        tf.cast(places, tf.int32),
        classes,
        on_value=1.0 - smoothing + smoothing / classes,
        off_value=smoothing / classes,
        dtype=logits.dtype,
    )
    return -tf.reduce_sum(true * tf.nn.log_softmax(logits), axis=1)


@dataclass(frozen=True)
class ClassesTask:
    """`classes` are the values of `column` in the train split; a class is its place among them. `weights` is what a
    row counts by its class; (): 1."""

    column: str
    classes: tuple[str, ...]
    weights: tuple[float, ...] = ()
    smoothing: float = 0.0
    targets: tuple[str, ...] = (CLASS,)
    heads: tuple[str, ...] = (LOGITS,)
    schema: pa.Schema = PREDICTIONS

    @property
    def labels(self) -> tuple[Label, ...]:
        return (Label(CLASS, self.column, "class", self.classes, self.weights),)

    def masses(self, weight: Values, labels: Labels) -> list[Values]:
        return [weight]

    def totals(self, weight: Values, labels: Labels) -> list[float]:
        """The weight of each class."""
        sums: list[float] = np.bincount(labels[CLASS].astype(np.int64), weight, len(self.classes)).tolist()
        return sums

    def starts(self, rows: int, totals: Sequence[float]) -> dict[str, Head]:
        """The logarithms of the classes' shares; half a row is the least that a class can stand for."""
        whole = sum(totals)
        shares = np.maximum(np.array(totals) / (whole if whole > 0 else 1.0), 0.5 / rows)
        return {LOGITS: Head((len(self.classes),), tuple(np.log(shares).tolist()))}

    def losses(self, heads: Mapping[str, Any], labels: Mapping[str, Any], weight: Any) -> list[Any]:
        import tensorflow as tf

        return [tf.reduce_sum(weight * crossed(heads[LOGITS], labels[CLASS], smoothing=self.smoothing))]

    def loss(self, sums: Sequence[Any], divisors: Sequence[Any]) -> Any:
        return sums[0] / divisors[0]

    def outputs(self, heads: Mapping[str, Values]) -> ClassOutputs:
        return ClassOutputs(heads[LOGITS])

    def measure(self, rows: int) -> Measure:
        return ClassMeasure.empty(self.classes)

    def validation_loss(self, metrics: Mapping[str, Any]) -> float | None:
        loss: float | None = metrics["log_loss"]
        return loss

    def epoch_figures(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        return {f"val_{name}": metrics[name] for name in ("log_loss", "accuracy", "f1_macro")}

    def facts(self, measures: Mapping[str, Measure]) -> dict[str, Any]:
        return {"classes": list(self.classes)}

    def predicted(self, outputs: ClassOutputs, rows: Rows, facts: Mapping[str, Any]) -> Values:
        return np.concatenate([rows.labels[CLASS][:, None], outputs.probabilities], axis=1)

    def table(self, row_id: NDArray[np.int64], numbers: Values) -> pa.Table:
        names, probabilities = np.array(self.classes, object), numbers[:, 1:]
        said = probabilities.argmax(axis=1)
        columns = [
            row_id,
            pa.array(names[numbers[:, 0].astype(np.int64)], pa.string()),
            pa.array(names[said], pa.string()),
            probabilities[np.arange(len(said)), said],
            pa.array(list(probabilities), pa.list_(pa.float64())),
        ]
        return pa.table(columns, schema=PREDICTIONS)
