"""The fitted parts that read texts: weights of their terms, and their tokens as whole numbers. No JVM."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ringmill.features.categories import bucket
from ringmill.features.columns_of import Columns, Matrix
from ringmill.features.lists import Listed, Listing, list_array, padded, tensor_array
from ringmill.features.sparse import Entries
from ringmill.features.text.tokens import Tokenising, Tokens


@dataclass(frozen=True)
class Weights(Tokenising, Listing):
    """What the two kinds of weights share: a row is sparse, and becomes columns of x or two columns of lists.

    `norm` 'l2': over the root of the row's sum of squares. A row without terms, null too, is all 0, its lists empty.
    """

    norm: str
    output: str

    @property
    def names(self) -> tuple[str, ...]:
        return self.terms if self.output == "columns" else ()

    @property
    def lists(self) -> tuple[Listed, ...]:
        if self.output == "columns":
            return ()
        return Listed(f"{self.name} indices", "int32", terms=self.width), Listed(f"{self.name} values", "double")

    @property
    @abstractmethod
    def width(self) -> int:
        """How many terms there are."""

    @property
    @abstractmethod
    def terms(self) -> tuple[str, ...]:
        """A name per term."""

    @abstractmethod
    def counted(self, columns: Columns) -> Entries:
        """How often each row has each term, before `norm`."""

    def entries(self, columns: Columns) -> Entries:
        """(rows) → their terms' weights, by ascending index within a row."""
        found = self.counted(columns)
        if self.norm == "none":
            return found
        row = _rows_of(found)
        lengths = np.sqrt(np.bincount(row, weights=found.values**2, minlength=columns.rows))
        return Entries(found.terms, found.offsets, found.indices, found.values / lengths[row])

    def apply(self, columns: Columns) -> Matrix:
        if self.output == "lists":
            return np.zeros((columns.rows, 0))
        found = self.entries(columns)
        matrix = np.zeros((columns.rows, found.terms))
        matrix[_rows_of(found), found.indices] = found.values
        return matrix

    def arrays(self, columns: Columns) -> tuple[pa.Array, ...]:
        if self.output == "columns":
            return ()
        found = self.entries(columns)
        return list_array(found.indices, found.offsets, "int32"), list_array(found.values, found.offsets, "double")


@dataclass(frozen=True)
class Tfidf(Weights):
    """Counts of the vocabulary's terms, each times its `idf`; without `idf` counts alone. Other terms count nothing."""

    kind: ClassVar[str] = "tfidf"
    values: tuple[str, ...]
    idf: tuple[float, ...]

    @property
    def terms(self) -> tuple[str, ...]:
        return tuple(f"{self.name} {term}" for term in self.values)

    @property
    def width(self) -> int:
        return len(self.values)

    def counted(self, columns: Columns) -> Entries:
        found = self.tokens_of(columns)
        place = places_of(found, self.values)
        known = place >= 0
        counts = _counts(columns.rows, self.width, found.row[known], place[known])
        if not self.idf:
            return counts
        weights = counts.values * np.asarray(self.idf)[counts.indices]
        return Entries(counts.terms, counts.offsets, counts.indices, weights)


@dataclass(frozen=True)
class HashedText(Weights):
    """Counts of the terms in each bucket."""

    kind: ClassVar[str] = "hashed_text"
    buckets: int
    seed: int

    @property
    def terms(self) -> tuple[str, ...]:
        return tuple(f"{self.name} in bucket {place}" for place in range(self.buckets))

    @property
    def width(self) -> int:
        return self.buckets

    def counted(self, columns: Columns) -> Entries:
        found = self.tokens_of(columns).named()
        of = [bucket(term, self.buckets, self.seed) for term in found.distinct.to_pylist()]
        return _counts(columns.rows, self.buckets, found.row, np.asarray(of, np.int64)[found.which])


@dataclass(frozen=True)
class TokenIds(Tokenising, Listing):
    """Tokens as 2 + their place in the vocabulary, 1 for others; cut to `length`, or filled up with 0."""

    kind: ClassVar[str] = "token_ids"
    values: tuple[str, ...]
    length: int
    truncate: str
    pad: str

    @property
    def names(self) -> tuple[str, ...]:
        return ()

    @property
    def lists(self) -> tuple[Listed, ...]:
        return (Listed(self.name, "int32", (self.length,)),)

    def apply(self, columns: Columns) -> Matrix:
        return np.zeros((columns.rows, 0))

    def arrays(self, columns: Columns) -> tuple[pa.Array, ...]:
        found = self.tokens_of(columns)
        ids = (places_of(found, self.values) + 2).astype(np.int32)
        tensor = padded(columns.rows, found.row, ids, length=self.length, truncate=self.truncate, pad=self.pad)
        return (tensor_array(tensor, "int32"),)


def places_of(tokens: Tokens, values: tuple[str, ...]) -> NDArray[np.int64]:
    """(occurrences): the token's place among `values`; −1 for another one."""
    found = pc.index_in(tokens.distinct, pa.array(values, pa.string()))
    places = np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
    return places[tokens.which]


def _counts(rows: int, terms: int, row: NDArray[np.int64], place: NDArray[np.int64]) -> Entries:
    """Occurrences → entries with their counts, by row and ascending term."""
    keys, counts = np.unique(row * terms + place, return_counts=True)
    offsets = np.searchsorted(keys, np.arange(rows + 1) * terms)
    return Entries(terms, offsets.astype(np.int64), keys % max(terms, 1), counts.astype(np.float64))


def _rows_of(found: Entries) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(found.offsets) - 1), np.diff(found.offsets))
