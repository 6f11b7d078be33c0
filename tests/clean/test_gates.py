"""Gates: a batch's figure, its bounds, and the batches before it in known time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from ringmill.clean.gates import Figures, judge
from ringmill.config import Gate

DAY = datetime(2024, 1, 1)


def batch(name: str, *, day: int = 0, rows: int = 100, rejected: int = 0, missing: int = 0) -> Figures:
    column: dict[str, Any] = {"rows": rows, "missing": missing, "distinct": 7, "mean": None}
    marks = {
        "clean": {"tried": rows, "share": 1 - rejected / rows},
        "rejected": {"tried": rows, "share": rejected / rows},
        "unreadable": {"tried": rows, "share": 0.0},
        "write_off": {"tried": rows, "share": rejected / rows},
    }
    return Figures(name, DAY + timedelta(days=day), {"country": column}, marks)


def verdict(gate: dict[str, Any], of: Figures, *earlier: Figures) -> Any:
    return judge([Gate.model_validate(gate)], of, earlier)[0]


@pytest.mark.parametrize(
    ("gate", "rejected", "passes"),
    [
        ({"metric": "rejected_share", "at_most": 0.05}, 5, True),
        ({"metric": "rejected_share", "at_most": 0.05}, 6, False),
        ({"metric": "clean_share", "at_least": 0.95}, 5, True),
        ({"metric": "failed_share", "rule": "write_off", "at_most": 0.05}, 6, False),
        ({"metric": "rows", "at_least": 100, "at_most": 100}, 0, True),
        ({"metric": "rows", "at_least": 101}, 0, False),
        ({"metric": "distinct", "column": "country", "at_most": 7}, 0, True),
        # A figure that is not there holds no bound.
        ({"metric": "mean", "column": "country", "at_least": 0}, 0, False),
    ],
)
def test_bounds_are_inclusive(gate: dict[str, Any], rejected: int, passes: bool) -> None:
    assert verdict(gate, batch("b", rejected=rejected)).passed is passes


def test_a_median_is_of_the_batches_before_in_known_time_however_they_arrived() -> None:
    gate = {"metric": "rows", "at_least": 0.5, "of_median_of_last": 3}
    others = [batch(str(day), day=day, rows=rows) for day, rows in ((9, 1), (4, 40), (2, 10_000), (3, 80), (5, 60))]
    found = verdict(gate, batch("b", day=6, rows=30), *others)
    # The last three before day 6 are those of days 3, 4 and 5; day 9 lies after it.
    assert (found.at_least, found.passed) == (30.0, True)
    assert verdict(gate, batch("b", day=6, rows=29), *others).passed is False
    assert "the median of the last 3 is 60" in found.expected


@pytest.mark.parametrize(
    ("bounds", "value", "passes"),
    [
        ({"at_least": 0.5, "at_most": 2}, -10.0, True),
        ({"at_least": 0.5, "at_most": 2}, -5.0, True),
        ({"at_least": 0.5, "at_most": 2}, -20.0, True),
        ({"at_least": 0.5, "at_most": 2}, -4.0, False),
        ({"at_least": 0.5, "at_most": 2}, -21.0, False),
        ({"at_most": 2}, -21.0, False),
        ({"at_most": 2}, 3.0, True),
    ],
)
def test_multiples_of_a_negative_median_lie_below_it(bounds: dict[str, float], value: float, passes: bool) -> None:
    gate = {"metric": "minimum", "column": "quantity", "of_median_of_last": 3, **bounds}
    before, now = (
        Figures(name, DAY + timedelta(days=day), {"quantity": {"minimum": of}}, {})
        for day, (name, of) in enumerate([("a", -10.0), ("b", value)])
    )
    assert verdict(gate, now, before).passed is passes


def test_the_rows_of_a_batch_are_those_that_have_a_status_in_whatever_order_its_marks_are_read() -> None:
    found = batch("b", rows=100)
    some = {"write_off": {"tried": 7, "share": 0.0}}
    turned = Figures("b", found.middle_known_at, found.columns, some | dict(reversed(found.marks.items())) | some)
    assert verdict({"metric": "rows", "at_least": 100, "at_most": 100}, turned).passed


def test_with_fewer_batches_those_count_and_with_none_the_gate_passes_and_says_so() -> None:
    gate = {"metric": "missing_share", "column": "country", "at_most": 2, "of_median_of_last": 7}
    one = verdict(gate, batch("b", day=1, missing=5), batch("a", missing=2))
    assert (one.at_most, one.passed) == (pytest.approx(0.04), False)
    none = verdict(gate, batch("b", missing=5))
    assert (none.passed, none.note) == (True, "no earlier batch to compare with")


def test_a_mark_of_cleaning_itself_that_no_row_has_is_a_share_of_zero_and_a_rule_that_was_not_there_is_none() -> None:
    own = {"metric": "failed_share", "rule": "unreadable_quantity", "at_most": 0.0}
    assert (verdict(own, batch("b")).value, verdict(own, batch("b")).passed) == (0.0, True)
    later = {"metric": "failed_share", "rule": "write_off", "at_most": 2, "of_median_of_last": 3}
    before = Figures("a", DAY, {}, {"rejected": {"tried": 100, "share": 0.0}})
    assert verdict(later, batch("b", day=1, rejected=9), before).note == "no earlier batch to compare with"


@pytest.mark.parametrize(
    "gate",
    [
        {"metric": "rows"},
        {"metric": "rows", "at_least": 2, "at_most": 1},
        {"metric": "rows", "at_least": 2, "column": "country"},
        {"metric": "missing_share", "at_most": 0.1},
        {"metric": "failed_share", "at_most": 0.1},
        {"metric": "rows", "at_least": 1, "of_median_of_last": 0},
    ],
)
def test_a_gate_that_says_too_little_or_too_much_is_refused(gate: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"gate|greater"):
        Gate.model_validate(gate)
