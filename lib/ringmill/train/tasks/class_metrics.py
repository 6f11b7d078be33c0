"""Logits beside the true classes: a confusion matrix and a loss that merge over blocks and ranks (law 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ringmill.handoff.columns import Rows
from ringmill.train.metrics import Values
from ringmill.train.ranks import Ring

# The label, by name: a class's place among the classes.
CLASS = "class"
# Of each class; the mean of the classes that have one is '<rate>_macro'.
RATES = ("precision", "recall", "f1")


@dataclass(frozen=True)
class ClassOutputs:
    """(rows, classes): the logits."""

    logits: Values

    @property
    def log_probabilities(self) -> Values:
        """log softmax, without overflow."""
        shifted = self.logits - self.logits.max(axis=1, keepdims=True, initial=-np.inf)
        found: Values = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return found

    @property
    def probabilities(self) -> Values:
        found: Values = np.exp(self.log_probabilities)
        return found

    @property
    def said(self) -> NDArray[np.intp]:
        """(rows,): the likeliest class, of equals the first."""
        found: NDArray[np.intp] = self.logits.argmax(axis=1)
        return found


@dataclass
class ClassMeasure:
    """`confusion` (classes, classes): the weights of rows by true and said class; `loss`: their weighted losses."""

    classes: tuple[str, ...]
    confusion: Values
    loss: float = 0.0

    @classmethod
    def empty(cls, classes: tuple[str, ...]) -> Self:
        return cls(classes, np.zeros((len(classes), len(classes))))

    def add(self, outputs: ClassOutputs, rows: Rows) -> None:
        true, count = rows.labels[CLASS].astype(np.int64), len(self.classes)
        cells = np.bincount(true * count + outputs.said, rows.weight, count * count)
        self.confusion = self.confusion + cells.reshape(count, count)
        # A model that has diverged may say anything; its validation loss tells.
        with np.errstate(over="ignore", invalid="ignore"):
            self.loss -= float(np.sum(rows.weight * outputs.log_probabilities[np.arange(len(true)), true]))

    def merge(self, ring: Ring) -> None:
        # Each rank has counted its own rows; divided after they are added.
        (total,) = ring.sum([np.append(self.confusion.ravel(), self.loss)], name="metric_sums")
        sums = np.asarray(total)
        self.confusion, self.loss = sums[:-1].reshape(self.confusion.shape), float(sums[-1])

    def metrics(self) -> dict[str, Any]:
        """`accuracy`, `log_loss`, the classes' means `precision_macro`, `recall_macro` and `f1_macro`; `per_class`
        precision, recall, F1 and weight; `confusion`, true by said.

        None where nothing is counted: a class that neither occurs nor is said has no F1, and the mean leaves it out.
        """
        weight, true, found = float(self.confusion.sum()), self.confusion.sum(axis=1), rates(self.confusion)
        per_class = {
            name: {**{rate: or_none(found[rate][place]) for rate in RATES}, "weight": float(true[place])}
            for place, name in enumerate(self.classes)
        }
        return {
            "log_loss": _ratio(self.loss, weight),
            "accuracy": accuracy(self.confusion),
            **{f"{rate}_macro": mean_of(found[rate]) for rate in RATES},
            "weight": weight,
            "per_class": per_class,
            "confusion": self.confusion.tolist(),
        }

    def curves(self) -> dict[str, Any]:
        return {}


def accuracy(confusion: Values) -> float | None:
    return _ratio(float(np.diag(confusion).sum()), float(confusion.sum()))


def rates(confusion: Values) -> dict[str, Values]:
    """(classes, classes), true by said → each of `RATES` (classes,), NaN where nothing is counted."""
    hits, true, said = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    parts = ((hits, said), (hits, true), (2 * hits, true + said))
    return {name: _quotients(part, whole) for name, (part, whole) in zip(RATES, parts, strict=True)}


def mean_of(values: Values) -> float | None:
    """The mean of those that are defined, None of none."""
    defined = values[~np.isnan(values)]
    return _ratio(float(defined.sum()), len(defined))


def or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _quotients(part: Values, whole: Values) -> Values:
    found: Values = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole != 0)
    return found


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
