"""Scores against scikit-learn's on the same data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_selection import chi2, f_classif, f_regression, mutual_info_classif

from adult import NUMBERS, adult
from matrices import moments
from ringmill.features.selection import scores
from ringmill.features.selection.scores import GREATEST


def named(matrix):
    return [f"x{place}" for place in range(matrix.shape[1])]


def table_of(column, classes):
    values, value = np.unique(column, return_inverse=True)
    names, label = np.unique(classes, return_inverse=True)
    table = np.zeros((len(values), len(names)), np.int64)
    np.add.at(table, (value, label), 1)
    return table


def with_number(matrix, target):
    return moments(np.column_stack([matrix, target]), names=[*named(matrix), "t"])


def drawn(rows, seed):
    draw = np.random.Generator(np.random.Philox(seed))
    classes = draw.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1])
    lift = (classes == "b")[:, None] * [0.0, 0.5, 2.0] + (classes == "c")[:, None] * [0.0, -1.0, 3.0]
    return draw.normal(size=(rows, 3)) + lift, classes


def same(found, expected, rtol):
    # What is 0 but for rounding is 10⁻²⁹ on one side and 10⁻³¹ on the other.
    np.testing.assert_allclose(found.values, expected[0], rtol=rtol, atol=1e-20)
    np.testing.assert_allclose(found.p_values, expected[1], rtol=rtol * 100, atol=1e-300)


@settings(max_examples=20, deadline=None)
@given(st.integers(30, 300), st.integers(0, 2**20))
def test_all_scores_are_scikit_learns(rows, seed):
    matrix, classes = drawn(rows, seed)
    counts = np.floor(np.abs(matrix) * 2)
    of, names = moments(matrix, classes), named(matrix)
    same(scores.anova(of, names, "y"), f_classif(matrix, classes), 1e-9)
    same(scores.chi_squared(moments(counts, classes), names, "y"), chi2(counts, classes), 1e-9)
    target = matrix[:, 2] * 2 + matrix[:, 0] ** 2
    same(scores.f_regression(with_number(matrix, target), names, "t"), f_regression(matrix, target), 1e-8)
    found = scores.mutual_information([table_of(column, classes) for column in counts.T])
    expected = mutual_info_classif(counts, classes, discrete_features=True)
    np.testing.assert_allclose(found.values, expected, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(scores.correlations(of, names), np.corrcoef(matrix.T), rtol=0, atol=1e-12)
    np.testing.assert_allclose(scores.variances(of, names), matrix.var(axis=0), rtol=1e-12)


def test_adults_scores_are_scikit_learns():
    matrix, classes = adult(scaled=False)
    of = moments(matrix, classes, names=NUMBERS)
    same(scores.anova(of, NUMBERS, "y"), f_classif(matrix, classes), 1e-9)
    same(scores.chi_squared(of, NUMBERS, "y"), chi2(matrix, classes), 1e-9)
    same(scores.f_regression(of, NUMBERS[1:], "age"), f_regression(matrix[:, 1:], matrix[:, 0]), 1e-9)
    whole = [0, 2, 5]
    found = scores.mutual_information([table_of(matrix[:, place], classes) for place in whole])
    expected = mutual_info_classif(matrix[:, whole], classes, discrete_features=True)
    np.testing.assert_allclose(found.values, expected, rtol=1e-9)
    np.testing.assert_allclose(scores.correlations(of, NUMBERS), np.corrcoef(matrix.T), rtol=0, atol=1e-12)


@pytest.mark.filterwarnings("ignore:Features .* are constant:UserWarning")
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_constant_columns_perfect_ones_and_a_class_with_one_row():
    classes = np.array(["a", "a", "a", "b", "b", "c"])
    matrix = np.array([[1, 2, 0, 5], [1, 2, 0, 6], [1, 2, 0, 7], [1, 3, 0, 1], [1, 3, 0, 2], [1, 9, 0, 0]], float)
    of, names = moments(matrix, classes), named(matrix)
    found, expected = scores.anova(of, names, "y"), f_classif(matrix, classes)
    assert np.isnan(found.values).tolist() == np.isnan(expected[0]).tolist() == [True, False, True, False]
    assert (found.values[1], expected[0][1]) == (GREATEST, np.inf)
    assert found.values[3] == pytest.approx(expected[0][3])
    assert np.isnan(scores.chi_squared(of, names, "y").values).tolist() == [False, False, True, False]
    same(scores.chi_squared(of, names, "y"), chi2(matrix, classes), 1e-12)
    target = matrix[:, 1] * 3 - 1
    regression, theirs = scores.f_regression(with_number(matrix, target), names, "t"), f_regression(matrix, target)
    assert regression.values[[0, 2]].tolist() == theirs[0][[0, 2]].tolist() == [0.0, 0.0]
    assert regression.p_values[[0, 2]].tolist() == theirs[1][[0, 2]].tolist() == [1.0, 1.0]
    assert (regression.values[1], regression.p_values[1]) == (GREATEST, 0.0)
    assert scores.f_regression(with_number(matrix, np.ones(6)), names, "t").values.tolist() == [0.0] * 4
    assert scores.mutual_information([table_of(matrix[:, 0], classes)]).values.tolist() == [0.0]
    assert scores.correlations(of, names)[0].tolist() == [1.0, 0.0, 0.0, 0.0]


def test_more_columns_than_rows_have_scores_each():
    matrix, classes = drawn(12, seed=1)
    wide = np.column_stack([matrix, matrix**2, np.sin(matrix), np.cos(matrix), matrix**3])
    same(scores.anova(moments(wide, classes), named(wide), "y"), f_classif(wide, classes), 1e-9)
