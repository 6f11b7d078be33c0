"""Arrow batch of measures → matrix of features: the only implementation, for Spark, ranks and scoring (law 9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa

from ringmill.errors import InputError
from ringmill.features.columns_of import WHERE, Columns, Matrix
from ringmill.features.state import State

Encoder = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def apply(batch: pa.RecordBatch, state: State, *, fold: str | None = None) -> np.ndarray:
    """(rows) of measures → (rows, features) float32, in the order of `state.names`.

    A batch without rows gives (0, features); unseen categories and nulls become what each part says of them. `fold`
    names the batch's column with the folds of its train rows (null: no train row); without it no row is one.

    Raises:
        InputError: a column of the state is missing, is of another type, holds NaN, or a null where none is allowed; or
            a feature comes out too large for float32.
    """
    with np.errstate(over="ignore"):
        matrix = _kept(outputs(batch, state, fold=fold), state).astype(np.float32)
    if not np.isfinite(matrix).all():
        bad = ~np.isfinite(matrix)
        name = state.kept[int(np.argmax(bad.any(axis=0)))]
        raise InputError.differs(
            WHERE, name, "a feature that is a float32", f"{int(bad.any(axis=1).sum()):,} rows without"
        )
    return matrix


def outputs(batch: pa.RecordBatch, state: State, *, fold: str | None = None) -> Matrix:
    """(rows) of measures → (rows, len(state.outputs)) float64: what every part gives. Raises InputError, as `apply`."""
    columns, found = Columns(batch, dict(state.inputs), fold=fold), [np.zeros((batch.num_rows, 0))]
    for part in state.parts:
        matrix = part.apply(columns)
        columns.add(part.names, matrix)
        found.append(matrix)
    return np.concatenate(found, axis=1)


def encoder(state: State, *, fold: str | None = None) -> Encoder:
    """A function for `mapInArrow`: batches of measures → the same batches with a last column x, list<float>."""

    def encode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            matrix = apply(batch, state, fold=fold)
            offsets = pa.array(np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1])
            yield batch.append_column("x", pa.ListArray.from_arrays(offsets, pa.array(matrix.reshape(-1))))

    return encode


def _kept(matrix: Matrix, state: State) -> Matrix:
    names = state.outputs
    if names == state.kept:
        return matrix
    places = {name: place for place, name in enumerate(names)}
    return matrix[:, [places[name] for name in state.kept]]
