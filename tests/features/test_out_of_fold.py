"""Law 9's one exception, without Spark: the tables by fold, from counted labels."""

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringmill.config.features import Target
from ringmill.features.fit_targets import target_part

ROWS = st.lists(
    st.tuples(st.sampled_from(["x", "y", "z", None]), st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=30
)


def part_of(rows, smoothing):
    sums = defaultdict(lambda: (0, 0.0))
    for value, fold, label in rows:
        count, total = sums[value, fold]
        sums[value, fold] = (count + 1, total + label)
    return target_part(Target(kind="target", columns=("c",), smoothing=smoothing), "c", sums)


def encoding(part, value, fold):
    table = part.full if fold is None else part.folds[fold]
    return table[part.values.index(value) if value in part.values else len(part.values)]


@settings(max_examples=200, deadline=None)
@given(rows=ROWS, smoothing=st.sampled_from([0.0, 1.0, 10.0]), data=st.data())
def test_law_9_a_rows_own_label_never_changes_its_own_encoding(rows, smoothing, data):
    place = data.draw(st.integers(0, len(rows) - 1))
    value, fold, label = rows[place]
    flipped = [*rows[:place], (value, fold, 1 - label), *rows[place + 1 :]]
    before, after = part_of(rows, smoothing), part_of(flipped, smoothing)
    assert encoding(before, value, fold) == encoding(after, value, fold)
    # Nor does that of any other row of the fold, such as the same customer at another cutoff.
    assert before.folds[fold] == after.folds[fold]
    # What validation, test and scoring see does hold the label.
    assert before.full[-1] != after.full[-1]


def test_a_table_is_the_smoothed_mean_over_the_other_folds():
    part = part_of([("x", 0, 1), ("x", 1, 0), ("y", 1, 1), (None, 1, 1)], 2.0)
    assert part.values == ("x", "y")
    assert part.full == pytest.approx(((1 + 2 * 0.75) / 4, (1 + 2 * 0.75) / 3, 0.75))
    assert part.folds[0] == pytest.approx(((0 + 2 * 2 / 3) / 3, (1 + 2 * 2 / 3) / 3, 2 / 3))
    assert part.folds[1] == pytest.approx(((1 + 2 * 1) / 3, 1.0, 1.0))
