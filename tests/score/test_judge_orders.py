"""Six test rows, written out: how good the model is beside each baseline."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ringmill.score.judge_orders import judge_orders

HEADS = {"comes": "comes", "category": "what", "days": "when"}
SAID = pa.table(
    {
        "row_id": [6, 5, 4, 3, 2, 1],
        "comes_label": ["no", "no", "yes", "yes", "yes", "yes"],
        "comes_predicted": ["no", "yes", "no", "yes", "yes", "yes"],
        "comes_probability": [0.9, 0.6, 0.7, 0.8, 0.7, 0.9],
        "comes_probabilities": [[0.1, 0.9]] * 6,
        "what_label": pa.array([None, None, None, "A", "B", "B"], pa.string()),
        "what_predicted": ["A", "A", "A", "A", "A", "B"],
        "when_label": pa.array([None, None, 4.0, 8.0, 2.0, 0.0]),
        # One beyond the horizon of 10 days and one before it: they count as its last day and as its first.
        "when_predicted": [5.0, 5.0, 50.0, 6.0, 2.0, -3.0],
    }
)
OWN = pa.table(
    {
        "row_id": [1, 2, 3, 4, 5, 6],
        "last_category": ["B", "A", "other", "A", "A", "A"],
        "own_category": ["B", "B", "A", "A", "A", "A"],
        "own_gap_days": pa.array([3.0, 30.0, None, 12.0, None, None]),
        "days_since_last_order": [1.0, 2.0, 9.0, 8.0, 5.0, 20.0],
    }
)
LEARNT = pa.table({"category": ["A", "B", "A", None], "days": [1.0, 2.0, 6.0, None]})


def judged(said=SAID):
    return judge_orders(said, OWN, LEARNT, HEADS, horizon_days=10, seed=1)


def test_categories_are_judged_where_there_is_one():
    found = judged()["category"]
    assert [each["by"] for each in found] == [
        "model",
        "most frequent category",
        "own last category",
        "own most frequent category",
    ]
    # Of B, B and A the model says B, A and A.
    assert [(each["rows"], each["accuracy"]) for each in found] == [(3, 2 / 3), (3, 1 / 3), (3, 1 / 3), (3, 1.0)]
    # A: one hit of one there and two said; B: one hit of two there and one said.
    assert found[0]["f1_macro"] == pytest.approx((2 / 3 + 2 / 3) / 2)
    # A is 1 of 1 and of 3 said, B is never said.
    assert found[1]["f1_macro"] == pytest.approx((1 / 2 + 0) / 2)
    assert "difference" not in found[0]
    assert [each["difference"]["value"] for each in found[1:]] == pytest.approx([1 / 3, 1 / 3, -1 / 3])
    assert all(
        each["difference"]["low"] <= each["difference"]["value"] <= each["difference"]["high"] for each in found[1:]
    )


def test_days_are_judged_within_the_horizon_beside_all_and_the_customer_s_own_gap():
    model, median, mean, gap = judged()["days"]
    assert (model["rows"], model["mae"]) == (4, (0 + 0 + 2 + 5) / 4)
    assert model["rmse"] == pytest.approx(((0 + 0 + 4 + 25) / 4) ** 0.5)
    assert median["mae"] == (2 + 0 + 6 + 2) / 4  # the median is 2
    assert mean["mae"] == (3 + 1 + 5 + 1) / 4
    # 3 − 1; 30 − 2, which is 9 within the horizon; none, so the median; 12 − 8.
    assert gap["mae"] == (2 + 7 + 6 + 0) / 4
    assert gap["difference"]["value"] == pytest.approx(7 / 4 - 15 / 4)


def test_who_orders_is_ranked():
    model, recency = judged()["comes"]
    # The chances of yes of those who order are 0.9, 0.7, 0.8 and 0.3, of the others 0.4 and 0.1.
    assert model["auc"] == 7 / 8 and model["share"] == pytest.approx(2 / 3)
    # Days since the last order of those who order are 1, 2, 9 and 8, of the others 5 and 20.
    assert recency["auc"] == 6 / 8


def test_of_no_row_with_a_label_there_are_no_figures():
    said = SAID
    for name in ("what_label", "when_label"):
        none = pa.nulls(said.num_rows, said.schema.field(name).type)
        said = said.set_column(said.schema.get_field_index(name), name, none)
    found = judged(said)
    assert [(each["rows"], each["accuracy"], each["f1_macro"]) for each in found["category"]] == [(0, None, None)] * 4
    assert [(each["rows"], each["mae"], each["rmse"]) for each in found["days"]] == [(0, None, None)] * 4
    assert not any("difference" in each for each in (*found["category"], *found["days"]))
