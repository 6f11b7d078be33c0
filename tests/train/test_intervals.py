"""Intervals of test figures: the figures are those of the metrics, and what belongs together is drawn together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as judge

from handoff.tables import write_table
from ringmill.errors import InputError
from ringmill.handoff.manifest import pin_splits
from ringmill.resampling import RESAMPLES, resamples, within
from ringmill.train import intervals as module
from ringmill.train.intervals import of_chances, of_classes, resampled


def drawn(rows: int = 60) -> tuple[Any, Any, Any]:
    draw = np.random.default_rng(5)
    label = draw.integers(0, 2, rows).astype(float)
    return np.round(np.clip(0.3 * label + 0.7 * draw.random(rows), 0, 1), 1), label, draw.integers(0, 4, rows) / 2


def test_law_6_the_figures_under_weights_are_scikit_learns() -> None:
    chance, label, weight = drawn()
    found, said = of_chances(chance, label)(weight), chance >= 0.5
    assert found["auc"] == pytest.approx(judge.roc_auc_score(label, chance, sample_weight=weight), abs=1e-12)
    assert found["accuracy"] == pytest.approx(judge.accuracy_score(label, said, sample_weight=weight), abs=1e-12)
    assert found["f1"] == pytest.approx(judge.f1_score(label, said, sample_weight=weight), abs=1e-12)


def test_the_bounds_are_those_of_figures_made_anew_of_each_resamples_rows() -> None:
    chance, label, _ = drawn(40)
    found = resampled(of_chances(chance, label), np.ones(40), np.arange(40), seed=3)
    anew = [judge.roc_auc_score(label[rows], chance[rows]) for rows in resamples(40, seed=3)]
    assert (found["auc"]["low"], found["auc"]["high"]) == pytest.approx(tuple(np.percentile(anew, [2.5, 97.5])))
    assert found["auc"]["value"] == pytest.approx(judge.roc_auc_score(label, chance))
    assert found["auc"]["defined"] == RESAMPLES


@settings(deadline=None, max_examples=5)
@given(copies=st.integers(2, 4))
def test_copies_of_a_customers_rows_make_no_interval_narrower_where_customers_are_drawn(copies: int) -> None:
    chance, label, _ = drawn(30)
    once = resampled(of_chances(chance, label), np.ones(30), np.arange(30), seed=1)["accuracy"]
    many = of_chances(np.tile(chance, copies), np.tile(label, copies))
    ones, rows = np.ones(30 * copies), np.arange(30 * copies)
    by_customer = resampled(many, ones, np.tile(np.arange(30), copies), seed=1)["accuracy"]
    by_row = resampled(many, ones, rows, seed=1)["accuracy"]
    assert (by_customer["low"], by_customer["high"]) == pytest.approx((once["low"], once["high"]), abs=1e-12)
    assert by_row["high"] - by_row["low"] < by_customer["high"] - by_customer["low"]


def test_a_row_without_a_label_counts_nowhere() -> None:
    true, said = pa.chunked_array([["a", None, "b", "b"]]), pa.chunked_array([["a", "b", "b", "a"]])
    assert of_classes(("a", "b"), true, said)(np.array([1.0, 9.0, 1.0, 2.0]))["accuracy"] == 0.5


def test_what_no_resample_defines_has_no_bounds() -> None:
    found = resampled(of_chances(np.array([0.2, 0.9]), np.ones(2)), np.ones(2), np.arange(2), seed=1)
    assert found["auc"] == {"value": None, "low": None, "high": None, "defined": 0}
    assert found["accuracy"]["value"] == 0.5
    assert np.isnan(within([float("nan")])).all()


def test_a_row_of_no_group_is_refused_by_column_and_table(tmp_path: Any) -> None:
    rows = pa.table({"row_id": [1, 2, 3], "owner": ["b", None, "a"], "split": ["test", "test", "train"]})
    manifest = pin_splits(write_table(tmp_path / "table", rows), 0, ("train", "test"))["test"]
    with pytest.raises(InputError, match=r"'owner'[\s\S]*a group of each test row[\s\S]*1 nulls"):
        module._groups(manifest, "owner")
