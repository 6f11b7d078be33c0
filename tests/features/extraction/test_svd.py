"""Truncated SVD of sparse rows against scikit-learn's."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import csr_array, csr_matrix, random_array
from sklearn.decomposition import TruncatedSVD

from matrices import Given
from ringmill.config.extraction import TruncatedSvd
from ringmill.errors import InputError
from ringmill.features.extraction.fit import fit_sparse
from ringmill.features.extraction.svd import solve_truncated_svd
from ringmill.features.moments import moments_of_sparse

COLUMNS = ("indices", "values")


def entry(terms, components):
    return TruncatedSvd(kind="truncated_svd", columns=COLUMNS, terms=terms, components=components)


def drawn(rows=400, terms=60):
    """Weights like TF-IDF's: few terms a row, some terms much more frequent."""
    draw = np.random.Generator(np.random.Philox(6))
    found = random_array((rows, terms), density=0.1, rng=draw, format="csr")
    return csr_array(found * np.linspace(0.05, 1, terms)[None, :])


def fitted(rows, components):
    moments = moments_of_sparse("values", rows[:150]) + moments_of_sparse("values", rows[150:])
    return solve_truncated_svd(moments, entry(rows.shape[1], components), where="train")


def test_components_signs_and_variances_are_scikit_learns():
    rows = drawn()
    part = fitted(rows, 5)
    theirs = TruncatedSVD(5, algorithm="arpack").fit(csr_matrix(rows))
    np.testing.assert_allclose(part.components, theirs.components_, rtol=0, atol=1e-9)
    np.testing.assert_allclose(part.singular_values, theirs.singular_values_, rtol=1e-10)
    np.testing.assert_allclose(part.explained_variance, theirs.explained_variance_, rtol=1e-9)
    np.testing.assert_allclose(part.explained_variance_ratio, theirs.explained_variance_ratio_, rtol=1e-9)
    np.testing.assert_allclose(part.apply(Given(COLUMNS, rows)), theirs.transform(csr_matrix(rows)), atol=1e-9)
    assert part.names == ("svd 1", "svd 2", "svd 3", "svd 4", "svd 5")


def test_law_9_a_rows_bits_do_not_depend_on_the_batch_it_is_in_and_no_term_gives_zeros():
    rows = drawn()
    part = fitted(rows, 5)
    whole = part.apply(Given(COLUMNS, rows))
    for place in range(0, 400, 37):
        alone = part.apply(Given(COLUMNS, csr_array(rows[place : place + 1])))
        np.testing.assert_array_equal(alone, whole[place : place + 1])
    assert part.apply(Given(COLUMNS, csr_array((2, 60)))).tolist() == [[0.0] * 5] * 2


def test_more_components_than_directions_are_refused():
    with pytest.raises(InputError, match=r"at least 3 directions[\s\S]*1, of 4 terms and 2 rows"):
        moments = moments_of_sparse("values", csr_array(np.array([[1.0, 2.0, 0, 0], [2.0, 4.0, 0, 0]])))
        solve_truncated_svd(moments, entry(4, 3), where="train")


@pytest.mark.parametrize(
    ("indices", "values", "said"),
    [
        ([[0, 4]], [[1.0, 2.0]], "indices from 0 to 3"),
        ([[0, -1]], [[1.0, 2.0]], "indices from 0 to 3"),
        ([[0]], [[1.0, 2.0]], "a value per entry"),
        ([None], [[1.0]], "a list in every row"),
        ([[None]], [[1.0]], "an index in every place"),
        ([[0]], [[None]], "finite numbers"),
        ([[0]], [[float("nan")]], "finite numbers"),
    ],
)
def test_rows_that_are_no_sparse_rows_are_refused(indices, values, said):
    part = solve_truncated_svd(moments_of_sparse("values", csr_array(np.eye(4) * [4, 3, 2, 1])), entry(4, 1), where="")
    columns = Given([], np.zeros((1, 0)))
    columns._arrays = {"indices": pa.array(indices, pa.list_(pa.int64()))} | {
        "values": pa.array(values, pa.list_(pa.float64()))
    }
    with pytest.raises(InputError, match=said):
        part.apply(columns)


@pytest.mark.spark
def test_it_is_fitted_from_list_columns(spark):
    rows = drawn(80, 12)
    listed = [
        (rows.indices[a:b].tolist(), rows.data[a:b].tolist())
        for a, b in zip(rows.indptr[:-1].tolist(), rows.indptr[1:].tolist(), strict=True)
    ]
    frame = spark.createDataFrame(listed, "indices array<int>, values array<double>").repartition(3)
    ((part,),) = fit_sparse(frame, [entry(12, 2)])
    assert part == solve_truncated_svd(moments_of_sparse("values", rows), entry(12, 2), where="train")
