"""The decoded rows of a split in one stretch of memory, with a padding row, and the order of their ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ringmill.errors import LawError
from ringmill.handoff.columns import Columns, Rows, ones
from ringmill.handoff.memory import Memory, aligned
from ringmill.handoff.plan import place_dtype, share

BLOCK = 2**17


@dataclass(frozen=True)
class Decoded:
    """`n` rows, each column in one stretch, in the order in which they were read, and after the last the padding row.

    row_id, each label by name (n + 1,); weight (n,); x (n + 1, length); order (n + 1,): the places of the rows by
    ascending id, then n: by it the layout of files is forgotten.
    """

    row_id: NDArray[np.int64]
    x: NDArray[Any]
    labels: Mapping[str, NDArray[np.float64]]
    weight: NDArray[np.float64]
    order: NDArray[Any]

    @classmethod
    def lay(cls, count: int, columns: Columns, memory: Memory, *, at: int = 0) -> Self:
        """Places for `count` rows, from byte `at` of the memory on."""
        arrays: dict[str, NDArray[Any]] = {}
        for name, shape, dtype in _shapes(count, columns):
            arrays[name] = memory.array(at, shape, dtype)
            at += aligned(arrays[name].nbytes)
        labels = {label.name: arrays[_key(label.name)] for label in columns.labels}
        weight = arrays.get("weight", ones(count))
        return cls(arrays["row_id"], arrays["x"], labels, weight, arrays["order"])

    def __len__(self) -> int:
        return len(self.row_id) - 1

    @property
    def rows(self) -> Rows:
        """The rows, as they were read, without a copy."""
        count = len(self)
        labels = {name: values[:count] for name, values in self.labels.items()}
        return Rows(self.row_id[:count], self.x[:count], labels, self.weight)

    def first(self, count: int) -> Decoded:
        """The first `count` places alone, one more for padding behind them; without an order."""
        labels = {name: values[: count + 1] for name, values in self.labels.items()}
        return Decoded(self.row_id[: count + 1], self.x[: count + 1], labels, self.weight[:count], self.order[:0])

    def pad(self, fill: float) -> None:
        """Fill the padding row: with a number that must reach no result (law 4)."""
        for column in (self.row_id, self.x, *self.labels.values()):
            limit = np.iinfo(column.dtype).max if column.dtype.kind in "iu" else np.inf
            column[-1] = limit if fill >= limit else fill

    def sort(self, table: str) -> None:
        """Find the order of the ids.

        Raises:
            LawError: an id occurs twice.
        """
        order = np.argsort(self.row_id[:-1])
        self.order[:-1], self.order[-1] = order, len(self)
        for start in range(0, len(self) - 1, BLOCK):
            ids = self.row_id[order[start : start + BLOCK + 1]]
            if (repeated := ids[1:][np.diff(ids) == 0]).size:
                law, wanted = "Law 4 (each row exactly once)", "distinct row_id"
                raise LawError.broken(law, table, wanted, str(repeated[:5]))

    def blocks(self, rank: int, ranks: int, *, size: int) -> Iterator[Rows]:
        """This rank's rows, at most `size` at a time, so that block after block and rank after rank ids ascend."""
        for start in range(0, len(self), size * ranks):
            count = min(size * ranks, len(self) - start)
            first, last = share(count, rank, ranks)
            yield self.rows.take(self.order[start + first : start + last])


def decoded_bytes(count: int, columns: Columns) -> int:
    """What `Decoded.lay` takes for `count` rows."""
    return sum(
        aligned(int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize)
        for _, shape, dtype in _shapes(count, columns)
    )


def _shapes(count: int, columns: Columns) -> list[tuple[str, tuple[int, ...], Any]]:
    shapes: list[tuple[str, tuple[int, ...], Any]] = [
        ("row_id", (count + 1,), np.int64),
        ("x", (count + 1, columns.length), columns.x_dtype),
        *((_key(label.name), (count + 1,), np.float64) for label in columns.labels),
        ("order", (count + 1,), place_dtype(count)),
    ]
    return [*shapes, ("weight", (count,), np.float64)] if columns.weighted else shapes


def _key(label: str) -> str:
    """Labels are named by the task: apart from the columns of every table."""
    return f"label {label}"
