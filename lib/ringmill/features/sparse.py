"""Rows of sparse numbers, as two list columns, to a matrix. No JVM."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from ringmill.errors import InputError


def csr_of(indices: pa.Array, values: pa.Array, terms: int, *, where: str, columns: tuple[str, str]) -> csr_array:
    """Two list columns → (rows, terms).

    Raises:
        InputError: a list is null, the lists of a row differ in length, or an index is outside the vocabulary.
    """
    if nulls := indices.null_count + values.null_count:
        raise InputError.differs(where, columns[0], "a list in every row (an empty one for no term)", f"{nulls} nulls")
    sizes, others = (column.value_lengths().to_numpy(zero_copy_only=False) for column in (indices, values))
    if not np.array_equal(sizes, others):
        raise InputError.differs(where, columns[1], f"a value per entry of '{columns[0]}'", "lists of other lengths")
    if unknown := indices.flatten().null_count:
        raise InputError.differs(where, columns[0], "an index in every place of a list", f"{unknown} nulls")
    places = indices.flatten().to_numpy(zero_copy_only=False)
    if len(places) and (places.min() < 0 or places.max() >= terms):
        received = f"{places.min()} to {places.max()}"
        raise InputError.differs(where, columns[0], f"indices from 0 to {terms - 1}", received)
    numbers = values.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    return csr_array((numbers, places.astype(np.int64), offsets), shape=(len(indices), terms))
