"""Texts, whole numbers and truth values, or combinations of them, to numbers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ringmill.errors import InputError
from ringmill.features.columns_of import SEPARATOR, WHERE, Columns, Matrix
from ringmill.features.scaling import one_hot


def places(texts: pa.Array, values: tuple[str, ...]) -> NDArray[np.int64]:
    """(rows,): the place of each row's category among `values`; len(values) for any other, and for null."""
    found = pc.index_in(texts, pa.array(values, pa.string()), skip_nulls=True)
    return np.asarray(found.fill_null(len(values)).to_numpy(zero_copy_only=False), dtype=np.int64)


@dataclass(frozen=True)
class Category:
    """What these parts share: the columns whose combination is the category, and the outputs' name."""

    refuses_null: ClassVar[bool] = False
    columns: tuple[str, ...]
    name: str

    @property
    def reads(self) -> tuple[str, ...]:
        return self.columns

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)


@dataclass(frozen=True)
class OneHot(Category):
    """A column of ones and zeros per known value, and with `other` a last one for unseen values and null."""

    kind: ClassVar[str] = "one_hot"
    values: tuple[str, ...]
    other: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        known = [shown(value) for value in self.values]
        other = "other"
        while other in known:
            other = f"any {other}"
        return tuple(f"{self.name} = {each}" for each in (*known, *([other] if self.other else [])))

    def apply(self, columns: Columns) -> Matrix:
        return one_hot(places(columns.texts(self.columns), self.values), len(self.values) + self.other)


@dataclass(frozen=True)
class Ordinal(Category):
    """The place of the value among `values`; −1: unseen, or null."""

    kind: ClassVar[str] = "ordinal"
    values: tuple[str, ...]

    def apply(self, columns: Columns) -> Matrix:
        found = places(columns.texts(self.columns), self.values)
        return np.where(found < len(self.values), found, -1.0)[:, None]


@dataclass(frozen=True)
class Hashed(Category):
    """The value's bucket, as one number (−1: null), or as ones and zeros (all 0: null)."""

    kind: ClassVar[str] = "hashed"
    buckets: int
    seed: int
    output: str

    @property
    def names(self) -> tuple[str, ...]:
        if self.output == "index":
            return (self.name,)
        return tuple(f"{self.name} in bucket {place}" for place in range(self.buckets))

    def apply(self, columns: Columns) -> Matrix:
        texts = columns.texts(self.columns).dictionary_encode()
        # Distinct values alone are hashed, and a last bucket stands for null.
        of = [*(bucket(value, self.buckets, self.seed) for value in texts.dictionary.to_pylist()), -1]
        rows = texts.indices.fill_null(len(of) - 1).to_numpy(zero_copy_only=False)
        found = np.asarray(of, np.int64)[rows]
        return one_hot(found, self.buckets) if self.output == "columns" else found.astype(np.float64)[:, None]


@lru_cache(maxsize=65_536)
def bucket(value: str, buckets: int, seed: int) -> int:
    """From 0 to buckets − 1: the first 64 bits of BLAKE2b, keyed with the seed, of the value's UTF-8 bytes."""
    digest = hashlib.blake2b(value.encode(), digest_size=8, key=str(seed).encode()).digest()
    return int.from_bytes(digest, "big") % buckets


@dataclass(frozen=True)
class Frequency(Category):
    """The share of the train rows with the value; 0: unseen. `null`: the share of the train rows that have none."""

    kind: ClassVar[str] = "frequency"
    values: tuple[str, ...]
    shares: tuple[float, ...]
    null: float

    def apply(self, columns: Columns) -> Matrix:
        texts = columns.texts(self.columns)
        found = np.asarray([*self.shares, 0.0])[places(texts, self.values)]
        is_null = texts.is_null().to_numpy(zero_copy_only=False)
        return np.where(is_null, self.null, found)[:, None]


@dataclass(frozen=True)
class Target(Category):
    """The label's smoothed mean by value, out of fold: the one exception to one state for all rows (law 9).

    `full` holds per value the mean over all folds, and last that of unseen values and null; `folds` per fold the same
    over all other folds. A row with a fold, a train row, is encoded with its fold's; any other with `full`.
    """

    kind: ClassVar[str] = "target"
    values: tuple[str, ...]
    full: tuple[float, ...]
    folds: tuple[tuple[float, ...], ...]

    def apply(self, columns: Columns) -> Matrix:
        found, folds = places(columns.texts(self.columns), self.values), columns.folds()
        if len(folds) and folds.max() >= len(self.folds):
            raise InputError.differs(WHERE, "fold", f"a fold below {len(self.folds)}", f"fold {folds.max()}")
        tables = np.asarray([*self.folds, self.full], np.float64)
        return tables[np.where(folds < 0, len(self.folds), folds), found][:, None]


def shown(value: str) -> str:
    """A category as a person reads it: a combination's values are joined by ' × ', and a × of their own is '\\×'."""
    parts = value.split(SEPARATOR)
    return value if len(parts) == 1 else " × ".join(part.replace("\\", "\\\\").replace("×", "\\×") for part in parts)
