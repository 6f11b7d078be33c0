"""Matrices as the features' fits and parts read them, without Spark."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from ringmill.features.moments import ROWS, Classes, Moments, moments_of


def classes_of(values: Sequence[str | None]) -> Classes:
    encoded = pa.array(values, pa.string()).dictionary_encode()
    return Classes(encoded.indices.fill_null(-1).to_numpy().astype(np.int64), tuple(encoded.dictionary.to_pylist()))


def moments(
    matrix: np.ndarray,
    classes: Sequence[str | None] | None = None,
    *,
    names: Sequence[str] = (),
    cuts: Sequence[int] = (),
) -> Moments:
    """Moments of columns x0, x1, … (or `names`) and of the label y, from batches that are cut at these rows."""
    called = names or [f"x{place}" for place in range(matrix.shape[1])]
    bounds = sorted({0, *cuts, *range(0, len(matrix), ROWS), len(matrix)})
    labels = None if classes is None else np.array(classes, dtype=object)
    parts = [
        moments_of(called, matrix[a:b], {} if labels is None else {"y": classes_of(labels[a:b].tolist())})
        for a, b in pairwise(bounds)
    ]
    return reduce(add, parts)


class Given:
    """Columns of a matrix by name, or list columns of sparse rows, as a part reads them."""

    def __init__(self, names: Sequence[str], matrix: np.ndarray | csr_array) -> None:
        if isinstance(matrix, csr_array):
            offsets = pa.array(matrix.indptr, pa.int32())
            lists = [pa.array(matrix.indices, pa.int64()), pa.array(matrix.data)]
            self._arrays = {
                name: pa.ListArray.from_arrays(offsets, each) for name, each in zip(names, lists, strict=True)
            }
        else:
            self._arrays = {name: pa.array(matrix[:, place]) for place, name in enumerate(names)}

    def numbers(self, name: str, *, nulls: bool) -> np.ndarray:
        assert not nulls
        return self._arrays[name].to_numpy()

    def array(self, name: str) -> pa.Array:
        return self._arrays[name]
