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
from ringmill.train.one_vs_rest import with_areas

LISTS = pa.list_(pa.float64())


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
    rates = judge.precision_recall_fscore_support(label, said, sample_weight=weight)[:3]
    for name, (negatives, positives) in zip(("precision", "recall", "f1"), rates, strict=True):
        assert (found[f"{name}_of_negatives"], found[name]) == pytest.approx((negatives, positives), abs=1e-12)


def of_three(rows: int = 90) -> tuple[Any, ...]:
    """Labels, what was said, probabilities with many ties, and weights with zeros; 'd' is nobody's class."""
    draw = np.random.default_rng(8)
    true = draw.integers(0, 3, rows)
    chances = np.round(np.eye(4)[true] * 0.4 + draw.dirichlet(np.ones(4), rows) * 0.6, 1)
    names = np.array(list("abcd"), object)
    columns = [pa.chunked_array([pa.array(names[place], pa.string())]) for place in (true, chances.argmax(axis=1))]
    return *columns, pa.chunked_array([pa.array(list(chances))]), chances, true, draw.integers(0, 4, rows) / 2


def judged_as_scikit_learn_does(true: Any, chances: Any, weight: Any) -> dict[str, float | None]:
    said, given = chances.argmax(axis=1), {"sample_weight": weight}
    rates = judge.precision_recall_fscore_support(true, said, labels=range(4), zero_division=np.nan, **given)[:3]
    areas = [
        judge.roc_auc_score(true == place, chances[:, place], **given) if weight[true == place].any() else np.nan
        for place in range(4)
    ]
    found: dict[str, float | None] = {"accuracy": judge.accuracy_score(true, said, **given)}
    for name, values in zip(("precision", "recall", "f1", "auc"), [*rates, areas], strict=True):
        found[f"{name}_macro"] = float(np.nanmean(values))
        for of, value in zip("abcd", values, strict=True):
            found[f"per_class.{of}.{name}"] = None if np.isnan(value) else float(value)
    return found


def test_law_6_the_figures_of_classes_under_weights_are_scikit_learns_with_ties_and_a_class_of_no_row() -> None:
    label, said, lists, chances, true, weight = of_three()
    found = of_classes(tuple("abcd"), label, said, lists)(weight)
    expected = judged_as_scikit_learn_does(true, chances, weight)
    assert set(found) == set(expected) and found == pytest.approx(expected, abs=1e-12)
    assert found["per_class.d.recall"] is None and found["per_class.d.auc"] is None
    # Over the classes that occur, scikit-learn's own one-vs-rest mean is the same.
    three = chances[:, :3] + 1e-9
    shares = three / three.sum(axis=1, keepdims=True)
    ours = of_classes(tuple("abc"), label, label, pa.chunked_array([pa.array(list(shares))]))(weight)["auc_macro"]
    theirs = judge.roc_auc_score(true, shares, multi_class="ovr", average="macro", sample_weight=weight)
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_the_bounds_of_a_classs_figures_are_those_of_each_resamples_rows_judged_by_scikit_learn() -> None:
    label, said, lists, chances, true, _ = of_three(30)
    found = resampled(of_classes(tuple("abcd"), label, said, lists), np.ones(30), np.arange(30), seed=3)
    some = [judged_as_scikit_learn_does(true[rows], chances[rows], np.ones(30)) for rows in resamples(30, seed=3)]
    for name in ("precision_macro", "auc_macro", "per_class.a.recall", "per_class.b.f1", "per_class.c.auc"):
        values = [one[name] for one in some if one[name] is not None]
        assert (found[name]["low"], found[name]["high"]) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))
        assert found[name]["defined"] == len(values)
    assert found["per_class.d.auc"] == {"value": None, "low": None, "high": None, "defined": 0}


def test_a_splits_metrics_gain_the_areas_of_its_classes_by_rows_with_a_label() -> None:
    label, _, lists, chances, true, weight = of_three()
    metrics = {"accuracy": 0.5, "per_class": {name: {"f1": 0.5} for name in "abcd"}}
    unlabelled = pa.chunked_array([*label.chunks, pa.array([None, None], pa.string())])
    more = pa.chunked_array([*lists.chunks, lists.chunk(0)[:2]])
    found = with_areas(metrics, tuple("abcd"), unlabelled, more, np.append(weight, [9.0, 9.0]))
    expected = judged_as_scikit_learn_does(true, chances, weight)
    assert found["auc_macro"] == pytest.approx(expected["auc_macro"], abs=1e-12)
    assert found["per_class"]["a"] == {"f1": 0.5, "auc": pytest.approx(expected["per_class.a.auc"], abs=1e-12)}
    assert found["per_class"]["d"] == {"f1": 0.5, "auc": None} and found["accuracy"] == 0.5


def test_of_no_rows_and_of_probabilities_that_are_no_numbers_there_is_no_area() -> None:
    metrics = {"per_class": {name: {} for name in "ab"}}
    for label, lists in (([], []), (["a", "b"], [[float("nan")] * 2] * 2)):
        columns = (pa.chunked_array([pa.array(label, pa.string())]), pa.chunked_array([pa.array(lists, LISTS)]))
        found = with_areas(metrics, ("a", "b"), *columns, np.ones(len(label)))
        assert (found["auc_macro"], found["per_class"]["a"]["auc"]) == (None, None)


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
