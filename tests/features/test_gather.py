"""Moments through Spark: the same bits as without it, from any layout; refusals by name."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from matrices import moments
from ringmill.errors import InputError
from ringmill.features.gather import gather, gather_sparse
from ringmill.features.moments import moments_of_sparse

pytestmark = pytest.mark.spark
NAMES = ["x0", "a.b `c`", "x 2"]


def frame_of(spark, rows, partitions):
    schema = "x0 double, `a.b ``c``` int, `x 2` double, y string"
    return spark.createDataFrame(rows, schema).repartition(partitions)


def test_partitions_leave_no_trace_and_the_numbers_are_those_without_spark(spark):
    draw = np.random.Generator(np.random.Philox(5))
    rows = [
        (float(a), int(b), 1e9 + float(c), str(d))
        for a, b, c, d in zip(
            draw.normal(size=300),
            draw.integers(0, 9, 300),
            draw.normal(size=300),
            draw.choice(["a", "b"], 300),
            strict=True,
        )
    ]
    expected = moments(np.array([row[:3] for row in rows], float), [row[3] for row in rows], names=NAMES)
    for partitions in (1, 7):
        found = gather(frame_of(spark, rows[::-1], partitions), NAMES, labels=["y"], where="train")
        assert (found.rows, found.names) == (300, tuple(NAMES))
        np.testing.assert_array_equal(found.scatter(), expected.scatter())
        np.testing.assert_array_equal(found.within("y"), expected.within("y"))
        np.testing.assert_array_equal(found.most, expected.most)


def test_what_is_no_number_is_refused_by_column_and_count(spark):
    rows = [(1.0, 1, float("nan"), "a"), (None, 2, 3.0, "a"), (2.0, None, 4.0, None), (None, 2, 3.0, "b")]
    with pytest.raises(InputError) as caught:
        gather(frame_of(spark, rows, 2), NAMES, labels=["y"], where="features/x")
    assert caught.value.where == "features/x"
    assert "of 4 rows" in caught.value.received
    for said in ("x0: 2", "a.b `c`: 1", "x 2: 1", "y: 1"):
        assert said in caught.value.received
    with pytest.raises(InputError, match=r"'y'.*\n.*\n.*a number.*\n.*string"):
        gather(frame_of(spark, rows, 1), ["y"], where="train")
    with pytest.raises(InputError, match="missing: z"):
        gather(frame_of(spark, rows, 1), ["x0"], labels=["z"], where="train")
    with pytest.raises(InputError, match="0 rows"):
        gather(frame_of(spark, rows, 1).limit(0), ["x0"], where="train")


def test_sparse_rows_have_the_moments_of_their_dense_form(spark):
    rows = [([0, 3], [1.5, 2.0]), ([], []), ([2, 0, 2], [0.1, 4.0, 0.2])]
    frame = spark.createDataFrame(rows, "terms array<int>, weights array<double>").repartition(2)
    found = gather_sparse(frame, "terms", "weights", terms=5, where="train")
    dense = np.array([[1.5, 0, 0, 2.0, 0], [0] * 5, [4.0, 0, 0.1 + 0.2, 0, 0]])
    assert found.rows == 3
    np.testing.assert_array_equal(found.scatter(), moments(dense).scatter())
    assert moments_of_sparse("w", csr_array(dense)).total.sums.rounded().tolist() == dense.sum(axis=0).tolist()
    assert found.most.tolist() == dense.max(axis=0).tolist()
    with pytest.raises(InputError, match="at most 2,000 terms"):
        gather_sparse(frame, "terms", "weights", terms=2_001, where="train")
    with pytest.raises(Exception, match=r"indices from 0 to 2"):
        gather_sparse(frame, "terms", "weights", terms=3, where="train")
