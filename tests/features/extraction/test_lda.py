"""Linear discriminants against scikit-learn's."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from adult import NUMBERS, adult
from matrices import Given, moments
from ringmill.config.extraction import Lda, Pca
from ringmill.errors import InputError
from ringmill.features.extraction.fit import fit_dense
from ringmill.features.extraction.lda import solve_lda


def entry(columns, *, label="y", **options):
    return Lda(kind="lda", columns=tuple(columns), label=label, **options)


def fitted(matrix, classes, **options):
    names = [f"x{place}" for place in range(matrix.shape[1])]
    return solve_lda(moments(matrix, classes), entry(names, **options), where="train"), Given(names, matrix)


def drawn(rows, seed=4):
    draw = np.random.Generator(np.random.Philox(seed))
    classes = draw.choice(4, rows, p=[0.5, 0.3, 0.15, 0.05])
    centres = draw.normal(size=(4, 6)) * 2
    return draw.normal(size=(rows, 6)) @ draw.normal(size=(6, 6)) + centres[classes], [f"c{k}" for k in classes]


def compare(part, columns, matrix, classes, *, rtol, **options):
    theirs = LinearDiscriminantAnalysis(solver="svd", **options).fit(matrix, classes)
    ours, expected = part.apply(columns), theirs.transform(matrix)
    assert ours.shape == expected.shape
    signs = np.sign((ours * expected).sum(axis=0))
    np.testing.assert_allclose(ours * signs, expected, rtol=0, atol=rtol * np.abs(expected).max())
    np.testing.assert_allclose(part.explained_variance_ratio, theirs.explained_variance_ratio_, rtol=rtol)
    assert all(max(row, key=abs) > 0 for row in part.components)


@pytest.mark.parametrize("components", [None, 2])
def test_discriminants_are_scikit_learns_up_to_sign(components):
    matrix, classes = drawn(600)
    part, columns = fitted(matrix, classes, components=components)
    compare(part, columns, matrix, classes, rtol=1e-9, n_components=components)
    assert part.classes == ("c0", "c1", "c2", "c3")
    assert part.names == tuple(f"lda {place + 1}" for place in range(components or 3))


def test_they_are_those_of_its_solver_by_eigenvectors_too():
    matrix, classes = drawn(600)
    part, columns = fitted(matrix, classes)
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(matrix, classes)
    ours, expected = part.apply(columns), theirs.transform(matrix - matrix.mean(axis=0))
    signs = np.sign((ours * expected).sum(axis=0))
    np.testing.assert_allclose(ours * signs, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("scaled", [True, False])
def test_adults_numbers_part_the_incomes_as_scikit_learn_says(scaled):
    matrix, classes = adult(scaled=scaled)
    part = solve_lda(moments(matrix, classes, names=NUMBERS), entry(NUMBERS), where="train")
    compare(part, Given(NUMBERS, matrix), matrix, classes, rtol=1e-9)


def test_a_class_with_one_row_counts_and_a_column_constant_within_classes_does_not():
    matrix, classes = drawn(80)
    classes[0] = "alone"
    constant = np.array([{"c0": 1.0, "c1": 5.0}.get(name, 0.5) for name in classes])
    wide = np.column_stack([matrix, constant])
    part, columns = fitted(wide, classes)
    compare(part, columns, wide, classes, rtol=1e-9)
    assert {row[6] for row in part.components} == {0.0}


def test_more_columns_than_rows_are_scikit_learns_too():
    matrix, classes = drawn(12)
    wide = np.column_stack([matrix, matrix[::-1] ** 2, np.sin(matrix)])
    part, columns = fitted(wide, classes)
    compare(part, columns, wide, classes, rtol=1e-7)


@pytest.mark.parametrize("apart", [2e-3, 2e-5])
def test_a_near_copy_of_a_column_counts_down_to_scikit_learns_tolerance(apart):
    matrix, classes = drawn(300)
    near = matrix[:, 0] + apart * matrix[:, 0].std() * np.sin(np.arange(300))
    wide = np.column_stack([matrix, near])
    part, columns = fitted(wide, classes)
    compare(part, columns, wide, classes, rtol=1e-6)


def test_what_cannot_be_parted_is_refused():
    matrix, classes = drawn(30)
    with pytest.raises(InputError, match="two classes of 'y'"):
        fitted(matrix, ["one"] * 30)
    with pytest.raises(InputError, match="more rows than classes"):
        fitted(matrix[:3], ["a", "b", "c"])
    with pytest.raises(InputError, match="that part the classes"):
        fitted(np.array([[1.0], [3.0], [1.0], [3.0]]), ["a", "a", "b", "b"])
    with pytest.raises(InputError, match="that part the classes"):
        fitted(np.array([[1.0], [1.0], [2.0], [2.0]]), ["a", "a", "b", "b"])
    with pytest.raises(InputError, match="at least 4 directions"):
        fitted(matrix, classes, components=4)


@pytest.mark.spark
def test_a_label_of_any_type_makes_the_classes(spark):
    rows = [(1.0, 4.0, 1.0), (2.0, 1.0, 1.0), (7.0, 2.0, 0.0), (9.0, 3.0, 0.0), (8.0, 1.0, 0.0)]
    frame = spark.createDataFrame(rows, "x0 double, x1 double, y double")
    ((part,),) = fit_dense(frame, [entry(["x0", "x1"])])
    matrix = np.array([row[:2] for row in rows])
    assert part.classes == ("0.0", "1.0")
    assert part == fitted(matrix, ["1.0", "1.0", "0.0", "0.0", "0.0"])[0]


@pytest.mark.spark
def test_all_scatter_matrices_are_of_one_pass_over_the_rows(spark):
    matrix, classes = drawn(60)
    names = [f"x{place}" for place in range(6)]
    rows = [(*map(float, row), name, name in ("c0", "c1")) for row, name in zip(matrix, classes, strict=True)]
    schema = ", ".join(f"{name} double" for name in names) + ", y string, early boolean"
    seen = spark.sparkContext.accumulator(0)

    def counting(batches):
        for batch in batches:
            seen.add(batch.num_rows)
            yield batch

    frame = spark.createDataFrame(rows, schema).repartition(3).mapInArrow(counting, schema)
    several = [entry(names), entry(names[:3], label="early"), Pca(kind="pca", columns=tuple(names))]
    (by_class,), (by_half,), (components,) = fit_dense(frame, several)
    assert seen.value == 60
    assert by_class == fitted(matrix, classes)[0]
    assert by_half.classes == ("false", "true")
    assert len(components.components) == 6
