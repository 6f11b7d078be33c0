"""The frozen state of order sequences, and lists of a customer's orders → x, row by row. No JVM.

Columns in, lists of one item per order, the oldest first: order_group (string), order_gap_days, order_days_before,
order_spend and order_lines (double; the first gap of a customer is null).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ringmill.features.columns_of import Columns
from ringmill.features.frozen import Frozen
from ringmill.features.lists import padded, tensor_array
from ringmill.features.sequences import Sequence
from ringmill.hashing import digest

FIRST = 1  # the id of the first category; 0 is none
OTHER = "other"  # groups are in upper case: none is called so
GROUPS = "order_group"
NUMBERS = ("order_gap_days", "order_days_before", "order_spend", "order_lines")
LISTS = (GROUPS, *NUMBERS)

Encoder = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class OrderState(Frozen):
    """Plain data, fitted on the train split only. `groups` are categories by id from `FIRST` on, by falling `rows` of
    the train split whose next order has it, of equal ones by their name; `others` are such rows of none of them.

    The id behind the last is that of any other group, an unseen one too. `numbers` scales what an order has besides.
    """

    groups: tuple[str, ...]
    rows: tuple[int, ...]
    others: int
    numbers: Sequence

    @property
    def ids(self) -> int:
        """How many different ids there are, those of none and of any other among them."""
        return FIRST + len(self.groups) + 1

    @property
    def shape(self) -> tuple[int, int]:
        """Of a row of x: places, and an id and the numbers in each."""
        return self.numbers.length, 1 + len(NUMBERS)

    @property
    def categories(self) -> tuple[str, ...]:
        """That a next order may have; any other is one only where the train split's next orders have some of it."""
        return (*self.groups, OTHER) if self.others else self.groups

    @property
    def vocabularies(self) -> dict[str, str]:
        return {"category": digest(self.categories)}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Self:
        numbers: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in tree["numbers"].items()
        }
        return cls(tuple(tree["groups"]), tuple(tree["rows"]), tree["others"], Sequence(**numbers))


def encode(batch: pa.RecordBatch, state: OrderState) -> NDArray[np.float32]:
    """(rows) of the lists → (rows, places, 1 + numbers), the latest order in the last place; zeros where there is none.

    Raises:
        InputError: a list is missing, or a row's lists of numbers differ in length.
    """
    columns, (length, width) = Columns(batch, {}), state.shape
    groups, (numbers,) = columns.array(GROUPS), state.numbers.arrays(columns)
    row = np.repeat(np.arange(batch.num_rows), groups.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))
    x = np.zeros((batch.num_rows, length, width), np.float32)
    x[:, :, 0] = padded(
        batch.num_rows, row, _ids(groups.flatten(), state), length=length, truncate="start", pad="start"
    )
    x[:, :, 1:] = numbers.flatten().to_numpy().reshape(batch.num_rows, length, width - 1)
    return x


def _ids(groups: pa.Array, state: OrderState) -> NDArray[np.int64]:
    """(items,): a category's id; of a group that is none the last id."""
    places = pc.index_in(groups, value_set=pa.array(state.groups, pa.string())).fill_null(len(state.groups))
    found: NDArray[np.int64] = places.to_numpy(zero_copy_only=False).astype(np.int64)
    return found + FIRST


def encoder(state: OrderState) -> Encoder:
    """For `mapInArrow`: a flat column `x` behind the others, in the place of the lists."""

    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            others = {name: batch.column(name) for name in batch.schema.names if name not in LISTS}
            yield pa.record_batch(others | {"x": tensor_array(encode(batch, state), "float")})

    return each
