"""Several heads over one trunk, each with a label of its own, which rows may lack.

Each step minimises Σ over heads of share × (Σ w · loss ÷ Σ w), the sums over those rows of the *global* batch that have
the head's label. A head of which no row of a batch has a label adds 0 to that step's loss.
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
from ringmill.train.tasks.several_heads import LabelledMeasure, OneHead
from ringmill.train.tasks.task import Head, Labels, Measure, Values


@dataclass(frozen=True)
class SeveralTask:
    """`parts` are the heads, in the order of the configuration."""

    parts: tuple[OneHead, ...]

    @property
    def labels(self) -> tuple[Label, ...]:
        return tuple(part.label for part in self.parts)

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.parts)

    @property
    def heads(self) -> tuple[str, ...]:
        return tuple(map(_output, self.parts))

    def masses(self, weight: Values, labels: Labels) -> list[Values]:
        """A row's weight for each head: 0 where it has no label of it."""
        return [np.where(np.isnan(labels[part.name]), 0.0, weight) for part in self.parts]

    def totals(self, weight: Values, labels: Labels) -> list[float]:
        """Those of the heads, one behind the other."""
        found: list[float] = []
        for part in self.parts:
            known = ~np.isnan(labels[part.name])
            found += part.totals(weight[known], labels[part.name][known])
        return found

    def starts(self, rows: int, totals: Sequence[float]) -> dict[str, Head]:
        heads, at = {}, 0
        for part in self.parts:
            heads[_output(part)] = part.start(rows, totals[at : at + part.sums])
            at += part.sums
        return heads

    def losses(self, heads: Mapping[str, Any], labels: Mapping[str, Any], weight: Any) -> list[Any]:
        import tensorflow as tf

        sums = []
        for part in self.parts:
            label = labels[part.name]
            missing = tf.math.is_nan(label)
            # Before any arithmetic: 0 · NaN is no zero, and neither is its gradient.
            own = part.row_losses(heads[_output(part)], tf.where(missing, tf.zeros_like(label), label))
            sums.append(tf.reduce_sum(tf.where(missing, tf.zeros_like(weight), weight) * own))
        return sums

    def loss(self, sums: Sequence[Any], divisors: Sequence[Any]) -> Any:
        shares = (part.share for part in self.parts)
        return sum(share * total / divisor for share, total, divisor in zip(shares, sums, divisors, strict=True))

    def outputs(self, heads: Mapping[str, Values]) -> Mapping[str, Values]:
        return {part.name: heads[_output(part)] for part in self.parts}

    def measure(self, rows: int) -> Measure:
        return SeveralMeasure({part.name: part.measure() for part in self.parts})

    def validation_loss(self, metrics: Mapping[str, Any]) -> float | None:
        """As in a step, of all validation rows and of labels as they are; None where a head has nothing to judge by."""
        losses = [metrics["heads"][part.name][part.loss_name] for part in self.parts]
        if None in losses:
            return None
        return float(sum(part.share * loss for part, loss in zip(self.parts, losses, strict=True)))

    def epoch_figures(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        found = metrics["heads"]
        return {f"val_{part.name}_{name}": found[part.name][name] for part in self.parts for name in part.figures}

    def facts(self, measures: Mapping[str, Measure]) -> dict[str, Any]:
        return {"heads": {part.name: part.facts() for part in self.parts}}

    def predicted(self, outputs: Mapping[str, Values], rows: Rows, facts: Mapping[str, Any]) -> Values:
        found = [part.predicted(outputs[part.name], rows.labels[part.name]) for part in self.parts]
        return np.concatenate(found, axis=1)

    def table(self, row_id: NDArray[np.int64], numbers: Values) -> pa.Table:
        columns, at = [pa.array(row_id)], 0
        for part in self.parts:
            columns += part.arrays(numbers[:, at : at + part.width])
            at += part.width
        return pa.table(columns, schema=self.schema)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([("row_id", pa.int64()), *(column for part in self.parts for column in part.columns)])


@dataclass
class SeveralMeasure:
    """Each head's figures, over the rows that have its label."""

    measures: Mapping[str, LabelledMeasure]

    def add(self, outputs: Mapping[str, Values], rows: Rows) -> None:
        for name, measure in self.measures.items():
            known = ~np.isnan(rows.labels[name])
            measure.add(outputs[name][known], rows.labels[name][known], rows.weight[known])

    def merge(self, ring: Ring) -> None:
        for measure in self.measures.values():
            measure.merge(ring)

    def metrics(self) -> dict[str, Any]:
        """`heads`: by name, the figures of each; None where no row has its label."""
        return {"heads": {name: measure.metrics() for name, measure in self.measures.items()}}

    def curves(self) -> dict[str, Any]:
        return {}


def _output(part: OneHead) -> str:
    """The name of the model's output: no layer within a model is called so."""
    return f"head_{part.name}"
