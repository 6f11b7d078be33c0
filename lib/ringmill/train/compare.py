"""Two models' predictions of the same held-out rows → by how much one is worse, with the interval of that difference.

Both are judged row by row, so what makes a row hard is in both and cancels: far fewer rows show a difference than two
intervals side by side would need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Values = NDArray[np.float64]

# A chance of 0 for what happened costs as much as one of 1e-15, and not everything.
LEAST_CHANCE = 1e-15


@dataclass(frozen=True)
class Predictions:
    """A model's predictions.parquet, and the classes whose places `probabilities` has; () where it has none.

    Of a task of several heads: `heads`, what the model's manifest says of each by its name.
    """

    table: pa.Table
    classes: tuple[str, ...] = ()
    heads: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Losses:
    """(rows,) of one head, of meaning where a row is `labelled`; `share` is what the head counts beside others."""

    metric: str
    values: Values
    labelled: NDArray[np.bool_]
    share: float = 1.0


@dataclass(frozen=True)
class Comparison:
    """Means of the metric, lower is better, over `rows` rows of `groups` customers, who alone are independent."""

    metric: str
    confidence: float
    rows: int
    groups: int
    candidate: float
    current: float
    difference: float
    low: float
    high: float

    @property
    def is_worse(self) -> bool:
        """Whether the whole interval of candidate − current lies above 0."""
        return self.low > 0

    def __str__(self) -> str:
        return (
            f"{self.metric} {self.candidate:.4f} beside {self.current:.4f} of the current one, difference "
            f"{self.difference:+.4f} ({self.low:+.4f} to {self.high:+.4f}) on {self.rows:,} rows that both held out"
        )


def compare(
    candidate: Predictions,
    current: Predictions,
    *,
    metric: str,
    confidence: float,
    customers: pa.Table | None = None,
) -> Comparison | None:
    """Compare on the rows that both held out; None where the two say different things, share too few rows, or say of
    one what is no finite number.

    What happened is what the candidate's table says, which is the newer. `customers` (row_id, customer_id) says which
    rows are one customer's; without it each row stands alone. The interval is that of the normal distribution, its
    standard error that of a mean over clusters: √(G ÷ (G − 1) · Σ (Σ of a customer's deviations)²) ÷ n.

    Of several heads the metric is Σ share × mean over the rows with the head's label, as in training, by the shares of
    the candidate's heads; a head of which no row has a label adds 0. A row's deviation is the sum over its heads of
    share × n ÷ (rows with the label) × (its difference − the head's mean).

    Source: Cameron and Miller, A Practitioner's Guide to Cluster-Robust Inference (2015), equation 11.
    """
    ids, other_ids = (np.asarray(one.table["row_id"]) for one in (candidate, current))
    common, here, there = np.intersect1d(ids, other_ids, return_indices=True)
    new, old = candidate.table.take(here), current.table.take(there)
    if new.schema.names != old.schema.names or not len(common):
        return None
    ours, theirs = _losses(new, new, candidate, metric), _losses(old, new, current, metric)
    if not ours or [one.metric for one in ours] != [one.metric for one in theirs]:
        return None
    group = _groups(common, customers)
    count = int(group.max()) + 1
    if count < 2:
        return None
    means, deviation, known = np.zeros(2), np.zeros(len(common)), False
    for one, other in zip(ours, theirs, strict=True):
        if not one.labelled.any():
            continue
        known = True
        both = one.share * np.stack([one.values[one.labelled], other.values[one.labelled]])
        if not np.isfinite(both).all():
            return None
        means += both.mean(axis=1)
        difference = both[0] - both[1]
        deviation[one.labelled] += (difference - difference.mean()) * (len(common) / len(difference))
    if not known:
        return None
    error = sqrt(count / (count - 1) * float(np.sum(np.bincount(group, deviation) ** 2))) / len(common)
    reach, mean = NormalDist().inv_cdf((1 + confidence) / 2) * error, float(means[0] - means[1])
    return Comparison(
        metric=" + ".join(one.metric for one in ours),
        confidence=confidence,
        rows=len(common),
        groups=count,
        candidate=float(means[0]),
        current=float(means[1]),
        difference=mean,
        low=mean - reach,
        high=mean + reach,
    )


def _losses(said: pa.Table, truth: pa.Table, of: Predictions, metric: str) -> list[_Losses]:
    """What each row costs, by head; none for predictions of another kind."""
    every = np.ones(truth.num_rows, bool)
    for name in ("squared_error", "log_loss"):
        if name in said.schema.names:
            return [_Losses(name, np.asarray(said[name]), every)]
    if "buy_probability" in said.schema.names:
        chance, bought = np.asarray(said["buy_probability"]), np.asarray(truth["label_buy"])
        chances = np.stack([1 - chance, chance], axis=1)
        return [_Losses(metric, _of_chances(chances, (bought > 0.5).astype(np.int64), metric), every)]
    if "probabilities" in said.schema.names:
        return [_Losses(metric, _of_classes(said["probabilities"], truth["label"], of.classes, metric), every)]
    return [_of_head(name, facts, said, truth, metric) for name, facts in of.heads.items()]


def _of_head(name: str, facts: Mapping[str, Any], said: pa.Table, truth: pa.Table, metric: str) -> _Losses:
    label, share = truth[f"{name}_label"], float(facts.get("share", 1.0))
    labelled = pc.is_valid(label).to_numpy()
    if facts["kind"] == "classes":
        values = _of_classes(said[f"{name}_probabilities"], label, facts["classes"], metric)
        return _Losses(f"{name} {metric}", values, labelled, share)
    error = pc.subtract(said[f"{name}_predicted"], label).to_numpy()
    return _Losses(f"{name} squared_error", error**2, labelled, share)


def _of_classes(chances: pa.ChunkedArray, labels: pa.ChunkedArray, classes: Sequence[str], metric: str) -> Values:
    place = {name: number for number, name in enumerate(classes)}
    # A class that the model has never seen has the chance 0: a column that is added for it, and for missing labels.
    happened = np.array([place.get(label, len(classes)) for label in labels.to_pylist()])
    return _of_chances(np.pad(np.stack(chances.to_pylist()), ((0, 0), (0, 1))), happened, metric)


def _of_chances(chances: Values, happened: NDArray[np.int64], metric: str) -> Values:
    """(rows, classes) and the place of what happened → (rows,)."""
    if metric == "log_loss":
        return -np.log(np.maximum(chances[np.arange(len(chances)), happened], LEAST_CHANCE))
    found: Values = np.sum((chances - np.eye(chances.shape[1])[happened]) ** 2, axis=1)
    return found


def _groups(row_ids: NDArray[np.int64], customers: pa.Table | None) -> NDArray[np.int64]:
    """(rows,) numbers of the customers, from 0 on."""
    if customers is None:
        return np.arange(len(row_ids))
    known = np.asarray(customers["row_id"])
    order = np.argsort(known)
    names = customers["customer_id"].take(order[np.searchsorted(known, row_ids, sorter=order)])
    _, group = np.unique(names.to_numpy(zero_copy_only=False), return_inverse=True)
    return group
