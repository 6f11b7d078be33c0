"""Thresholds for a stated precision: by eye, and against every threshold there is."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ringmill.score.route import Cut, choose


def chosen(scores, positive, precision):
    return choose(np.array(scores, float), np.array(positive, bool), precision=precision)


def test_the_thresholds_leave_least_to_review():
    found = chosen([0.1, 0.2, 0.3, 0.6, 0.7, 0.9], [0, 0, 1, 0, 1, 1], 1.0)
    assert found.low == Cut(0.2, 2, 2)
    assert found.high == Cut(0.7, 2, 2)
    looser = chosen([0.1, 0.2, 0.3, 0.6, 0.7, 0.9], [0, 0, 1, 0, 1, 1], 0.66)
    assert (looser.low, looser.high) == (Cut(0.3, 3, 2), Cut(0.6, 3, 2))
    assert looser.high.precision == 2 / 3


def test_equal_scores_stay_together():
    assert chosen([0.9, 0.9, 0.95], [0, 1, 1], 0.9).high == Cut(0.95, 1, 1)


def test_where_no_threshold_reaches_the_precision_there_is_none():
    found = chosen([0.9, 0.2], [0, 1], 0.9)
    assert (found.low.at, found.high.at, found.low.precision) == (None, None, None)
    assert chosen([], [], 0.9).high == Cut(None)
    assert found.to_json()["rejected"] == {"at": None, "rows": 0, "right": 0, "precision": None}


SCORED = st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.4, 0.5, 0.75, 0.9, 1.0]), st.booleans()), max_size=20)


@settings(max_examples=200, deadline=None)
@given(rows=SCORED, precision=st.sampled_from([0.5, 0.8, 1.0]))
def test_no_other_threshold_reaches_the_precision_and_decides_more(rows, precision):
    found = chosen([score for score, _ in rows], [positive for _, positive in rows], precision)
    reached = [
        at
        for at in {score for score, _ in rows if score >= 0.5}
        if (there := [positive for score, positive in rows if score >= at]) and sum(there) >= precision * len(there)
    ]
    assert found.high.at == min(reached, default=None)
    others = [
        at
        for at in {score for score, _ in rows if score < 0.5}
        if (there := [not positive for score, positive in rows if score <= at]) and sum(there) >= precision * len(there)
    ]
    assert found.low.at == max(others, default=None)
