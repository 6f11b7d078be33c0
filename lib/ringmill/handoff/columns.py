"""Which columns of a table training reads, and the rows that they are decoded to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ringmill.errors import ConfigError

ROW_ID = "row_id"


@dataclass(frozen=True)
class Input:
    """What the model sees of a row: `column` holds as many numbers as `shape` has places, the last axis fastest.

    `dtype` is what they are kept in: float32 of lists (of any kind, flat or nested) or single numbers, uint8 of a
    binary column, int32 of lists of whole numbers from 0 to below `ids`, which the model sees as they are. In float32
    with `ids` the first number of each place of the last axis is such a whole number.
    With `mean` and `scale`, one number of each per place of the last axis, the model sees (value − mean) × (1 ÷ scale).
    """

    column: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    ids: int = 0

    @property
    def length(self) -> int:
        """Numbers in a row."""
        return prod(self.shape)

    def check_ids(self, where: str) -> None:
        """Raises ConfigError where a row is not a list of ids."""
        if self.dtype != "int32" or len(self.shape) != 1:
            expected = "a model of another kind: this one reads lists of ids of tokens"
            raise ConfigError.bad_value(where, "train.model.kind", expected, f"{self.dtype} of shape {self.shape}")

    def check_places(self, where: str) -> None:
        """Raises ConfigError where a row is not a list of places, an id and numbers in each."""
        if self.dtype != "float32" or len(self.shape) != 2 or self.shape[1] < 2 or not self.ids:
            expected = "a model of another kind: this one reads orders, an id and numbers of each"
            raise ConfigError.bad_value(where, "train.model.kind", expected, f"{self.dtype} of shape {self.shape}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Self:
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in tree.items()
        }
        return cls(**fields)


@dataclass(frozen=True)
class Label:
    """What training learns of a row: `column` of the table as float64, under a name of its own.

    `kind` is 'number', 'log1p' (log(1 + number)), or 'class': the place of the value, read as text, among `classes`.
    `weights` says what a row counts by its class, or by its number rounded to 0 or 1; (): 1.
    `missing` is what becomes of a null: an error, or NaN, which a label with `weights` may not hold.
    """

    name: str
    column: str
    kind: Literal["number", "log1p", "class"] = "number"
    classes: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    missing: Literal["refused", "nan"] = "refused"


@dataclass(frozen=True)
class Columns:
    """What training reads of a row: its id, its input (None: the others alone), its labels, and what it weighs.

    A row's weight is its value of `sample_weight` times the weight of each label's class; 1 where nothing is named.
    """

    x: Input | None
    labels: tuple[Label, ...] = ()
    sample_weight: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the table, each once."""
        labels = (label.column for label in self.labels)
        wanted = (ROW_ID, self.x.column if self.x else None, *labels, self.sample_weight)
        return tuple(dict.fromkeys(name for name in wanted if name is not None))

    @property
    def weighted(self) -> bool:
        """Whether rows may weigh something else than 1."""
        return self.sample_weight is not None or any(label.weights for label in self.labels)

    @property
    def length(self) -> int:
        return self.x.length if self.x else 0

    @property
    def x_dtype(self) -> np.dtype[Any]:
        return np.dtype(self.x.dtype if self.x else "float32")

    @property
    def row_bytes(self) -> int:
        """Of a decoded row's input."""
        return self.length * self.x_dtype.itemsize


@dataclass(frozen=True)
class Rows:
    """Decoded rows: row_id (n,) int64; x (n, length) in its own dtype; each label by name, and weight, (n,) float64."""

    row_id: NDArray[np.int64]
    x: NDArray[Any]
    labels: Mapping[str, NDArray[np.float64]]
    weight: NDArray[np.float64]

    @classmethod
    def empty(cls, count: int, columns: Columns) -> Self:
        """`count` rows whose values are yet to come; the weights of rows that all weigh 1 take no memory."""
        x = np.empty((count, columns.length), columns.x_dtype)
        weight = np.empty(count) if columns.weighted else ones(count)
        labels = {label.name: np.empty(count) for label in columns.labels}
        return cls(np.empty(count, np.int64), x, labels, weight)

    def __len__(self) -> int:
        return len(self.row_id)

    def take(self, order: NDArray[np.integer[Any]]) -> Rows:
        labels = {name: values[order] for name, values in self.labels.items()}
        return Rows(self.row_id[order], self.x[order], labels, self.weight[order])

    def part(self, start: int, stop: int) -> Rows:
        """Rows start <= row < stop, without a copy."""
        at = slice(start, stop)
        labels = {name: values[at] for name, values in self.labels.items()}
        return Rows(self.row_id[at], self.x[at], labels, self.weight[at])


def ones(count: int) -> NDArray[np.float64]:
    """`count` ones in the memory of a single one; not to be written to."""
    return np.broadcast_to(np.float64(1.0), (count,))
