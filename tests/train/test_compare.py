"""The paired comparison of two models, against figures that are derived by eye and against many drawn samples."""

from __future__ import annotations

from math import log, sqrt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringmill.train.compare import Predictions, compare


def purchases(chances: list[float], bought: list[float], ids: list[int] | None = None) -> Predictions:
    ids = ids or list(range(len(chances)))
    return Predictions(pa.table({"row_id": ids, "buy_probability": chances, "label_buy": bought}))


def judged(candidate: Predictions, current: Predictions, metric: str = "log_loss", **more: object):
    return compare(candidate, current, metric=metric, confidence=0.95, **more)


def test_the_difference_and_its_error_are_those_of_the_rows_that_both_held_out() -> None:
    # Row 9 is the candidate's alone and row 7 the current one's; the others stand in other orders.
    candidate = purchases([0.5, 0.9, 0.5, 0.1], [1, 1, 0, 0], [1, 9, 2, 3])
    current = purchases([0.1, 0.25, 0.5, 0.3], [0, 1, 0, 1], [3, 1, 2, 7])
    found = judged(candidate, current)
    assert (found.rows, found.groups, found.metric) == (3, 3, "log_loss")
    # Row 1: −log 0.5 against −log 0.25. Rows 2 and 3: the same.
    one = log(0.5) - log(0.25)
    assert found.difference == pytest.approx(-one / 3)
    assert found.candidate - found.current == pytest.approx(found.difference)
    # Deviations −2/3, 1/3, 1/3 of `one`: √(3 ÷ 2 · 6 ÷ 9) ÷ 3 = 1 ÷ 3.
    assert found.high - found.difference == pytest.approx(1.959963985 * one / 3)
    assert not found.is_worse
    assert judged(candidate, current, "brier").difference == pytest.approx(2 * (0.25 - 0.5625) / 3)


def test_rows_of_one_customer_are_not_independent() -> None:
    candidate, current = (purchases(chances * 2, [1, 1, 1, 1] * 2) for chances in ([0.5, 0.4, 0.6, 0.5], [0.5] * 4))
    alone = judged(candidate, current)
    owners = pa.table({"row_id": [*range(7, -1, -1), 99], "customer_id": [*"DCBADCBA", "E"]})
    together = judged(candidate, current, customers=owners)
    assert (alone.rows, together.rows, alone.groups, together.groups) == (8, 8, 8, 4)
    assert together.difference == alone.difference
    # Each row twice, said to be independent, seems to halve the variance.
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(sqrt(2 * (4 / 3) / (8 / 7)))


def test_what_happened_is_what_the_newer_table_says() -> None:
    candidate, current = purchases([0.9, 0.9], [1, 1]), purchases([0.1, 0.2], [0, 0])
    assert judged(candidate, current).difference < 0
    assert judged(current, candidate).difference < 0


def test_classes_are_found_by_name_and_one_that_a_model_never_saw_costs_it_dearly() -> None:
    rows = {"row_id": [1, 2, 3], "label": ["b", "a", "c"]}
    candidate = Predictions(
        pa.table({**rows, "probabilities": [[0.2, 0.7, 0.1], [0.5, 0.3, 0.2], [0, 0, 1.0]]}), (*"abc",)
    )
    current = Predictions(pa.table({**rows, "probabilities": [[0.7, 0.3], [0.5, 0.5], [0.4, 0.6]]}), (*"ba",))
    found = judged(candidate, current)
    assert found.candidate == pytest.approx(-(log(0.7) + log(0.5) + log(1)) / 3)
    assert found.current == pytest.approx(-(log(0.7) + log(0.5) + log(1e-15)) / 3)
    brier = judged(candidate, current, "brier")
    assert brier.current == pytest.approx((2 * 0.3**2 + 2 * 0.5**2 + 1 + 0.4**2 + 0.6**2) / 3)


def test_reconstructions_are_compared_by_their_squared_errors() -> None:
    one, other = (Predictions(pa.table({"row_id": [1, 2], "squared_error": each})) for each in ([1.0, 2.0], [1.0, 1.0]))
    found = judged(one, other)
    assert (found.metric, found.difference, found.is_worse) == ("squared_error", 0.5, False)


HEADS = {
    "who": {"kind": "classes", "classes": ["a", "b"], "share": 1.0},
    "when": {"kind": "number", "share": 0.5},
}


def several(chances: list[list[float]], days: list[float], heads: dict[str, Any] = HEADS, **more: Any) -> Predictions:
    """Rows 0, 1 and 2 are labelled a, b and not, and 3, not and 5."""
    columns = {
        "row_id": [0, 1, 2],
        "who_label": pa.array(["a", "b", None], pa.string()),
        "who_probabilities": chances,
        "when_label": pa.array([3.0, None, 5.0], pa.float64()),
        "when_predicted": days,
    }
    return Predictions(pa.table(columns | more), heads=heads)


