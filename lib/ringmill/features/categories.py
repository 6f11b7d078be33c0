"""Texts, whole numbers and truth values, or combinations of them, to numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ringmill.features.columns_of import SEPARATOR, Columns, Matrix


def places(columns: Columns, names: tuple[str, ...], values: tuple[str, ...]) -> NDArray[np.int64]:
    """(rows,): the place of each row's category among `values`; len(values) for any other, and for null."""
    found = pc.index_in(columns.texts(names), pa.array(values, pa.string()))
    return np.asarray(found.fill_null(len(values)).to_numpy(zero_copy_only=False), dtype=np.int64)


@dataclass(frozen=True)
class OneHot:
    """A column of ones and zeros per known value, and with `other` a last one for unseen values and null."""

    kind: ClassVar[str] = "one_hot"
    refuses_null: ClassVar[bool] = False
    columns: tuple[str, ...]
    name: str
    values: tuple[str, ...]
    other: bool = True

    @property
    def reads(self) -> tuple[str, ...]:
        return self.columns

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.name} = {shown(value)}" for value in (*self.values, *(["other"] if self.other else [])))

    def apply(self, columns: Columns) -> Matrix:
        width = len(self.values) + self.other
        found = places(columns, self.columns, self.values)
        return np.asarray(found[:, None] == np.arange(width)[None, :], dtype=np.float64)


def shown(value: str) -> str:
    """A category as a person reads it: a combination's values are joined by ' × '."""
    return value.replace(SEPARATOR, " × ")
