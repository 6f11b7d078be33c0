"""One head of the task 'several': what it learns of a column, over the rows that have a label there.

A missing label is NaN among the decoded labels. Such a row, like padding, has a weight of 0 for this head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from ringmill.handoff.columns import Label, Rows
from ringmill.train.metrics import Errors
from ringmill.train.ranks import Ring
from ringmill.train.tasks.class_metrics import CLASS, ClassMeasure, ClassOutputs
from ringmill.train.tasks.classes import crossed
from ringmill.train.tasks.task import Head, Values


class LabelledMeasure(Protocol):
    """As `Measure`, of the head's own outputs and of rows that all have its label."""

    def add(self, outputs: Values, label: Values, weight: Values) -> None: ...

    def merge(self, ring: Ring) -> None: ...

    def metrics(self) -> dict[str, Any]: ...


class OneHead(Protocol):
    """What the task asks of a head. `share` is what its loss counts beside the other heads'; `loss_name` is the metric
    that is its loss on rows as they are, and `figures` are those that the history keeps."""

    @property
    def name(self) -> str: ...

    @property
    def share(self) -> float: ...

    @property
    def loss_name(self) -> str: ...

    @property
    def figures(self) -> tuple[str, ...]: ...

    @property
    def label(self) -> Label: ...

    @property
    def sums(self) -> int:
        """How many numbers `totals` gives."""

    def totals(self, weight: Values, label: Values) -> list[float]:
        """Sums over labelled training rows from which the head starts."""

    def start(self, rows: int, totals: Sequence[float]) -> Head: ...

    def row_losses(self, said: Any, label: Any) -> Any:
        """In a graph: (rows,), what each loses; labels that are missing are 0 here."""

    def measure(self) -> LabelledMeasure: ...

    def predicted(self, said: Values, label: Values) -> Values:
        """(rows, `width`)."""

    @property
    def width(self) -> int:
        """How many numbers `columns` are made of."""

    @property
    def columns(self) -> tuple[tuple[str, pa.DataType], ...]:
        """Of predictions.parquet; the first is the label, null where it is missing."""

    def arrays(self, numbers: Values) -> list[pa.Array]:
        """`predicted` as those columns."""

    def facts(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class ClassHead:
    """One of `classes`, by the weighted mean of −log P(class); see `ClassesTask`."""

    name: str
    column: str
    classes: tuple[str, ...]
    share: float = 1.0
    smoothing: float = 0.0
    loss_name: str = "log_loss"
    figures: tuple[str, ...] = ("log_loss", "accuracy", "f1_macro")

    @property
    def label(self) -> Label:
        return Label(self.name, self.column, "class", self.classes, missing="nan")

    @property
    def sums(self) -> int:
        return len(self.classes)

    def totals(self, weight: Values, label: Values) -> list[float]:
        """The weight of each class."""
        sums: list[float] = np.bincount(label.astype(np.int64), weight, len(self.classes)).tolist()
        return sums

    def start(self, rows: int, totals: Sequence[float]) -> Head:
        """The logarithms of the classes' shares; half a row is the least that a class can stand for."""
        whole = sum(totals)
        shares = np.maximum(np.array(totals) / (whole if whole > 0 else 1.0), 0.5 / rows)
        return Head((len(self.classes),), tuple(np.log(shares).tolist()))

    def row_losses(self, said: Any, label: Any) -> Any:
        return crossed(said, label, smoothing=self.smoothing)

    def measure(self) -> LabelledMeasure:
        return LabelledClasses(ClassMeasure.empty(self.classes))

    def predicted(self, said: Values, label: Values) -> Values:
        outputs = ClassOutputs(said)
        best = outputs.probabilities.max(axis=1, initial=0.0)
        return np.concatenate([np.stack([label, outputs.said, best], axis=1), outputs.probabilities], axis=1)

    @property
    def width(self) -> int:
        return 3 + len(self.classes)

    @property
    def columns(self) -> tuple[tuple[str, pa.DataType], ...]:
        name = self.name
        return (
            (f"{name}_label", pa.string()),
            (f"{name}_predicted", pa.string()),
            (f"{name}_probability", pa.float64()),
            (f"{name}_probabilities", pa.list_(pa.float64())),
        )

    def arrays(self, numbers: Values) -> list[pa.Array]:
        names, missing = pa.array(self.classes, pa.string()), np.isnan(numbers[:, 0])
        true = pa.array(np.where(missing, 0, numbers[:, 0]).astype(np.int64), mask=missing)
        said, best, each = numbers[:, 1].astype(np.int64), numbers[:, 2], numbers[:, 3:]
        ends = pa.array(np.arange(len(numbers) + 1, dtype=np.int32) * each.shape[1])
        chances = pa.ListArray.from_arrays(ends, pa.array(each.ravel()))
        return [names.take(true), names.take(pa.array(said)), pa.array(best), chances]

    def facts(self) -> Mapping[str, Any]:
        return {"kind": "classes", "classes": list(self.classes), "share": self.share}


@dataclass(frozen=True)
class NumberHead:
    """A number in its own unit, by the weighted mean of squared errors."""

    name: str
    column: str
    share: float = 1.0
    sums: int = 2
    loss_name: str = "mse"
    figures: tuple[str, ...] = ("mse", "r2")

    @property
    def label(self) -> Label:
        return Label(self.name, self.column, missing="nan")

    def totals(self, weight: Values, label: Values) -> list[float]:
        """The weights, and the weighted numbers."""
        return [float(weight.sum()), float(np.sum(weight * label))]

    def start(self, rows: int, totals: Sequence[float]) -> Head:
        """The mean of the labelled training rows."""
        weight, total = totals
        return Head((), (total / weight if weight > 0 else 0.0,))

    def row_losses(self, said: Any, label: Any) -> Any:
        import tensorflow as tf

        return tf.square(said - label)

    def measure(self) -> LabelledMeasure:
        return LabelledNumbers()

    def predicted(self, said: Values, label: Values) -> Values:
        return np.stack([label, said], axis=1)

    @property
    def width(self) -> int:
        return 2

    @property
    def columns(self) -> tuple[tuple[str, pa.DataType], ...]:
        return ((f"{self.name}_label", pa.float64()), (f"{self.name}_predicted", pa.float64()))

    def arrays(self, numbers: Values) -> list[pa.Array]:
        label = numbers[:, 0]
        return [pa.array(label, mask=np.isnan(label)), pa.array(numbers[:, 1])]

    def facts(self) -> Mapping[str, Any]:
        return {"kind": "number", "share": self.share}


@dataclass
class LabelledClasses:
    """The figures of `ClassMeasure`."""

    inner: ClassMeasure

    def add(self, outputs: Values, label: Values, weight: Values) -> None:
        count = len(label)
        rows = Rows(np.zeros(count, np.int64), np.zeros((count, 0)), {CLASS: label}, weight)
        self.inner.add(ClassOutputs(outputs), rows)

    def merge(self, ring: Ring) -> None:
        self.inner.merge(ring)

    def metrics(self) -> dict[str, Any]:
        return self.inner.metrics()


@dataclass
class LabelledNumbers:
    """Errors of numbers: see `Errors.compute`. `origin` is a label that counts: what the others are counted from."""

    errors: Errors = field(default_factory=Errors.empty)
    origin: float | None = None

    def add(self, outputs: Values, label: Values, weight: Values) -> None:
        if self.origin is None and (weight > 0).any():
            self.origin = float(label[np.argmax(weight > 0)])
        # A model that has diverged may say anything; its validation loss tells.
        with np.errstate(over="ignore", invalid="ignore"):
            self.errors = self.errors.merge(Errors.of(outputs, label, weight, origin=self.origin or 0.0))

    def merge(self, ring: Ring) -> None:
        # Each rank counts from a label of its own; the first that there is becomes everyone's.
        mine = np.array([] if self.origin is None else [self.origin])
        origins = ring.gather(mine, name="metric_origins")
        if origins.size and self.origin is not None:
            self.errors = self.errors.counted_from(float(origins[0]), before=self.origin)
        # Each rank has counted its own rows; divided after they are added.
        sums = np.array([getattr(self.errors, one.name) for one in fields(self.errors)])
        (total,) = ring.sum([sums], name="metric_sums")
        self.errors = Errors(*np.asarray(total).tolist())

    def metrics(self) -> dict[str, Any]:
        return {**self.errors.compute(), "weight": self.errors.weight}
