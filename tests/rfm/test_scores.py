from itertools import product

import pytest
from pydantic import ValidationError

from ringmill.config.rfm import SEGMENTS, FixedThresholds, Segment
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
    assert thresholds == Thresholds(fifths, pytest.approx((1, 1, 6.4, 8.2)), fifths)
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
    fixed = FixedThresholds(r=(1, 2, 3, 4), f=(1, 2, 3, 4), m=(1, 2, 3, 4))
    kept = {letter: [5.0, 6.0, 7.0, 8.0] for letter in "rfm"}
    assert thresholds_of(customers, fixed, kept).r == (1, 2, 3, 4)
    assert thresholds_of(customers, None, kept).m == (5, 6, 7, 8)
    assert thresholds_of(customers, None, None).f == (2, 2, 2, 2)
    assert fit_thresholds(customers.limit(0)) == Thresholds((), (), ())
    with pytest.raises(ValidationError, match="lowest to the highest"):
        FixedThresholds(r=(4, 2, 3, 4), f=(1, 2, 3, 4), m=(1, 2, 3, 4))


@pytest.mark.spark
def test_every_cell_gets_its_one_segment(spark):
    frame = spark.createDataFrame(CELLS, "r_score int, f_score int, m_score int")
    for row in with_segment(frame, SEGMENTS).collect():
        cell = (row["r_score"], row["f_score"], row["m_score"])
        assert row["segment"] == next(s.name for s in SEGMENTS if covers(s, cell))
