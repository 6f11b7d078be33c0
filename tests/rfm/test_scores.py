from itertools import product

import pytest

from ringmill.config.rfm import SEGMENTS, Segment
from ringmill.errors import ConfigError
from ringmill.rfm.scores import Thresholds, check_cover, covers, fit_thresholds, with_scores, with_segment

CELLS = list(product(range(1, 6), repeat=3))


def test_default_segments_cover_all_125_cells_and_each_names_some():
    check_cover(SEGMENTS)
    named = [next(s.name for s in SEGMENTS if covers(s, cell)) for cell in CELLS]
    assert set(named) == {segment.name for segment in SEGMENTS}


def test_a_gap_in_the_segments_is_an_error_that_names_the_cell():
    with pytest.raises(ConfigError, match="r=1, f=1, m=1"):
        check_cover([Segment(name="most", r="2-5"), Segment(name="some", f="2-5"), Segment(name="rich", m="2-5")])


@pytest.mark.spark
def test_ties_share_a_score_and_the_best_fifth_scores_5(spark):
    rows = [(f"c{i}", i, 1 if i < 6 else i, float(i)) for i in range(1, 11)]
    customers = spark.createDataFrame(
        rows, "customer_id string, days_since_last_order int, order_count long, spend_net double"
    )
    thresholds = fit_thresholds(customers)
    assert thresholds == Thresholds((2, 4, 6, 8), (1, 1, 6, 8), (2, 4, 6, 8))
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
def test_every_cell_gets_the_first_segment_that_matches(spark):
    frame = spark.createDataFrame(CELLS, "r_score int, f_score int, m_score int")
    for row in with_segment(frame, SEGMENTS).collect():
        cell = (row["r_score"], row["f_score"], row["m_score"])
        assert row["segment"] == next(s.name for s in SEGMENTS if covers(s, cell))
