"""Columns of lists that parts make beside the columns of x: sparse rows for later parts, and tensors for training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ringmill.features.columns_of import Columns

# By Arrow's name of a list's numbers their names in Spark and in NumPy.
SPARK = {"int8": "tinyint", "int32": "int", "float": "float", "double": "double"}
NUMPY = {"int8": "int8", "int32": "int32", "float": "float32", "double": "float64"}


@dataclass(frozen=True)
class Listed:
    """A column of lists: its name, its numbers' Arrow type, and as a tensor its shape without the rows.

    Without a shape the lists differ in length: it is no tensor. `terms`: of a sparse row's indices, how many there are.
    """

    name: str
    type: str
    shape: tuple[int, ...] = ()
    terms: int = 0


class Listing(ABC):
    """A part that makes columns of lists, besides those of x or in their stead."""

    @property
    @abstractmethod
    def lists(self) -> tuple[Listed, ...]:
        """Its columns of lists."""

    @abstractmethod
    def arrays(self, columns: Columns) -> tuple[pa.Array, ...]:
        """(rows) → an array of (rows) lists for each of `lists`."""


def list_array(values: NDArray[Any], offsets: NDArray[np.int64], kind: str) -> pa.Array:
    """Flat numbers and (rows + 1) offsets → (rows) lists."""
    numbers = pa.array(values, pa.type_for_alias(kind))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), numbers)


def tensor_array(tensor: NDArray[Any], kind: str) -> pa.Array:
    """(rows, …) → (rows) lists of equal length, the last axis fastest."""
    width = int(np.prod(tensor.shape[1:]))
    offsets = np.arange(len(tensor) + 1, dtype=np.int64) * width
    return list_array(np.ascontiguousarray(tensor).reshape(-1), offsets, kind)


def padded(
    rows: int, row: NDArray[np.int64], values: NDArray[Any], *, length: int, truncate: str, pad: str
) -> NDArray[Any]:
    """Each value's row, ascending, and the values → (rows, length, …): 0 where a row has fewer.

    Of a row with more `truncate` ('start' or 'end') is cut off; `pad` is the end at which zeros stand.
    """
    out = np.zeros((rows, length, *values.shape[1:]), values.dtype)
    counts = np.bincount(row, minlength=rows)
    place = np.arange(len(row)) - (np.cumsum(counts) - counts)[row]
    if truncate == "start":
        place = place - np.maximum(counts - length, 0)[row]
    kept = (place >= 0) & (place < length)
    if pad == "start":
        place = place + np.maximum(length - counts, 0)[row]
    out[row[kept], place[kept]] = values[kept]
    return out
