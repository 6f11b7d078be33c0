"""Columns of one Arrow batch as NumPy and Arrow arrays, each checked against what the state was fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ringmill.errors import InputError

Matrix = NDArray[np.float64]
WHERE = "the features' input"


class Columns:
    """A batch's columns, and behind them the outputs of the parts that were applied so far.

    A name that both have means the batch's column. `types` holds the Arrow types on which the state was fitted; `fold`
    names the column with the folds of train rows, where the batch holds such rows.
    """

    def __init__(self, batch: pa.RecordBatch, types: Mapping[str, str], *, fold: str | None = None) -> None:
        self.rows: int = batch.num_rows
        self._fold = fold
        self._batch = batch
        self._types = types
        self._numbers: dict[str, Matrix] = {}
        self._outputs: dict[str, Matrix] = {}
        self._lists: dict[str, pa.Array] = {}

    def add(self, names: Sequence[str], matrix: Matrix) -> None:
        """Let later parts read (rows, len(names)) under these names."""
        self._outputs.update({name: matrix[:, place] for place, name in enumerate(names)})

    def add_lists(self, names: Sequence[str], arrays: Sequence[pa.Array]) -> None:
        """Let later parts read columns of (rows) lists under these names."""
        self._lists.update(zip(names, arrays, strict=True))

    def array(self, name: str) -> pa.Array:
        """(rows,) of the batch as it is, or the lists that an earlier part made.

        Raises:
            InputError: it is missing, or of another type than the state was fitted on.
        """
        if name not in self._types and name in self._lists:
            return self._lists[name]
        index = self._batch.schema.get_field_index(name)
        if index < 0:
            raise InputError.missing_columns(WHERE, [name], self._batch.schema.names)
        found = self._batch.column(index)
        if name in self._types and (received := type_name(found.type)) != self._types[name]:
            raise InputError.differs(WHERE, name, f"type {self._types[name]}", f"type {received}")
        return found

    def numbers(self, name: str, *, nulls: bool) -> Matrix:
        """(rows,) float64 of a number or truth value, or of an earlier part's output; null is NaN.

        Raises:
            InputError: see `array`; or it holds NaN (missing is null), or a null where `nulls` is false.
        """
        if self._is_output(name):
            return self._outputs[name]
        found = self.array(name)
        if found.null_count and not nulls:
            raise InputError.differs(WHERE, name, "no null: none is allowed here", f"{found.null_count:,} nulls")
        if name not in self._numbers:
            self._numbers[name] = _decoded(name, found)
        return self._numbers[name]

    def texts(self, names: Sequence[str]) -> pa.Array:
        """(rows,) string: the value as text, or of several columns their combination; null where one is null.

        A category is a text, a whole number or a truth value; of an earlier part's output, a whole number.

        Raises:
            InputError: see `array`; or a number is not whole.
        """
        columns = [self._text(name) for name in names]
        return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, SEPARATOR)

    def is_null(self, name: str) -> Matrix:
        """(rows,) of ones and zeros. An earlier part's output has no null. Raises InputError: see `array`."""
        if self._is_output(name):
            return np.zeros(self.rows)
        nulls = self.array(name).is_null()
        return np.asarray(nulls.to_numpy(zero_copy_only=False), dtype=np.float64)

    def folds(self) -> NDArray[np.int64]:
        """(rows,) the fold of a train row; −1 for any other, and for every row where no column of folds is named."""
        if self._fold is None:
            return np.full(self.rows, -1, np.int64)
        found = self.array(self._fold).fill_null(-1)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)

    def _is_output(self, name: str) -> bool:
        return name not in self._types and name in self._outputs

    def _text(self, name: str) -> pa.Array:
        found = pa.array(self._outputs[name]) if self._is_output(name) else self.array(name)
        if not pa.types.is_floating(found.type):
            return found.cast(pa.string())
        numbers = found.to_numpy(zero_copy_only=False)
        if odd := int((np.floor(numbers) != numbers).sum()) - found.null_count:
            raise InputError.differs(WHERE, name, "whole numbers, as categories are", f"{odd:,} rows with others")
        return found.cast(pa.int64()).cast(pa.string())


def type_name(kind: pa.DataType) -> str:
    """Arrow's name of a type; of lists without what the item is called and whether it may be null."""
    return f"list<element: {kind.value_type}>" if pa.types.is_list(kind) else str(kind)


# Between the values of a combination; the unit separator of ASCII, which texts do not hold.
SEPARATOR = "\x1f"


def _decoded(name: str, found: pa.Array) -> Matrix:
    values = found.cast(pa.float64()) if found.type != pa.float64() else found
    if strange := pc.sum(pc.is_nan(values)).as_py():
        raise InputError.differs(WHERE, name, "no NaN: a missing value is null", f"{strange:,} NaN")
    numbers: Matrix = values.fill_null(np.nan).to_numpy(zero_copy_only=False)
    return numbers


class OneOutput:
    """What parts share that make one output, and refuse null unless they say what it becomes."""

    name: str
    null: float | None

    @property
    def refuses_null(self) -> bool:
        return self.null is None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)


class OneColumn(OneOutput):
    """The same of one column."""

    column: str

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.column,)