def test_of_several_heads_each_counts_by_its_share_over_the_rows_that_have_its_label() -> None:
    candidate = several([[0.5, 0.5], [0.5, 0.5], [1.0, 0.0]], [4.0, 99.0, 7.0])
    current = several([[0.8, 0.2], [0.2, 0.8], [0.0, 1.0]], [3.0, 0.0, 4.0])
    found = judged(candidate, current)
    assert found.metric == "who log_loss + when squared_error"
    assert found.candidate == pytest.approx(-log(0.5) + 0.5 * (1 + 4) / 2)
    assert found.current == pytest.approx(-log(0.8) + 0.5 * (0 + 1) / 2)
    assert found.difference == pytest.approx(found.candidate - found.current)
    # 'who' differs alike in both of its rows. 'when' differs by 1 in row 0 and by 3 in row 2: their deviations are
    # −1 and 1, which count 0.5 · 3 ÷ 2 each.
    assert found.high - found.difference == pytest.approx(1.959963985 * sqrt(3 / 2 * 2 * 0.75**2) / 3)
    assert (found.rows, found.groups) == (3, 3)
    brier = judged(candidate, current, "brier")
    assert brier.candidate == pytest.approx(0.5 + 0.5 * (1 + 4) / 2)


def test_of_heads_by_other_names_or_without_any_label_nothing_is_said() -> None:
    one = several([[0.5, 0.5]] * 3, [1.0, 1.0, 1.0])
    assert judged(one, several([[0.5, 0.5]] * 3, [1.0, 1.0, 1.0], dict(reversed(HEADS.items())))) is None
    unlabelled = {"who_label": pa.nulls(3, pa.string()), "when_label": pa.nulls(3, pa.float64())}
    assert judged(several([[0.5, 0.5]] * 3, [1.0] * 3, **unlabelled), one) is None
    half = judged(several([[0.5, 0.5]] * 3, [1.0] * 3, who_label=unlabelled["who_label"]), one)
    assert (half.difference, half.candidate) == (0, pytest.approx(0.5 * (4 + 16) / 2))


def test_what_a_broken_model_says_is_not_taken_for_a_missing_label() -> None:
    whole = several([[0.5, 0.5]] * 3, [1.0, 1.0, 1.0])
    for broken in (
        several([[0.5, 0.5]] * 3, [float("nan"), 1.0, 1.0]),
        several([[float("nan")] * 2] * 3, [1.0, 1.0, 1.0]),
        several([[0.5, 0.5]] * 3, [float("inf"), 1.0, 1.0]),
    ):
        assert judged(broken, whole) is None and judged(whole, broken) is None
    # Of a row without the label it may say anything.
    assert judged(several([[0.5, 0.5]] * 3, [1.0, float("nan"), 1.0]), whole).difference == 0


def test_a_category_that_the_current_model_has_not_learnt_costs_it_dearly() -> None:
    wider = {**HEADS, "who": {**HEADS["who"], "classes": ["b", "c", "a"]}}
    candidate = several([[0.2, 0.2, 0.6], [0.6, 0.2, 0.2], [1, 0, 0]], [3.0] * 3, wider)
    narrow = {**HEADS, "who": {**HEADS["who"], "classes": ["b"]}}
    current = several([[1.0], [1.0], [1.0]], [3.0] * 3, narrow)
    found = judged(candidate, current)
    shared = 0.5 * (0 + 4) / 2
    assert found.candidate - shared == pytest.approx(-log(0.6))
    assert found.current - shared == pytest.approx(-log(1e-15) / 2)


def test_other_tasks_other_rows_or_a_single_customer_say_nothing() -> None:
    one = purchases([0.5, 0.5], [1, 0])
    assert judged(one, Predictions(pa.table({"row_id": [0, 1], "squared_error": [0.0, 0.0]}))) is None
    assert judged(one, purchases([0.5, 0.5], [1, 0], [7, 8])) is None
    assert judged(one, purchases([0.5], [1])) is None
    assert judged(purchases([], []), one) is None
    assert judged(one, one, customers=pa.table({"row_id": [0, 1], "customer_id": ["A", "A"]})) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans()), min_size=2, max_size=30))
def test_the_interval_turns_round_with_the_models_and_a_model_is_never_worse_than_itself(rows) -> None:
    new, old, bought = (list(column) for column in zip(*rows, strict=True))
    labels = [float(each) for each in bought]
    there, back = (judged(purchases(a, labels), purchases(b, labels)) for a, b in ((new, old), (old, new)))
    assert there.difference == pytest.approx(-back.difference, abs=1e-9)
    assert (there.low, there.high) == (pytest.approx(-back.high, abs=1e-9), pytest.approx(-back.low, abs=1e-9))
    assert not (there.is_worse and back.is_worse)
    itself = judged(purchases(new, labels), purchases(new, labels))
    assert (itself.difference, itself.low, itself.high, itself.is_worse) == (0, 0, 0, False)


def test_of_equally_good_models_the_gate_calls_about_one_in_forty_worse_and_of_worse_ones_most() -> None:
    generator = np.random.Generator(np.random.Philox(3))

    def share_worse(harm: float) -> float:
        worse = 0
        for _ in range(400):
            chance = generator.uniform(0.1, 0.9, 300)
            bought = (generator.uniform(size=300) < chance).astype(float)
            noise = generator.normal(0, 0.05, (2, 300))
            noise[0] *= harm
            said = np.clip(chance + noise, 0.01, 0.99)
            worse += judged(*(purchases(each.tolist(), bought.tolist()) for each in said)).is_worse
        return worse / 400

    assert 0.005 <= share_worse(1.0) <= 0.05
    assert share_worse(5.0) > 0.9
