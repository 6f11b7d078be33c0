"""Labels and outputs to exact metrics: sums and counts that merge over batches and ranks, divided once (law 6).

Arguments are float64 arrays of one length: `logit` of the purchase head, `log_spend` the spend head's mean of
log(1 + spend), `probability` in [0, 1], `label` 0 or 1, `weight` >= 0 with 0 for padding.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Mean:
    """A weighted mean as its two sums; of no weight at all it is None."""

    total: float = 0.0
    weight: float = 0.0

    @classmethod
    def empty(cls) -> Self:
        return cls()

    @classmethod
    def of(cls, values: Values, weight: Values) -> Self:
        return cls(float(np.sum(values * weight)), float(np.sum(weight)))

    def merge(self, other: Self) -> Self:
        return type(self)(self.total + other.total, self.weight + other.weight)

    def compute(self) -> float | None:
        return self.total / self.weight if self.weight else None


@dataclass(frozen=True)
class Confusion:
    """Weights of true and false positives and negatives at probability 0.5 (0.5 counts as positive)."""

    tp: float = 0.0
    fp: float = 0.0
    fn: float = 0.0
    tn: float = 0.0

    @classmethod
    def empty(cls) -> Self:
        return cls()

    @classmethod
    def of(cls, probability: Values, label: Values, weight: Values) -> Self:
        said, true = probability >= 0.5, label >= 0.5
        cells = (said & true, said & ~true, ~said & true, ~said & ~true)
        return cls(*(float(np.sum(weight[cell])) for cell in cells))

    def merge(self, other: Self) -> Self:
        return type(self)(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    def compute(self) -> dict[str, float | None]:
        """Accuracy; precision, recall and F1 of the positives and of the negatives; the mean of both F1; the four
        counts. None where nothing is counted."""
        positive = _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)
        negative = _ratio(2 * self.tn, 2 * self.tn + self.fp + self.fn)
        return {
            "accuracy": _ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn),
            "precision": _ratio(self.tp, self.tp + self.fp),
            "recall": _ratio(self.tp, self.tp + self.fn),
            "f1": positive,
            "precision_of_negatives": _ratio(self.tn, self.tn + self.fn),
            "recall_of_negatives": _ratio(self.tn, self.tn + self.fp),
            "f1_of_negatives": negative,
            "f1_macro": None if positive is None or negative is None else (positive + negative) / 2,
            "true_positives": self.tp,
            "false_positives": self.fp,
            "false_negatives": self.fn,
            "true_negatives": self.tn,
        }


@dataclass(frozen=True)
class Errors:
    """A regression's errors as sums: of weights, of |e| and e², of the true values y and of their squares.

    y is counted from `origin`, a value near its mean that is the same for all parts: squares of large numbers cancel.
    """

    weight: float = 0.0
    absolute: float = 0.0
    squared: float = 0.0
    actual: float = 0.0
    actual_squared: float = 0.0

    @classmethod
    def empty(cls) -> Self:
        return cls()

    @classmethod
    def of(cls, predicted: Values, actual: Values, weight: Values, *, origin: float = 0.0) -> Self:
        error, centred = predicted - actual, actual - origin
        terms = (np.ones_like(error), np.abs(error), error**2, centred, centred**2)
        return cls(*(float(np.sum(weight * term)) for term in terms))

    def merge(self, other: Self) -> Self:
        return type(self)(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def counted_from(self, origin: float, *, before: float) -> Self:
        """The same sums with y counted from `origin`; they count from `before`."""
        by = before - origin
        squares = self.actual_squared + 2 * by * self.actual + by**2 * self.weight
        return replace(self, actual=self.actual + by * self.weight, actual_squared=squares)

    def compute(self) -> dict[str, float | None]:
        """Mean squared and mean absolute error, the root of the first, and R²: 1 less the squared errors by those of
        the mean. None where nothing is counted; R² also where all true values are equal."""
        mse = _ratio(self.squared, self.weight)
        spread = self.actual_squared - self.actual**2 / self.weight if self.weight else 0.0
        # What rounding leaves of a spread of 0 is no spread.
        constant = spread <= 1e-12 * self.actual_squared
        return {
            "mse": mse,
            "mae": _ratio(self.absolute, self.weight),
            "rmse": None if mse is None else mse**0.5,
            "r2": None if constant else 1.0 - self.squared / spread,
        }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def log_losses(logit: Values, label: Values) -> Values:
    """Cross-entropy of each row, −log P(label), without overflow: max(z, 0) − z·y + log(1 + exp(−|z|))."""
    result: Values = np.maximum(logit, 0.0) - logit * label + np.log1p(np.exp(-np.abs(logit)))
    return result


def sigmoid(logit: Values) -> Values:
    """1 ÷ (1 + exp(−logit)), without overflow."""
    small = np.exp(-np.abs(logit))
    result: Values = np.where(logit >= 0, 1.0, small) / (1.0 + small)
    return result


def auc(score: Values, label: Values, weight: Values) -> float | None:
    """Area under the ROC curve: the weighted chance that a positive outscores a negative; a tie counts one half.

    None where one of the classes has no weight. Source: Mann and Whitney's U, by groups of equal scores.
    """
    return area(*_grouped(score, label, weight))


def area(positive: Values, negative: Values) -> float | None:
    """AUC of weights at ascending scores: those of the positives and of the negatives at each."""
    below = np.cumsum(negative) - negative
    pairs = positive.sum() * negative.sum()
    return float(np.sum(positive * (below + negative / 2)) / pairs) if pairs else None


def _grouped(score: Values, label: Values, weight: Values) -> tuple[Values, Values]:
    """Weights of the positives and of the negatives at each distinct score, ascending."""
    levels, group = np.unique(score, return_inverse=True)
    positive, negative = np.zeros(len(levels)), np.zeros(len(levels))
    np.add.at(positive, group, weight * label)
    np.add.at(negative, group, weight * (1.0 - label))
    return positive, negative


def roc_points(score: Values, label: Values, weight: Values, *, points: int = 200) -> list[tuple[float, float]]:
    """(false positive rate, true positive rate) from (0, 0) to (1, 1), thinned to about `points` thresholds."""
    return roc_of(*_grouped(score, label, weight), points=points)


def roc_of(positive: Values, negative: Values, *, points: int = 200) -> list[tuple[float, float]]:
    """The same of weights at ascending scores."""
    positive, negative = positive[::-1], negative[::-1]
    if not positive.sum() or not negative.sum():
        return []
    false_rate = np.concatenate([[0.0], np.cumsum(negative) / negative.sum()])
    true_rate = np.concatenate([[0.0], np.cumsum(positive) / positive.sum()])
    kept = np.unique(np.linspace(0, len(true_rate) - 1, min(points, len(true_rate))).round().astype(int))
    return [(float(false_rate[i]), float(true_rate[i])) for i in kept]


def calibration(probability: Values, label: Values, weight: Values, *, bins: int = 10) -> list[dict[str, float]]:
    """Bins of equal row count by probability: mean prediction, share of positives, weight; empty bins are left out."""
    kept = weight > 0
    order = np.argsort(probability[kept], kind="stable")
    parts = np.array_split(order, bins)
    p, y, w = probability[kept], label[kept], weight[kept]
    return [
        {
            "predicted": float(np.average(p[part], weights=w[part])),
            "actual": float(np.average(y[part], weights=w[part])),
            "weight": float(np.sum(w[part])),
        }
        for part in parts
        if len(part)
    ]
