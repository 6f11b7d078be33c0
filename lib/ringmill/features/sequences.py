"""Lists of numbers, one item per order → a padded tensor beside x, with its mask. No JVM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ringmill.errors import InputError
from ringmill.features.columns_of import WHERE, Columns, Matrix
from ringmill.features.lists import Listed, Listing, padded, tensor_array


@dataclass(frozen=True)
class Sequence(Listing):
    """(x − mean) / deviation of each item, its logarithm before where `log1p` is set; `null` stands for a null item.

    A row whose lists are null has no items: its tensor is 0, and its mask too.
    """

    kind: ClassVar[str] = "sequence"
    columns: tuple[str, ...]
    name: str
    length: int
    truncate: str
    pad: str
    log1p: bool
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    null: float | None
    mask: bool

    @property
    def refuses_null(self) -> bool:
        return False

    @property
    def reads(self) -> tuple[str, ...]:
        return self.columns

    @property
    def names(self) -> tuple[str, ...]:
        return ()

    @property
    def lists(self) -> tuple[Listed, ...]:
        tensor = Listed(self.name, "float", (self.length, len(self.columns)))
        return (tensor, Listed(f"{self.name}_mask", "int8", (self.length,))) if self.mask else (tensor,)

    def apply(self, columns: Columns) -> Matrix:
        return np.zeros((columns.rows, 0))

    def arrays(self, columns: Columns) -> tuple[pa.Array, ...]:
        lists = [columns.array(name) for name in self.columns]
        lengths = self._lengths(lists)
        row = np.repeat(np.arange(columns.rows), lengths)
        channels = [self._channel(place, found) for place, found in enumerate(lists)]
        tensor = tensor_array(self._padded(columns.rows, row, np.stack(channels, axis=1)), "float")
        if not self.mask:
            return (tensor,)
        return tensor, tensor_array(self._padded(columns.rows, row, np.ones(len(row), np.int8)), "int8")

    def _padded(self, rows: int, row: NDArray[np.int64], values: NDArray[Any]) -> NDArray[Any]:
        return padded(rows, row, values, length=self.length, truncate=self.truncate, pad=self.pad)

    def _lengths(self, lists: list[pa.Array]) -> NDArray[np.int64]:
        """Raises InputError: the lists of a row differ in length."""
        lengths = [found.value_lengths().fill_null(0).to_numpy(zero_copy_only=False) for found in lists]
        for name, found in zip(self.columns, lengths, strict=True):
            if odd := int((found != lengths[0]).sum()):
                expected = f"as many items as '{self.columns[0]}' has"
                raise InputError.differs(WHERE, name, expected, f"other lengths in {odd:,} rows")
        return np.asarray(lengths[0], np.int64)

    def _channel(self, place: int, lists: pa.Array) -> NDArray[np.float32]:
        """(items) of one column, scaled. Raises InputError: an item is null where none may be, or no float32."""
        items = lists.flatten().cast(pa.float64())
        name = self.columns[place]
        if items.null_count and self.null is None:
            raise InputError.differs(WHERE, name, "no null item: none is allowed here", f"{items.null_count:,} nulls")
        if strange := pc.sum(pc.is_nan(items)).as_py():
            raise InputError.differs(WHERE, name, "no NaN: a missing value is null", f"{strange:,} NaN")
        numbers = items.fill_null(0.0).to_numpy(zero_copy_only=False)
        with np.errstate(over="ignore"):
            numbers = np.log1p(np.maximum(numbers, 0.0)) if self.log1p else numbers
            scaled: NDArray[np.float32] = ((numbers - self.means[place]) / self.deviations[place]).astype(np.float32)
        if items.null_count:
            scaled[items.is_null().to_numpy(zero_copy_only=False)] = self.null
        if wide := int((~np.isfinite(scaled)).sum()):
            raise InputError.differs(WHERE, name, "items that are a float32", f"{wide:,} items that are none")
        return scaled
