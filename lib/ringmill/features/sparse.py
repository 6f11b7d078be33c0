"""Rows of sparse numbers, from two list columns. NumPy and pyarrow alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ringmill.errors import InputError


@dataclass(frozen=True, eq=False)
class Entries:
    """What is not 0 in some rows of `terms` numbers: row r has the entries from offsets[r] to offsets[r + 1]."""

    terms: int
    offsets: NDArray[np.int64]
    indices: NDArray[np.int64]
    values: NDArray[np.float64]


def entries_of(indices: pa.Array, values: pa.Array, terms: int, *, where: str, columns: tuple[str, str]) -> Entries:
    """Two list columns → the entries of their rows; a null among the values is NaN.

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
    return Entries(terms, offsets, places.astype(np.int64), numbers)
