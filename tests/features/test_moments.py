"""Sums over rows, against exact rational arithmetic and in any order."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrices import moments


def exact_scatter(matrix, i, j):
    left, right = ([Fraction(value) for value in matrix[:, place]] for place in (i, j))
    products = sum(a * b for a, b in zip(left, right, strict=True))
    return float(products - sum(left) * sum(right) / len(left))


def drawn(rows, seed, mean=1e5):
    """Columns of unlike scale, one with a mean far beyond its deviation, one constant."""
    draw = np.random.Generator(np.random.Philox(seed))
    matrix = draw.normal(size=(rows, 5)) * [1.0, 1e8, 1e-2, 1.0, 0.0] + [mean, 0.0, 5.0, 0.0, 0.1]
    return matrix, draw.choice(["a", "b", "c"], rows).tolist()


def test_the_scatter_is_that_of_exact_arithmetic_though_the_mean_is_a_billion_deviations_away():
    matrix, _ = drawn(400, seed=1, mean=1e9)
    scatter = moments(matrix).scatter()
    for i in range(5):
        for j in range(5):
            assert scatter[i, j] == pytest.approx(exact_scatter(matrix, i, j), rel=1e-11, abs=0.0)
    # What a float64 sum of squares loses: more than a tenth of the variance.
    naive = (matrix[:, 0] ** 2).sum() - matrix[:, 0].sum() ** 2 / 400
    assert abs(naive / scatter[0, 0] - 1) > 0.1


def test_means_and_classes_are_counted_by_eye():
    found = moments(np.array([[1.0, 5.0], [3.0, 5.0], [8.0, 5.0]]), ["a", "a", "b"], cuts=[1, 2])
    assert found.mean().tolist() == [4.0, 5.0]
    assert found.scatter().tolist() == [[26.0, 0.0], [0.0, 0.0]]
    assert found.class_names("y") == ("a", "b")
    assert found.class_rows("y").tolist() == [2.0, 1.0]
    assert found.class_means("y").tolist() == [[-2.0, 0.0], [4.0, 0.0]]
    assert found.within("y").tolist() == [[2.0, 0.0], [0.0, 0.0]]
    assert found.between("y").tolist() == [24.0, 0.0]
    assert (found.least.tolist(), found.most.tolist()) == ([1.0, 5.0], [8.0, 5.0])


def test_what_varies_between_classes_alone_has_no_spread_within_them():
    found = moments(np.array([[0.1], [0.1], [0.7], [0.7], [0.7]]), ["a", "a", "b", "b", "b"])
    assert found.within("y").tolist() == [[0.0]]
    assert found.between("y")[0] == pytest.approx(0.432)
    # Of this number rounding leaves 4e-32 between the classes: that is no spread.
    constant = moments(np.full((50, 1), 0.7294965609839984), ["a"] * 7 + ["b"] * 27 + ["c"] * 16)
    assert constant.between("y").tolist() == [0.0]
    assert constant.scatter().tolist() == [[0.0]]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**20), st.lists(st.integers(0, 60), max_size=5), st.randoms())
def test_neither_the_rows_order_nor_the_batches_change_a_bit(rows, seed, cuts, random):
    matrix, classes = drawn(rows, seed)
    whole = moments(matrix, classes)
    order = list(range(rows))
    random.shuffle(order)
    again = moments(matrix[order], [classes[place] for place in order], cuts=[cut for cut in cuts if cut < rows])
    assert again.rows == whole.rows == rows
    for number in ("mean", "scatter"):
        np.testing.assert_array_equal(getattr(again, number)(), getattr(whole, number)())
    for number in ("class_means", "class_rows", "within", "between"):
        np.testing.assert_array_equal(getattr(again, number)("y"), getattr(whole, number)("y"))


def test_values_and_classes_that_are_not_known_are_counted_by_column():
    matrix = np.array([[1.0, np.nan], [np.inf, 2.0], [3.0, 1e121], [4.0, 4.0]])
    found = moments(matrix, ["a", None, "b", "b"], cuts=[1, 2])
    assert found.refused == {"x0": 1, "x1": 2, "y": 1}
    assert found.rows == 4
    assert np.isfinite(found.scatter()).all()


def test_some_columns_of_the_moments_are_the_moments_of_these_columns():
    matrix, classes = drawn(50, seed=3)
    picked = moments(matrix, classes).pick(["x2", "x0"])
    alone = moments(matrix[:, [2, 0]], classes, names=["x2", "x0"])
    assert picked.names == ("x2", "x0")
    np.testing.assert_array_equal(picked.scatter(), alone.scatter())
    np.testing.assert_array_equal(picked.within("y"), alone.within("y"))
    np.testing.assert_array_equal(picked.least, alone.least)


def test_the_greatest_and_the_least_magnitudes_keep_their_digits():
    for scale in (1e119, 1e-119):
        matrix = np.array([[1.0], [2.0], [4.5]]) * scale
        found = moments(matrix)
        assert found.refused == {"x0": 0}
        assert found.scatter()[0, 0] == pytest.approx(6.5 * scale * scale, rel=1e-12)
    assert moments(np.array([[1e-200], [3e-200]])).scatter().tolist() == [[0.0]]
