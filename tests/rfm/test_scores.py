from itertools import product

import pytest
from pydantic import ValidationError

from ringmill.config.rfm import SEGMENTS, FixedThresholds, Scores, Segment
from ringmill.errors import ConfigError
from ringmill.rfm.scores import (
    Thresholds,
    check_cover,
    covers,
    fit_thresholds,
    thresholds_of,
    with_scores,
    with_segment,
)

NET = ", order_count_net long, days_since_last_order_net int"


def measured(spark, rows, *, net=False):
    """customer_id, days since the last order, orders, net spend, and with `net` orders and days of what stands."""
    schema = "customer_id string, days_since_last_order int, order_count long, spend_net double" + NET
    return spark.createDataFrame([row if net else (*row, None, None) for row in rows], schema)


CELLS = list(product(range(1, 6), repeat=3))


def test_default_segments_cover_each_of_the_125_cells_once_and_each_names_some():
    check_cover(SEGMENTS)
    named = [next(s.name for s in SEGMENTS if covers(s, cell)) for cell in CELLS]
    assert set(named) == {segment.name for segment in SEGMENTS}


def test_a_gap_in_the_segments_is_an_error_that_names_the_cell():
    with pytest.raises(ConfigError, match="none for r=1, f=1, m=1"):
        check_cover([Segment(name="most", r="2-5")])


def test_an_overlap_of_two_segments_is_an_error_that_names_both_and_the_cell():
    with pytest.raises(ConfigError, match="rich and all for r=1, f=1, m=4"):
        check_cover([Segment(name="rich", m="4-5"), Segment(name="all")])


@pytest.mark.spark
def test_ties_share_a_score_and_the_best_fifth_scores_5(spark):
    rows = [(f"c{i}", i, 1 if i < 6 else i, float(i)) for i in range(1, 11)]
    customers = measured(spark, rows)
    thresholds = fit_thresholds(customers)
    fifths = pytest.approx((2.8, 4.6, 6.4, 8.2))
    assert thresholds == Thresholds(fifths, pytest.approx((1, 1, 6.4, 8.2)), fifths, 3)
    scored = {
        r["customer_id"]: (r["r_score"], r["f_score"], r["m_score"])
        for r in with_scores(customers, thresholds).collect()
    }
    assert scored["c1"] == (5, 1, 1)
    assert scored["c2"] == (5, 1, 1)
    assert scored["c3"] == (4, 1, 2)
    assert scored["c6"] == (3, 3, 3)
    assert scored["c10"] == (1, 5, 5)


@pytest.mark.spark
@pytest.mark.parametrize("spend", [1_234.56, 1_236.0, 0.012345])
def test_equal_amounts_share_the_lowest_fifth_that_is_theirs_whatever_their_digits(spark, spend):
    customers = measured(spark, [(f"c{i}", 3, 9, spend) for i in range(5)])
    scored = with_scores(customers, fit_thresholds(customers)).collect()
    assert {row["m_score"] for row in scored} == {1}
    few = measured(spark, [*((f"c{i}", 3, 9, spend) for i in range(4)), ("more", 3, 9, spend * 2)])
    found = {row["customer_id"]: row["m_score"] for row in with_scores(few, fit_thresholds(few)).collect()}
    assert {found[f"c{i}"] for i in range(4)} == {1} and found["more"] == 5


@pytest.mark.spark
def test_given_thresholds_are_compared_with_amounts_as_they_are(spark):
    customers = measured(spark, [("ann", 3, 9, 1_234.56), ("bob", 3, 9, 1_234.54)])
    given = Thresholds((1, 2, 3, 4), (1, 2, 3, 4), (1.0, 2.0, 3.0, 1_234.55))
    scored = {row["customer_id"]: row["m_score"] for row in with_scores(customers, given).collect()}
    assert scored == {"ann": 5, "bob": 4}


@pytest.mark.spark
def test_who_has_no_order_that_stands_scores_1_and_moves_no_threshold(spark):
    rows = [(f"c{i}", 3, 9, float(i), i, i) for i in range(1, 11)]
    customers = measured(spark, [*rows, ("gone", 1, 50, 0.0, 0, None)], net=True)
    alone = fit_thresholds(measured(spark, rows, net=True))
    thresholds = fit_thresholds(customers)
    assert thresholds == alone
    scored = {r["customer_id"]: (r["r_score"], r["f_score"]) for r in with_scores(customers, thresholds).collect()}
    assert (scored["gone"], scored["c1"], scored["c10"]) == ((1, 1), (5, 1), (1, 5))


@pytest.mark.spark
def test_thresholds_are_those_given_else_those_kept_else_fitted(spark):
    customers = measured(spark, [("ann", 1, 2, 3.0)])
    fixed = Scores(thresholds=FixedThresholds(r=(1, 2, 3, 4), f=(1, 2, 3, 4), m=(1, 2, 3, 4)))
    kept = {letter: [5.0, 6.0, 7.0, 8.0] for letter in "rfm"} | {"digits": 3}
    given = thresholds_of(customers, fixed, kept)
    assert (given.r, given.digits) == ((1, 2, 3, 4), None)
    assert thresholds_of(customers, Scores(), kept).m == (5, 6, 7, 8)
    for nothing_fitted in (None, given.to_json(), Thresholds((), (), (), 3).to_json()):
        assert thresholds_of(customers, Scores(), nothing_fitted).f == (2, 2, 2, 2)
    assert thresholds_of(customers, Scores(refit=True), kept).f == (2, 2, 2, 2)
    assert fit_thresholds(customers.limit(0)) == Thresholds((), (), (), 3)
    with pytest.raises(ValidationError, match="lowest to the highest"):
        FixedThresholds(r=(4, 2, 3, 4), f=(1, 2, 3, 4), m=(1, 2, 3, 4))


@pytest.mark.spark
def test_every_cell_gets_its_one_segment(spark):
    frame = spark.createDataFrame(CELLS, "r_score int, f_score int, m_score int")
    for row in with_segment(frame, SEGMENTS).collect():
        cell = (row["r_score"], row["f_score"], row["m_score"])
        assert row["segment"] == next(s.name for s in SEGMENTS if covers(s, cell))
