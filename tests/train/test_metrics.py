"""Law 6: metrics equal what one process computes over all rows, however the rows are cut; scikit-learn is the judge."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as judge

from ringmill.handoff.columns import Rows
from ringmill.train.metrics import Confusion, Errors, Mean, Values, auc, calibration, log_losses, roc_points, sigmoid
from ringmill.train.ranks import Solo
from ringmill.train.scores import Binned, Kept
from ringmill.train.tasks.purchase_metrics import Outputs, Smearing, Sums


def labels_of(buy: Values, spend: Values) -> dict[str, Values]:
    return {"label_buy": buy, "label_spend": spend, "log_spend": np.log1p(spend)}


def drawn(rows: int, seed: int) -> tuple[Outputs, Rows]:
    """Outputs with ties, and labels."""
    draw = np.random.default_rng(seed)
    logit = np.round(draw.normal(size=rows), 1)
    buy = (draw.random(rows) < sigmoid(logit)).astype(float)
    spend, weight = buy * np.round(draw.random(rows) * 100, 2), draw.integers(0, 4, size=rows) / 2
    rows_ = Rows(np.arange(rows), np.zeros((rows, 1), np.float32), labels_of(buy, spend), weight)
    return Outputs(logit, draw.normal(size=rows)), rows_


def test_auc_of_a_tie_is_one_half_and_of_one_class_is_none() -> None:
    score = np.array([0.1, 0.5, 0.5, 0.9])
    assert auc(score, np.array([0.0, 0.0, 1.0, 1.0]), np.ones(4)) == pytest.approx(3.5 / 4)
    assert auc(score, np.zeros(4), np.ones(4)) is None
    assert auc(score[:0], score[:0], score[:0]) is None


def test_auc_equals_scikit_learn_with_ties_and_weights() -> None:
    outputs, rows = drawn(500, 3)
    weight = np.random.default_rng(4).integers(0, 3, size=500).astype(float)
    expected = judge.roc_auc_score(rows.labels["label_buy"], outputs.logit, sample_weight=weight)
    assert auc(outputs.logit, rows.labels["label_buy"], weight) == pytest.approx(expected, abs=1e-12)


def test_a_row_of_weight_0_changes_no_metric_even_where_it_holds_1e30() -> None:
    outputs, rows = drawn(20, 5)
    padded = np.append(outputs.logit, 1e30), np.append(rows.labels["label_buy"], 1.0), np.append(np.ones(20), 0.0)
    assert auc(*padded) == auc(outputs.logit, rows.labels["label_buy"], np.ones(20))
    assert roc_points(*padded)[-1] == (1.0, 1.0)
    assert Confusion.of(sigmoid(padded[0]), *padded[1:]) == Confusion.of(
        sigmoid(outputs.logit), rows.labels["label_buy"], np.ones(20)
    )
    assert calibration(sigmoid(padded[0]), *padded[1:]) == calibration(
        sigmoid(outputs.logit), rows.labels["label_buy"], np.ones(20)
    )


def test_sums_equal_scikit_learn() -> None:
    outputs, rows = drawn(700, 6)
    found = Sums.of(outputs, rows).compute()
    said, judged = outputs.probability >= 0.5, {"sample_weight": rows.weight}
    loss = judge.log_loss(rows.labels["label_buy"], outputs.probability, **judged)
    brier = judge.brier_score_loss(rows.labels["label_buy"], outputs.probability, **judged)
    assert found["log_loss"] == pytest.approx(loss, abs=1e-12)
    assert found["brier"] == pytest.approx(brier, abs=1e-12)
    assert found["f1"] == pytest.approx(judge.f1_score(rows.labels["label_buy"], said, **judged), abs=1e-12)
    no, said_no = rows.labels["label_buy"] == 0, ~said
    assert found["precision_of_negatives"] == pytest.approx(judge.precision_score(no, said_no, **judged), abs=1e-12)
    assert found["recall_of_negatives"] == pytest.approx(judge.recall_score(no, said_no, **judged), abs=1e-12)
    macro = judge.f1_score(rows.labels["label_buy"], said, average="macro", **judged)
    assert found["f1_macro"] == pytest.approx(macro, abs=1e-12)
    buyers = rows.labels["label_buy"] > 0
    actual, predicted = np.log1p(rows.labels["label_spend"][buyers]), outputs.log_spend[buyers]
    weighed = {"sample_weight": rows.weight[buyers]}
    assert found["log_spend_mse"] == pytest.approx(judge.mean_squared_error(actual, predicted, **weighed), abs=1e-12)
    root = judge.root_mean_squared_error(actual, predicted, **weighed)
    assert found["log_spend_rmse"] == pytest.approx(root, abs=1e-12)
    assert found["log_spend_mae"] == pytest.approx(judge.mean_absolute_error(actual, predicted, **weighed), abs=1e-12)
    assert found["log_spend_r2"] == pytest.approx(judge.r2_score(actual, predicted, **weighed), abs=1e-9)
    cells = [found[f"{name}s"] for name in ("true_negative", "false_positive", "false_negative", "true_positive")]
    assert cells == judge.confusion_matrix(rows.labels["label_buy"], said, **judged).ravel().tolist()
    assert found["weight"] == rows.weight.sum()


def test_r2_of_equal_values_is_none_and_of_nothing_too() -> None:
    predicted = np.array([1.0, 2.0])
    assert Errors.of(predicted, np.full(2, 0.1), np.ones(2)).compute()["r2"] is None
    assert set(Errors.empty().compute().values()) == {None}
    one = Errors.of(predicted, np.array([1.0, 4.0]), np.ones(2))
    assert Errors.empty().merge(one) == one
    assert one.compute() == {"mse": 2.0, "mae": 1.0, "rmse": 2.0**0.5, "r2": pytest.approx(1 - 4 / 4.5)}


@settings(deadline=None, max_examples=50)
@given(cuts=st.lists(st.integers(0, 60), min_size=1, max_size=3))
def test_law_6_summed_states_of_unequal_parts_equal_the_whole(cuts: list[int]) -> None:
    outputs, rows = drawn(60, 7)
    bounds = [0, *sorted(cuts), 60]
    vectors = []
    for first, last in pairwise(bounds):
        part = Outputs(outputs.logit[first:last], outputs.log_spend[first:last])
        vectors.append(Sums.of(part, rows.take(np.arange(first, last))).vector())
    merged, whole = Sums.from_vector(np.sum(vectors, axis=0)).compute(), Sums.of(outputs, rows).compute()
    assert merged == pytest.approx(whole, rel=1e-9)
    assert merged["true_positives"] == whole["true_positives"]


def test_law_6_a_mean_of_parts_would_be_another_number() -> None:
    parts = [Mean.of(np.array([1.0, 1.0, 1.0]), np.ones(3)), Mean.of(np.array([5.0]), np.ones(1))]
    assert parts[0].merge(parts[1]).compute() == 2.0
    assert np.mean([part.compute() for part in parts]) == 3.0
    assert Mean.empty().merge(parts[0]) == parts[0]
    assert Mean.empty().compute() is None


def test_log_losses_stay_finite_at_extreme_logits() -> None:
    assert log_losses(np.array([1e4, -1e4, 0.0]), np.array([1.0, 1.0, 0.0])).tolist() == [0.0, 1e4, np.log(2)]


def test_a_roc_runs_from_corner_to_corner_and_never_falls() -> None:
    outputs, rows = drawn(400, 8)
    points = np.array(roc_points(outputs.logit, rows.labels["label_buy"], np.ones(400), points=20))
    assert points[0].tolist() == [0, 0]
    assert points[-1].tolist() == [1, 1]
    assert (np.diff(points, axis=0) >= 0).all()
    assert roc_points(outputs.logit, np.zeros(400), np.ones(400)) == []


def test_calibration_bins_hold_equal_counts_and_the_means_of_their_rows() -> None:
    probability = np.array([0.9, 0.1, 0.2, 0.8])
    bins = calibration(probability, np.array([1.0, 0.0, 1.0, 1.0]), np.ones(4), bins=2)
    assert [(round(one["predicted"], 9), one["actual"], one["weight"]) for one in bins] == [
        (0.15, 0.5, 2.0),
        (0.85, 1.0, 2.0),
    ]


def test_smearing_carries_the_buyers_total_to_their_actual_total() -> None:
    log_spend, spend, buy = np.array([1.0, 2.0, 9.0]), np.array([4.0, 9.0, 0.0]), np.array([1.0, 1.0, 0.0])
    rows = Rows(np.arange(3), np.zeros((3, 1)), labels_of(buy, spend), np.ones(3))
    factors = Smearing.of(Outputs(np.zeros(3), log_spend), rows).compute()
    assert np.sum(factors["smearing"] * np.exp(log_spend[:2]) - 1) == pytest.approx(13.0)
    assert factors["smearing_duan"] == pytest.approx((5 / np.e + 10 / np.e**2) / 2)
    assert Smearing().compute() == {"smearing": 1.0, "smearing_duan": 1.0}


def test_expected_spend_is_never_negative() -> None:
    outputs = Outputs(np.array([0.0, 0.0]), np.array([0.0, np.log(11.0)]))
    assert outputs.expected_spend(0.5).tolist() == [0.0, pytest.approx(2.25)]


def test_law_6_binned_scores_are_within_their_printed_bound_of_the_exact_auc() -> None:
    draw = np.random.default_rng(9)
    logit = draw.normal(size=5_000) * 4
    buy = (draw.random(5_000) < sigmoid(logit)).astype(float)
    rows = Rows(np.arange(5_000), np.zeros((5_000, 1)), labels_of(buy, np.zeros(5_000)), draw.random(5_000))
    kept, binned = Kept(), Binned()
    for start in range(0, 5_000, 999):
        part = Outputs(logit[start : start + 999], np.zeros(min(999, 5_000 - start)))
        for scores in (kept, binned):
            scores.add(part, rows.part(start, start + 999))
    for scores in (kept, binned):
        scores.merge(Solo())
    exact, near = kept.metrics(), binned.metrics()
    assert exact["auc_error_at_most"] == 0.0
    assert 0 < near["auc_error_at_most"] < 1e-3
    assert abs(near["auc"] - exact["auc"]) <= near["auc_error_at_most"]
    bins = binned.curves()["calibration"]
    assert sum(one["weight"] for one in bins) == pytest.approx(rows.weight.sum())
    assert [one["predicted"] for one in bins] == sorted(one["predicted"] for one in bins)
    assert binned.curves()["roc"][-1] == pytest.approx((1.0, 1.0))


def test_scores_of_one_class_have_no_auc_in_bins_either() -> None:
    binned = Binned()
    binned.add(Outputs(np.array([1e9, -1e9, np.nan]), np.zeros(3)), rows_of_no_buyer(3))
    binned.merge(Solo())
    assert binned.metrics() == {"auc": None, "auc_error_at_most": None}


def rows_of_no_buyer(rows: int) -> Rows:
    return Rows(np.arange(rows), np.zeros((rows, 1)), labels_of(np.zeros(rows), np.zeros(rows)), np.ones(rows))
