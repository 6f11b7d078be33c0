"""Two models' predictions of the same held-out rows → by how much one is worse, with the interval of that difference.

Both are judged row by row, so what makes a row hard is in both and cancels: far fewer rows show a difference than two
intervals side by side would need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Values = NDArray[np.float64]

# A chance of 0 for what happened costs as much as one of 1e-15, and not everything.
LEAST_CHANCE = 1e-15


@dataclass(frozen=True)
class Predictions:
    """A model's predictions.parquet, and the classes whose places `probabilities` has; () where it has none."""

    table: pa.Table
    classes: tuple[str, ...] = ()


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
    """Compare on the rows that both held out; None where the two say different things, or share too few rows.

    What happened is what the candidate's table says, which is the newer. `customers` (row_id, customer_id) says which
    rows are one customer's; without it each row stands alone. The interval is that of the normal distribution, its
    standard error that of a mean over clusters: √(G ÷ (G − 1) · Σ (Σ of a customer's deviations)²) ÷ n.

    Source: Cameron and Miller, A Practitioner's Guide to Cluster-Robust Inference (2015), equation 11.
    """
    ids, other_ids = (np.asarray(one.table["row_id"]) for one in (candidate, current))
    common, here, there = np.intersect1d(ids, other_ids, return_indices=True)
    new, old = candidate.table.take(here), current.table.take(there)
    if new.schema.names != old.schema.names or not len(common):
        return None
    losses = [_losses(said, new, of.classes, metric) for said, of in ((new, candidate), (old, current))]
    if losses[0] is None or losses[1] is None:
        return None
    name, difference = losses[0][0], losses[0][1] - losses[1][1]
    group = _groups(common, customers)
    count = int(group.max()) + 1
    if count < 2:
        return None
    mean = float(difference.mean())
    of_groups = np.bincount(group, difference - mean)
    error = sqrt(count / (count - 1) * float(np.sum(of_groups**2))) / len(difference)
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    return Comparison(
        metric=name,
        confidence=confidence,
        rows=len(difference),
        groups=count,
        candidate=float(losses[0][1].mean()),
        current=float(losses[1][1].mean()),
        difference=mean,
        low=mean - reach,
        high=mean + reach,
    )


def _losses(said: pa.Table, truth: pa.Table, classes: Sequence[str], metric: str) -> tuple[str, Values] | None:
    """The metric's name and its value for each row; None for predictions of another kind."""
    for name in ("squared_error", "log_loss"):
        if name in said.schema.names:
            return name, np.asarray(said[name])
    if "buy_probability" in said.schema.names:
        chance, bought = np.asarray(said["buy_probability"]), np.asarray(truth["label_buy"])
        chances, happened = np.stack([1 - chance, chance], axis=1), (bought > 0.5).astype(np.int64)
    elif "probabilities" in said.schema.names:
        chances = np.stack([np.asarray(row) for row in said["probabilities"].to_pylist()])
        place = {name: number for number, name in enumerate(classes)}
        # A class that the model has never seen has the chance 0: a column that is added for it.
        happened = np.array([place.get(label, len(classes)) for label in truth["label"].to_pylist()])
        chances = np.pad(chances, ((0, 0), (0, 1)))
    else:
        return None
    rows = np.arange(len(chances))
    if metric == "log_loss":
        return metric, -np.log(np.maximum(chances[rows, happened], LEAST_CHANCE))
    return metric, np.sum((chances - np.eye(chances.shape[1])[happened]) ** 2, axis=1)


def _groups(row_ids: NDArray[np.int64], customers: pa.Table | None) -> NDArray[np.int64]:
    """(rows,) numbers of the customers, from 0 on."""
    if customers is None:
        return np.arange(len(row_ids))
    known = np.asarray(customers["row_id"])
    order = np.argsort(known)
    names = customers["customer_id"].take(order[np.searchsorted(known, row_ids, sorter=order)])
    _, group = np.unique(names.to_numpy(zero_copy_only=False), return_inverse=True)
    return group
