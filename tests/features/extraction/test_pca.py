"""Principal components against scikit-learn's."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from sklearn.decomposition import PCA

from adult import NUMBERS, adult
from matrices import Given, moments
from ringmill.config.extraction import Pca
from ringmill.errors import InputError
from ringmill.features.extraction.fit import fit_dense
from ringmill.features.extraction.parts import PcaPart
from ringmill.features.extraction.pca import solve_pca


def entry(columns, **options):
    return Pca(kind="pca", columns=tuple(columns), **options)


def fitted(matrix, **options):
    names = [f"x{place}" for place in range(matrix.shape[1])]
    return solve_pca(moments(matrix), entry(names, **options), where="train"), Given(names, matrix)


def compare(part, columns, matrix, theirs, *, rtol=1e-9):
    np.testing.assert_allclose(part.components, theirs.components_, rtol=0, atol=rtol)
    np.testing.assert_allclose(part.mean, theirs.mean_, rtol=1e-11)
    np.testing.assert_allclose(part.explained_variance, theirs.explained_variance_, rtol=rtol)
    np.testing.assert_allclose(part.explained_variance_ratio, theirs.explained_variance_ratio_, rtol=rtol)
    expected = theirs.transform(matrix)
    np.testing.assert_allclose(part.apply(columns), expected, rtol=0, atol=rtol * np.abs(expected).max())


def drawn(rows, columns, seed=2):
    draw = np.random.Generator(np.random.Philox(seed))
    mixing = draw.normal(size=(columns, columns)) * np.linspace(0.1, 3, columns)[:, None]
    return draw.normal(size=(rows, columns)) @ mixing + 10


@pytest.mark.parametrize("options", [{}, {"components": 3}, {"share": 0.9}, {"whiten": True, "components": 4}])
def test_components_signs_and_variances_are_scikit_learns(options):
    matrix = drawn(500, 8)
    part, columns = fitted(matrix, **options)
    asked = options.get("components") or options.get("share")
    theirs = PCA(asked, whiten=options.get("whiten", False), svd_solver="full").fit(matrix)
    assert len(part.components) == theirs.n_components_
    compare(part, columns, matrix, theirs)
    if options.get("whiten"):
        np.testing.assert_allclose(part.apply(columns).std(axis=0, ddof=1), 1.0, rtol=1e-9)


@pytest.mark.parametrize("scaled", [True, False])
def test_adults_numbers_have_scikit_learns_components(scaled):
    matrix, _ = adult(scaled=scaled)
    part = solve_pca(moments(matrix, names=NUMBERS), entry(NUMBERS), where="train")
    # Unscaled variances span ten orders of magnitude, and an eigenvector's error is that of the greatest.
    compare(part, Given(NUMBERS, matrix), matrix, PCA(svd_solver="full").fit(matrix), rtol=1e-9 if scaled else 1e-6)


def test_more_columns_than_rows_give_as_many_components_as_rows_less_one():
    matrix = drawn(5, 9)
    part, columns = fitted(matrix)
    theirs = PCA(4, svd_solver="full").fit(matrix)
    assert part.names == ("pca 1", "pca 2", "pca 3", "pca 4")
    compare(part, columns, matrix, theirs)
    with pytest.raises(InputError, match=r"at least 5 directions[\s\S]*4, of 9 columns and 5 rows"):
        fitted(matrix, components=5)


def test_a_constant_column_has_no_loading_and_constants_alone_are_refused():
    matrix = np.column_stack([drawn(50, 2), np.full(50, 0.1)])
    part, _ = fitted(matrix)
    assert [row[2] for row in part.components] == [0.0, 0.0]
    with pytest.raises(InputError, match="at least 1 directions"):
        fitted(np.full((50, 2), 0.1))
    with pytest.raises(InputError, match="at least 2 rows"):
        fitted(matrix[:1])


def test_the_part_is_plain_data_with_its_inputs_and_names():
    part, columns = fitted(drawn(20, 3), components=2)
    tree = json.loads(json.dumps(asdict(part)))
    again = PcaPart(**{k: tuple(map(tuple_of, v)) if isinstance(v, list) else v for k, v in tree.items()})
    assert again == part
    assert (part.kind, part.reads, part.names) == ("pca", ("x0", "x1", "x2"), ("pca 1", "pca 2"))
    np.testing.assert_array_equal(again.apply(columns), part.apply(columns))


def tuple_of(value):
    return tuple(value) if isinstance(value, list) else value


@pytest.mark.spark
def test_law_9_the_train_rows_alone_in_any_layout_make_the_same_state(spark):
    matrix = drawn(200, 4)
    rows = [(*map(float, row), "ab"[place % 2]) for place, row in enumerate(matrix)]
    frame = spark.createDataFrame(rows, "x0 double, x1 double, x2 double, x3 double, y string")
    entries = [entry(["x3", "x0", "x1"]), entry(["x1", "x2"], name="second", components=1)]
    parts = fit_dense(frame, entries)
    assert parts == fit_dense(frame.repartition(5), entries)
    expected = [solve_pca(moments(matrix), each, where="train") for each in entries]
    assert [part for (part,) in parts] == expected
    poisoned = frame.unionByName(frame.limit(3).selectExpr("x0 * 1e9 AS x0", "x1", "x2", "x3", "'test' AS y"))
    assert fit_dense(poisoned.where("y <> 'test'"), entries) == parts
