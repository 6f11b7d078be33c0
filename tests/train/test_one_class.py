"""How several models find one class: scikit-learn's figures, and gains on the same draws of the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as judge

from ringmill.errors import LawError
from ringmill.train import one_class
from ringmill.train.one_class import compare_on_class

CLASSES = ("a", "b", "c")


def predictions(seed: int, *, rows: int = 200, sharp: float = 1.0) -> pa.Table:
    draw = np.random.default_rng(5)
    true = draw.integers(0, 3, rows)
    logits = np.eye(3)[true] * sharp + np.random.default_rng(seed).normal(size=(rows, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = np.array(CLASSES)
    columns: dict[str, Any] = {
        "row_id": np.arange(rows),
        "label": names[true],
        "predicted": names[chances.argmax(axis=1)],
    }
    return pa.table({**columns, "probabilities": list(chances), "weight": np.full(rows, 7.0)})


def test_law_6_the_figures_are_scikit_learn_s_and_every_row_counts_once() -> None:
    table = predictions(1)
    found = compare_on_class({"only": table}, {"only": CLASSES}, "b", seed=3)["only"]
    true, said = (np.array(table[name].to_pylist()) == "b" for name in ("label", "predicted"))
    chance = np.array(table["probabilities"].to_pylist())[:, 1]
    assert found["precision"]["value"] == pytest.approx(judge.precision_score(true, said))
    assert found["recall"]["value"] == pytest.approx(judge.recall_score(true, said))
    assert found["f1"]["value"] == pytest.approx(judge.f1_score(true, said))
    assert found["auc"]["value"] == pytest.approx(judge.roc_auc_score(true, chance))
    for name in one_class.FIGURES:
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]


def test_gains_are_over_the_first_and_of_the_same_draws() -> None:
    first, second = predictions(1), predictions(1, sharp=3.0).take(np.random.default_rng(1).permutation(200))
    found = compare_on_class(
        {"first": first, "second": second, "again": first},
        dict.fromkeys(("first", "second", "again"), CLASSES),
        "b",
        seed=3,
    )
    for name in one_class.GAINED:
        gain, values = found["second"][f"{name}_gain"], [found[model][name]["value"] for model in ("second", "first")]
        assert gain["value"] == pytest.approx(values[0] - values[1]) and gain["low"] > 0
        # The same rows are drawn for all: what is the same model gains nothing in any draw.
        assert found["again"][f"{name}_gain"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_each_model_s_probabilities_are_read_in_its_own_order_of_classes() -> None:
    first = predictions(1)
    turned = [chances[::-1] for chances in first["probabilities"].to_pylist()]
    second = first.set_column(first.schema.get_field_index("probabilities"), "probabilities", [turned])
    both = {"first": first, "second": second}
    found = compare_on_class(both, {"first": CLASSES, "second": CLASSES[::-1]}, "a", seed=3)
    assert found["first"]["auc"] == found["second"]["auc"]
    assert found["second"]["auc_gain"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_class_that_nobody_says_has_no_precision() -> None:
    table = pa.table(
        {
            "row_id": [1, 2, 3],
            "label": ["a", "b", "a"],
            "predicted": ["a", "a", "a"],
            "probabilities": [[0.9, 0.1], [0.7, 0.3], [0.8, 0.2]],
        }
    )
    found = compare_on_class({"only": table}, {"only": ("a", "b")}, "b", seed=3)["only"]
    assert found["precision"] == {"value": None, "low": None, "high": None}
    assert (found["recall"]["value"], found["f1"]["value"], found["auc"]["value"]) == (0.0, 0.0, 1.0)


def test_models_of_other_rows_are_not_compared() -> None:
    with pytest.raises(LawError, match="others for 'second'"):
        both = {"first": predictions(1), "second": predictions(1, rows=199)}
        compare_on_class(both, dict.fromkeys(both, CLASSES), "b", seed=3)


def test_very_many_rows_have_figures_without_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_class, "MOST_ROWS", 100)
    found = compare_on_class({"only": predictions(1)}, {"only": CLASSES}, "b", seed=3)["only"]
    assert found["f1"]["value"] is not None and found["f1"]["low"] is None
