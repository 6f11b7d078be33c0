"""The copy check: distances by hand, and a generator that repeats what it was shown is seen."""

from __future__ import annotations

import numpy as np
import pytest

from ringmill.augment.copies import LEAST, NEAR, check_copies, nearest


def test_the_nearest_row_s_distance_is_the_root_of_the_mean_squared_difference() -> None:
    train = np.array([[0.0, 0.0], [3.0, 4.0]])
    rows = np.array([[0.0, 0.0], [0.0, 2.0], [4.0, 4.0]])
    assert nearest(rows, train).tolist() == pytest.approx([0.0, 2**0.5, 0.5**0.5])
    # A copy is at 0 exactly, far from the origin too.
    assert nearest(train + 1e6, train + 1e6).tolist() == [0.0, 0.0]


def test_rows_of_the_same_kind_are_as_near_as_held_out_ones_and_planted_copies_are_seen() -> None:
    draw = np.random.default_rng(1)
    train, held_out, made = (draw.normal(size=(900, 4)) for _ in range(3))
    honest = check_copies(made, held_out, train)
    assert honest.near_made == pytest.approx(NEAR, abs=0.03)
    assert honest.repeats is False
    assert honest.made_median == pytest.approx(honest.held_out_median, rel=0.1)
    # A fifth of the made rows are train rows, give or take a hair.
    made[:180] = train[:180] + draw.normal(0, 1e-6, (180, 4))
    caught = check_copies(made, held_out, train)
    assert caught.near_made == pytest.approx(0.2 + 0.8 * NEAR, abs=0.03)
    assert caught.repeats is True
    assert caught.made_rows == 900 and caught.near == honest.near


def test_rows_of_the_same_kind_are_hardly_ever_taken_for_copies() -> None:
    taken = 0
    for seed in range(60):
        draw = np.random.default_rng(seed)
        taken += bool(check_copies(*(draw.normal(size=(rows, 3)) for rows in (400, 60, 200))).repeats)
    assert taken <= 1


def test_nothing_to_compare_says_so() -> None:
    rows = np.ones((3, 2))
    for made, held_out, train in ((rows[:0], rows, rows), (rows, rows[:0], rows), (rows, rows, rows[:0])):
        found = check_copies(made, held_out, train)
        assert (found.made_median, found.near, found.near_made, found.near_held_out) == (None, None, None, None)
        assert found.repeats is None


def away(*distances: float) -> np.ndarray:
    """Rows so far from the one train row, which lies at the origin."""
    return np.array(distances)[:, None]


ORIGIN = np.zeros((1, 1))


def test_rows_at_the_bound_are_near_and_the_share_of_held_out_rows_is_measured() -> None:
    # A tenth of the held-out rows lie at 1, which is what is near; of the made ones three quarters are no farther.
    found = check_copies(away(0.5, 1, 1, 2), away(1, 1, 1, *[3] * 27), ORIGIN)
    assert (found.near, found.near_held_out, found.near_made) == (1.0, 0.1, 0.75)


def test_few_held_out_rows_do_not_say_what_is_near() -> None:
    few, enough = (check_copies(away(0.5, 1), away(*[2] * rows), ORIGIN) for rows in (LEAST - 1, LEAST))
    assert (few.near, few.near_made, few.near_held_out, few.held_out_median) == (None, None, None, 2.0)
    assert (enough.near, enough.near_made, enough.near_held_out) == (2.0, 1.0, 1.0)


def test_held_out_rows_that_are_train_rows_do_not_say_what_is_near() -> None:
    found = check_copies(away(1e-9, 1), away(0, 0, 0, *[3] * 17), ORIGIN)
    assert (found.near, found.near_made, found.near_held_out) == (0.0, None, 0.15)
