"""Predictions of several models on the same rows → how each finds one class, and what it gains over the first, as
functions of how often each row is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ringmill.errors import LawError
from ringmill.handoff.columns import ROW_ID
from ringmill.train.intervals import MOST_ROWS, Figures, resampled
from ringmill.train.metrics import Confusion, Values, area

FIGURES = ("precision", "recall", "f1", "auc")
GAINED = ("f1", "auc")
Found = dict[str, dict[str, float | None]]


def compare_on_class(
    predictions: Mapping[str, pa.Table], classes: Mapping[str, Sequence[str]], name: str, *, seed: int
) -> dict[str, Found]:
    """By model each of `FIGURES`, and of `GAINED` under '<figure>_gain' by how much it is above the first model's; each
    with `value`, `low` and `high`, the bounds of its 95 % bootstrap interval, None where it is not defined.

    `classes` are each model's own, in the order of its probabilities.

    Precision, recall and F1 are of the rows that a model says are of the class `name`, the likeliest one; AUC is the
    chance that a row of it is given a greater probability of it than one of any other class. Each row counts once,
    whatever it weighed in training. All models are judged by the same resamples of the rows; above `MOST_ROWS` rows
    there are no bounds.

    Raises:
        LawError: two of them did not predict the same rows.
    """
    tables = {model: table.sort_by(ROW_ID) for model, table in predictions.items()}
    first = next(iter(tables.values()))
    for model, table in tables.items():
        if table[ROW_ID] != first[ROW_ID]:
            expected, received = f"{first.num_rows:,} test rows, the same for all", f"others for '{model}'"
            raise LawError.broken("Comparison on the same rows", "predictions.parquet", expected, received)
    figures = _together({model: _of_model(table, classes[model], name) for model, table in tables.items()})
    rows = first.num_rows
    if rows > MOST_ROWS:
        whole = figures(np.ones(rows))
        found = {key: {"value": value, "low": None, "high": None} for key, value in whole.items()}
    else:
        found = resampled(figures, np.ones(rows), np.arange(rows), seed=seed)
    return {model: _named(found, model) for model in tables}


def _named(found: Mapping[str, Mapping[str, float | None]], model: str) -> Found:
    keys = (*FIGURES, *(f"{figure}_gain" for figure in GAINED))
    return {key: {part: found[f"{model} {key}"][part] for part in ("value", "low", "high")} for key in keys}


def _of_model(table: pa.Table, classes: Sequence[str], name: str) -> Figures:
    place = list(classes).index(name)
    chance = np.array(table["probabilities"].to_pylist(), np.float64).reshape(-1, len(classes))[:, place]
    levels, level = np.unique(chance, return_inverse=True)
    true, said = (np.array(table[column].to_pylist(), object) == name for column in ("label", "predicted"))
    return lambda weight: _figures(weight, true, said, level, len(levels))


def _figures(
    weight: Values, true: NDArray[np.bool_], said: NDArray[np.bool_], level: NDArray[np.int64], levels: int
) -> dict[str, float | None]:
    cells = ((true, said), (~true, said), (true, ~said), (~true, ~said))
    tp, fp, fn, tn = (float(weight[one & other].sum()) for one, other in cells)
    counted = Confusion(tp=tp, fp=fp, fn=fn, tn=tn).compute()
    positive, negative = (np.bincount(level[rows], weight[rows], levels).astype(float) for rows in (true, ~true))
    return {name: counted[name] for name in FIGURES[:3]} | {"auc": area(positive, negative)}


def _together(models: Mapping[str, Figures]) -> Figures:
    def figures(weight: Values) -> dict[str, float | None]:
        of_models = {model: of_one(weight) for model, of_one in models.items()}
        first = next(iter(of_models.values()))
        found: dict[str, float | None] = {}
        for model, values in of_models.items():
            found |= {f"{model} {name}": value for name, value in values.items()}
            found |= {f"{model} {name}_gain": _less(values[name], first[name]) for name in GAINED}
        return found

    return figures


def _less(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other
