"""The test rows' predictions → how good they are, beside what each customer's own orders and all customers' say.

A head is judged by the rows that have its label: category and days by those whose next order began within the horizon.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ringmill.resampling import resamples, within
from ringmill.score.next_orders import within_horizon
from ringmill.train.metrics import Values, auc

MODEL = "model"
COMMON, LAST, OWN = "most frequent category", "own last category", "own most frequent category"
MEDIAN, MEAN, GAP = "median of all", "mean of all", "own mean gap, else the median"
RECENCY = "days since the last order"


def judge_orders(
    said: pa.Table, own: pa.Table, learnt: pa.Table, heads: Mapping[str, str], *, horizon_days: int, seed: int
) -> dict[str, list[dict[str, Any]]]:
    """By label one entry for the model and for each baseline: `by`, `rows`, its figures, and `difference`, of the
    model's figure and its, with a 95 % interval over resampled rows.

    `said` are predictions.parquet's rows, `own` the same rows of features/<name>, `learnt` its train rows; `heads` are
    the names of the labels' heads. Figures: `accuracy` and `f1_macro` of categories, `mae` and `rmse` of days, `auc` of
    comes; None where no row has the label. The first one is compared.
    """
    single = [field.name for field in said.schema if not pa.types.is_nested(field.type)]  # Arrow joins no lists
    joined = said.select(single).join(own, "row_id").sort_by("row_id")
    return {
        "category": _categories(joined, learnt, heads["category"], seed=seed),
        "days": _days(joined, learnt, heads["days"], horizon_days=horizon_days, seed=seed),
        "comes": _comes(joined, heads["comes"]),
    }


def _categories(rows: pa.Table, learnt: pa.Table, head: str, *, seed: int) -> list[dict[str, Any]]:
    known = rows.filter(pc.field(f"{head}_label").is_valid())
    true = _texts(known[f"{head}_label"])
    answers = {
        MODEL: _texts(known[f"{head}_predicted"]),
        COMMON: np.full(len(true), _most_frequent(learnt["category"]), object),
        LAST: _texts(known["last_category"]),
        OWN: _texts(known["own_category"]),
    }
    right = {name: (answer == true).astype(np.float64) for name, answer in answers.items()}
    return [
        {
            "by": name,
            "rows": len(true),
            "accuracy": _mean(right[name]),
            "f1_macro": _f1_macro(true, answer),
            **_difference(right[MODEL], right[name], name, seed=seed),
        }
        for name, answer in answers.items()
    ]


def _days(rows: pa.Table, learnt: pa.Table, head: str, *, horizon_days: int, seed: int) -> list[dict[str, Any]]:
    known = rows.filter(pc.field(f"{head}_label").is_valid())
    true, before = known[f"{head}_label"].to_numpy(), learnt["days"].drop_null().to_numpy()
    median, mean = float(np.median(before)), float(before.mean())
    left = known["own_gap_days"].to_numpy() - known["days_since_last_order"].to_numpy()
    answers = {
        MODEL: known[f"{head}_predicted"].to_numpy(),
        MEDIAN: np.full(len(true), median),
        MEAN: np.full(len(true), mean),
        GAP: np.where(np.isnan(left), median, left),
    }
    errors = {name: np.abs(within_horizon(said, horizon_days=horizon_days) - true) for name, said in answers.items()}
    return [
        {
            "by": name,
            "rows": len(true),
            "mae": _mean(error),
            "rmse": None if (square := _mean(error**2)) is None else square**0.5,
            **_difference(errors[MODEL], error, name, seed=seed),
        }
        for name, error in errors.items()
    ]


def _comes(rows: pa.Table, head: str) -> list[dict[str, Any]]:
    chance = rows[f"{head}_probability"].to_numpy()
    says_yes, came = (_texts(rows[f"{head}_{side}"]) == "yes" for side in ("predicted", "label"))
    scores = {MODEL: np.where(says_yes, chance, 1.0 - chance), RECENCY: -rows["days_since_last_order"].to_numpy()}
    ones = np.ones(rows.num_rows)
    return [
        {
            "by": name,
            "rows": rows.num_rows,
            "share": _mean(came.astype(np.float64)),
            "auc": auc(score, came * ones, ones),
        }
        for name, score in scores.items()
    ]


def _most_frequent(column: pa.ChunkedArray) -> str:
    """Of as many the first by name."""
    counts: dict[str, int] = {
        pair["values"]: pair["counts"] for pair in pc.value_counts(column.drop_null()).to_pylist()
    }
    return min(counts, key=lambda name: (-counts[name], name))


def _f1_macro(true: NDArray[Any], said: NDArray[Any]) -> float | None:
    """The mean F1 of the classes that occur; None of no rows."""
    scores = []
    for name in sorted(set(true.tolist())):
        hits, there, claimed = ((true == name) & (said == name)).sum(), (true == name).sum(), (said == name).sum()
        scores.append(2.0 * hits / (there + claimed))
    return float(np.mean(scores)) if scores else None


def _difference(model: Values, other: Values, name: str, *, seed: int) -> dict[str, Any]:
    """The model's mean less the other's over the same rows; nothing of the model itself, and of no rows."""
    if name == MODEL or not len(model):
        return {}
    each = model - other
    low, high = within([float(each[drawn].mean()) for drawn in resamples(len(each), seed=seed)])
    return {"difference": {"value": float(each.mean()), "low": low, "high": high}}


def _mean(values: Values) -> float | None:
    return float(values.mean()) if len(values) else None


def _texts(column: pa.ChunkedArray) -> NDArray[Any]:
    return np.array(column.to_pylist(), object)
