"""Filters: what is kept, in which order, and why."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from matrices import moments
from ringmill.config.selection import Correlation, Scored, Variance
from ringmill.errors import InputError
from ringmill.features.selection.choice import Choice, Judged
from ringmill.features.selection.filters import by_correlation, by_score, by_variance, scored
from ringmill.features.selection.scores import Scores

NAMES = ["a", "b", "c", "d"]


def of(columns, classes=None):
    return moments(np.array(columns, float).T, classes, names=NAMES[: len(columns)])


def shown(choice):
    return [(line.feature, line.rank, line.kept, line.reason) for line in choice.judged]


def test_what_does_not_vary_enough_is_dropped_and_equals_keep_their_order():
    columns = [[0, 0, 0, 0], [1, 1, 3, 3], [0, 2, 0, 2], [0, 0, 0, 1]]
    choice = by_variance(of(columns), NAMES, Variance(kind="variance", above=0.25))
    assert shown(choice) == [
        ("b", 1, True, "varies"),
        ("c", 2, True, "varies"),
        ("d", 3, False, "a variance of at most 0.25"),
        ("a", 4, False, "constant"),
    ]
    assert [line.score for line in choice.judged] == [1.0, 1.0, 0.1875, 0.0]
    assert choice.apply(["d", "c", "b", "e"]) == ("c", "b", "e")
    assert by_variance(of(columns), NAMES, Variance(kind="variance", above=1.0)).kept == ()


def test_a_column_that_a_kept_one_before_stands_for_is_dropped_and_a_dropped_one_stands_for_none():
    one, other = np.array([1.0, -1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, -1.0])
    # a, b and c lie 30 degrees apart, so that neighbours correlate by 0.87 and a and c by 0.5.
    b, c = (np.cos(np.radians(angle)) * one + np.sin(np.radians(angle)) * other for angle in (30, 60))
    choice = by_correlation(of([one, b, c, -one]), NAMES, Correlation(kind="correlation", at_most=0.86))
    assert shown(choice) == [
        ("a", 1, True, "no kept column before it"),
        ("b", 2, False, "correlates with 'a'"),
        ("c", 3, True, "nearest: 'a'"),
        ("d", 4, False, "correlates with 'a'"),
    ]
    assert [line.score for line in choice.judged] == pytest.approx([0.0, 0.75**0.5, 0.5, 1.0])


@pytest.mark.parametrize(
    ("bound", "kept", "reasons"),
    [
        ({"keep": 2}, ("c", "a"), ["among the 2 highest scores"] * 2 + ["not among the 2 highest scores"]),
        ({"p_at_most": 0.05}, ("c",), ["a p-value of at most 0.05"] + ["a p-value above 0.05"] * 2),
        ({"score_at_least": 3.0}, ("c", "a", "b"), ["a score of at least 3"] * 3),
    ],
)
def test_scores_pass_a_bound_equals_in_xs_order_and_what_has_none_is_last(bound, kept, reasons):
    step = Scored(kind="anova", label="y", **bound)
    found = Scores(np.array([3.0, 3.0, 9.0, np.nan]), np.array([0.06, 0.06, 0.01, np.nan]))
    choice = by_score(found, NAMES, step)
    assert [line.feature for line in choice.judged] == ["c", "a", "b", "d"]
    assert choice.kept == kept
    assert [line.reason for line in choice.judged] == [*reasons, "constant: it has no score"]
    assert choice.judged[3].score is None


def test_what_cannot_be_scored_is_refused():
    step = Scored(kind="chi_squared", label="y", keep=1)
    with pytest.raises(InputError, match=r"no negative value[\s\S]*some in b"):
        scored(of([[1, 2, 3], [1, -1, 0]], ["p", "q", "q"]), ["a", "b"], step, where="train")
    for classes in (["p", "p", "p"], ["p", "q", "r"]):
        with pytest.raises(InputError, match="two classes of 'y', and more rows than classes"):
            scored(of([[1, 2, 3]], classes), ["a"], step, where="train")
    regression = Scored(kind="f_regression", label="b", keep=1)
    with pytest.raises(InputError, match="more than 2 rows"):
        scored(of([[1, 2], [1, 2]]), ["a"], regression, where="train")


@pytest.mark.parametrize("options", [{}, {"keep": 1, "p_at_most": 0.1}, {"keep": 0}])
def test_a_scored_step_has_one_bound(options):
    with pytest.raises(ValidationError):
        Scored(kind="anova", label="y", **options)
    with pytest.raises(ValidationError, match="no p-value"):
        Scored(kind="mutual_information", label="y", p_at_most=0.1)


def test_a_choice_is_plain_data_and_prints_a_line_a_column():
    choice = Choice(
        "anova",
        "F",
        (Judged("orders", 12.5, 0.0004, 1, True, "high"), Judged("gap", None, None, 2, False, "constant")),
    )
    assert Choice.from_json(json.loads(json.dumps(choice.to_json(), allow_nan=False))) == choice
    assert choice.table().splitlines() == [
        "anova: 1 of 2 columns kept, by F",
        "feature  score  p-value  rank           reason",
        "orders   12.5   0.0004   1     kept     high",
        "gap      –      –        2     dropped  constant",
    ]
