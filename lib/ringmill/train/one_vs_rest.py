"""Probabilities of classes → how well each class is ranked above the rest, as a function of how much each row counts.

AUC of a class: the weighted chance that a row of it is given a greater probability of it than a row of any other class;
a tie counts one half. Source: Provost and Domingos, Tree Induction for Probability-Based Ranking (2003), one against
the rest; the mean counts each class once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ringmill.train.metrics import Values, area
from ringmill.train.tasks.class_metrics import mean_of, or_none

# (rows,) weights → (classes,), NaN for a class that no row, or every row that counts, is of.
Areas = Callable[[Values], Values]


def areas(chances: Values, places: NDArray[np.int64]) -> Areas:
    """(rows, classes) probabilities and each row's place among the classes. NaN of a class with a probability that is
    no number."""
    ranked = [_ranked(chances[:, place], places == place) for place in range(chances.shape[1])]

    def of(weight: Values) -> Values:
        return np.array([one(weight) for one in ranked], np.float64)

    return of


def _ranked(chance: Values, true: NDArray[np.bool_]) -> Callable[[Values], float]:
    if not np.isfinite(chance).all():
        return lambda weight: np.nan
    # Ranked once for all resamples: a resample changes weights, and no order.
    levels, level = np.unique(chance, return_inverse=True)
    at, count = level + len(levels) * true, len(levels)

    def of(weight: Values) -> float:
        negative, positive = np.bincount(at, weight, 2 * count).astype(np.float64).reshape(2, -1)
        found = area(positive, negative)
        return np.nan if found is None else found

    return of


def chances_of(column: pa.ChunkedArray, classes: int) -> Values:
    """A column of lists → (rows, classes)."""
    parts = [np.asarray(chunk.flatten(), np.float64) for chunk in column.chunks]
    return np.concatenate([np.zeros(0), *parts]).reshape(-1, classes)


def with_areas(
    metrics: Mapping[str, Any], classes: Sequence[str], true: pa.ChunkedArray, chances: pa.ChunkedArray, weight: Values
) -> dict[str, Any]:
    """A split's metrics of classes, of whose rows these are the written predictions → with `auc_macro`, and `auc`
    `per_class`; None where they are not defined. A row whose true class is null counts nowhere."""
    known = true.is_valid().to_numpy()
    places = pc.index_in(true, value_set=pa.array(classes, pa.string())).to_numpy(zero_copy_only=False)[known]
    each, counted = chances_of(chances, len(classes))[known], weight[known]
    # One class after the other: what ranks all of them at once is several times their probabilities.
    found = np.array([_ranked(each[:, place], places == place)(counted) for place in range(len(classes))])
    per_class = {
        name: {**figures, "auc": or_none(value)}
        for (name, figures), value in zip(metrics["per_class"].items(), found, strict=True)
    }
    return {**metrics, "auc_macro": mean_of(found), "per_class": per_class}
