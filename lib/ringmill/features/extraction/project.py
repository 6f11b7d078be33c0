"""Rows × directions, with bits that depend on the row alone; and what makes fitted directions repeatable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from ringmill.features.sparse import Entries
from ringmill.features.twofold import Floats

# Rows at once: bounds what a large batch holds beside its result.
BLOCK = 16_384
# Sums and solvers of another machine differ in the last bits; twelve digits make the state, and its hash, repeatable.
DIGITS = 12
Rows = tuple[tuple[float, ...], ...]


class Columns(Protocol):
    """What a part reads of a batch."""

    def numbers(self, name: str, *, nulls: bool) -> Floats:
        """(rows,) float64; where `nulls` is false a null is an error."""

    def array(self, name: str) -> pa.Array:
        """(rows,) as it is in the batch."""


def matrix_of(columns: Columns, names: Sequence[str]) -> Floats:
    """(rows, len(names)) of number columns without nulls."""
    return np.stack([columns.numbers(name, nulls=False) for name in names], axis=1)


def project(matrix: Floats, directions: Floats) -> Floats:
    """(rows, columns), (directions, columns) → (rows, directions): the products' sums, from the first column on.

    A matrix product of BLAS sums in an order that depends on the number of rows: a row scored alone gets other last
    bits than in its batch. Here each output is a chain of single products and sums in the columns' order, the same on
    every machine. The cost: seven times BLAS' time (50 columns to 10: 3 million rows a second on one core).
    """
    out = np.empty((len(matrix), len(directions)))
    for start in range(0, len(matrix), BLOCK):
        block = np.ascontiguousarray(matrix[start : start + BLOCK].T)
        total = np.zeros((len(directions), block.shape[1]))
        term = np.empty_like(total)
        for place, values in enumerate(block):
            np.multiply(directions[:, place, None], values[None, :], out=term)
            total += term
        out[start : start + BLOCK] = total.T
    return out


def project_sparse(rows: Entries, directions: Floats) -> Floats:
    """(rows) of entries, (directions, terms) → (rows, directions): each row's entries summed in their order."""
    columns = np.ascontiguousarray(directions.T)
    lengths = np.diff(rows.offsets)
    total = np.zeros((len(lengths), len(directions)))
    for place in range(lengths.max(initial=0)):
        longer = np.flatnonzero(lengths > place)
        entry = rows.offsets[longer] + place
        total[longer] += rows.values[entry, None] * columns[rows.indices[entry]]
    return total


def turned(directions: Floats, spread: Floats) -> Floats:
    """(directions, columns), (columns) deviations → the directions, repeatable, their leading loading positive.

    Leading is the loading of greatest magnitude, the first of those that are equal to 10 digits: the sign is that of
    scikit-learn's PCA and TruncatedSVD (`svd_flip` by loadings) where no two are. Each loading, times its column's
    deviation, is rounded to DIGITS decimals of the greatest such product: a column of large numbers has small loadings.
    """
    magnitudes = np.abs(directions)
    relative = np.round(magnitudes / _or_one(magnitudes.max(axis=1, initial=0.0))[:, None], DIGITS - 2)
    leading = np.take_along_axis(directions, relative.argmax(axis=1)[:, None], axis=1)
    weights = _or_one(repeatable(spread))
    scale = _or_one(repeatable((magnitudes * weights).max(axis=1, initial=0.0)))[:, None]
    rounded = np.round(directions * weights / scale, DIGITS)
    # + 0.0: no zero is negative.
    return np.where(leading < 0, -rounded, rounded) * scale / weights + 0.0


def _or_one(values: Floats) -> Floats:
    return np.where(values > 0, values, 1.0)


def repeatable(values: Floats) -> Floats:
    """Each rounded to DIGITS significant digits."""
    flat = [float(f"{value:.{DIGITS - 1}e}") for value in values.reshape(-1)]
    return np.array(flat, dtype=np.float64).reshape(values.shape)


def plain(values: Floats) -> tuple[float, ...]:
    """(n) → plain data."""
    return tuple(values.tolist())


def plain_rows(values: Floats) -> Rows:
    """(n, columns) → plain data."""
    return tuple(plain(row) for row in values)
