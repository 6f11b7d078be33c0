"""Equality with scikit-learn on Fashion-MNIST: 784 pixels as columns, one of which never varies, and ten classes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import chi2, f_classif, f_regression, mutual_info_classif

from matrices import Given, moments
from pixels import pixels
from ringmill.config.extraction import Lda, Pca
from ringmill.features.extraction.lda import solve_lda
from ringmill.features.extraction.pca import solve_pca
from ringmill.features.selection import scores

NAMES = tuple(f"pixel {place}" for place in range(784))


@pytest.fixture(scope="module")
def fashion():
    """4,000 train rows, their classes, the products of all columns, and 1,000 other rows."""
    matrix, classes = pixels(4_000)
    return matrix, classes, moments(matrix, classes, names=NAMES, cuts=(1_234,)), pixels(1_000, split="t10k")[0]


def test_whitened_components_are_scikit_learns_on_rows_that_it_never_saw(fashion):
    matrix, _, of, others = fashion
    part = solve_pca(of, Pca(kind="pca", columns=NAMES, components=60, whiten=True), where="train")
    theirs = PCA(60, whiten=True, svd_solver="full").fit(matrix)
    np.testing.assert_allclose(part.components, theirs.components_, rtol=0, atol=1e-9)
    np.testing.assert_allclose(part.explained_variance_ratio, theirs.explained_variance_ratio_, rtol=1e-9)
    expected = theirs.transform(others)
    np.testing.assert_allclose(part.apply(Given(NAMES, others)), expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_nine_discriminants_are_scikit_learns_up_to_sign(fashion):
    matrix, classes, of, others = fashion
    part = solve_lda(of, Lda(kind="lda", columns=NAMES, label="y"), where="train")
    theirs = LinearDiscriminantAnalysis(solver="svd").fit(matrix, classes)
    ours, expected = part.apply(Given(NAMES, others)), theirs.transform(others)
    assert ours.shape == expected.shape == (1_000, 9)
    signs = np.sign((ours * expected).sum(axis=0))
    np.testing.assert_allclose(ours * signs, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    np.testing.assert_allclose(part.explained_variance_ratio, theirs.explained_variance_ratio_, rtol=1e-9)


def test_scores_are_scikit_learns_and_what_it_cannot_score_neither(fashion):
    matrix, classes, of, _ = fashion
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that a column is constant
        pairs = [
            (scores.anova(of, NAMES, "y"), f_classif(matrix, classes)),
            (scores.chi_squared(of, NAMES, "y"), chi2(matrix, classes)),
            (scores.f_regression(of, NAMES[1:], NAMES[0]), f_regression(matrix[:, 1:], matrix[:, 0])),
        ]
    for found, (values, p_values) in pairs:
        np.testing.assert_allclose(found.values, values, rtol=1e-9)
        np.testing.assert_allclose(found.p_values, p_values, rtol=1e-7, atol=1e-300)
    assert [np.isnan(found.values).sum() for found, _ in pairs[:2]] == [1, 1]
    np.testing.assert_allclose(scores.variances(of, NAMES), matrix.var(axis=0), rtol=1e-10)


def test_mutual_information_of_eight_shades_is_scikit_learns(fashion):
    matrix, classes, _, _ = fashion
    shades = np.floor(matrix[:, 290:320] / 32).astype(int)
    tables = [
        np.stack([np.bincount(column[classes == name], minlength=8) for name in "0123456789"], axis=1)
        for column in shades.T
    ]
    found = scores.mutual_information(tables)
    expected = mutual_info_classif(shades, classes, discrete_features=True)
    np.testing.assert_allclose(found.values, expected, rtol=1e-9)
