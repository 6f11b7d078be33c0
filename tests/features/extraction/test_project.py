"""The one product by which directions are applied."""

import subprocess
import sys

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ringmill.features.extraction.project import BLOCK, project, turned


def drawn(rows, columns, directions, seed=1):
    draw = np.random.Generator(np.random.Philox(seed))
    return draw.normal(size=(rows, columns)) * 1e3, draw.normal(size=(directions, columns))


def test_it_is_the_matrix_product():
    matrix, directions = drawn(300, 40, 7)
    np.testing.assert_allclose(project(matrix, directions), matrix @ directions.T, rtol=0, atol=1e-9)
    assert project(matrix[:0], directions).shape == (0, 7)


@settings(max_examples=40, deadline=None)
@example(BLOCK + 5, BLOCK - 2, 2, 3)
@given(st.integers(1, 400), st.integers(0, 400), st.integers(1, 9), st.integers(1, 40))
def test_law_9_a_rows_bits_do_not_depend_on_the_batch_it_is_in(rows, start, directions, columns):
    matrix, weights = drawn(rows, columns, directions, seed=rows)
    whole = project(matrix, weights)
    cut = min(start, rows - 1)
    np.testing.assert_array_equal(project(matrix[cut:], weights), whole[cut:])
    np.testing.assert_array_equal(project(np.asfortranarray(matrix), weights), whole)
    np.testing.assert_array_equal(project(matrix[cut : cut + 1], weights), whole[cut : cut + 1])


def test_the_leading_loading_is_positive_and_the_first_of_equals_leads():
    half = np.sqrt(0.5)
    found = turned(np.array([[-half, half * (1 + 1e-15)], [0.1, -3.0], [0.0, 0.0]]), np.ones(2))
    assert np.sign(found).tolist() == [[1.0, -1.0], [-1.0, 1.0], [0.0, 0.0]]
    assert not np.signbit(found[2]).any()


def test_a_column_of_large_numbers_keeps_its_digits_though_its_loading_is_small():
    loadings = np.array([[1.0, 0.123456789012345e-9]])
    assert turned(loadings, np.array([1.0, 1e9]))[0, 1] == 0.123456789012e-9
    assert turned(loadings, np.ones(2))[0, 1] == 0.123e-9


def test_law_9_the_parts_need_neither_a_jvm_nor_what_ranks_and_the_scorer_hide():
    hidden = "from ringmill.train.start import hide_unneeded; hide_unneeded(); sys.modules['pyspark'] = None"
    code = f"import sys; {hidden}; import ringmill.features.extraction.parts"
    subprocess.run([sys.executable, "-c", code], check=True)
