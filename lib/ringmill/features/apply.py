"""Arrow batch of measures → matrix of features: the only implementation, for Spark, ranks and scoring (law 9)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

import numpy as np
import pyarrow as pa

from ringmill.errors import InputError
from ringmill.features.columns_of import WHERE, Columns, Matrix
from ringmill.features.lists import Listing, tensor_array
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
    return _narrow(outputs(batch, state, fold=fold), state)


def tensors(batch: pa.RecordBatch, state: State, *, fold: str | None = None) -> tuple[np.ndarray, dict[str, pa.Array]]:
    """(rows) of measures → x, as `apply`, and by name the tensors beside it: (rows) lists of their numbers, flat.

    Raises:
        InputError: see `apply`.
    """
    matrix, lists = everything(batch, state, fold=fold, lists=state.tensors)
    return _narrow(matrix, state), {name: lists[name] for name in state.tensors}


def _narrow(matrix: Matrix, state: State) -> np.ndarray:
    """All outputs → those of x, as float32. Raises InputError: one is too large for it."""
    with np.errstate(over="ignore"):
        matrix = _kept(matrix, state).astype(np.float32)
    if not np.isfinite(matrix).all():
        bad = ~np.isfinite(matrix)
        name = state.kept[int(np.argmax(bad.any(axis=0)))]
        raise InputError.differs(
            WHERE, name, "a feature that is a float32", f"{int(bad.any(axis=1).sum()):,} rows without"
        )
    return matrix


def outputs(batch: pa.RecordBatch, state: State, *, fold: str | None = None) -> Matrix:
    """(rows) of measures → (rows, len(state.outputs)) float64: what every part gives. Raises InputError, as `apply`."""
    return everything(batch, state, fold=fold, lists=())[0]


def everything(
    batch: pa.RecordBatch, state: State, *, fold: str | None, lists: Collection[str]
) -> tuple[Matrix, dict[str, pa.Array]]:
    """(rows) of measures → what `outputs` gives, and by name the columns of lists that parts read or `lists` names.

    Lists that nobody asks for are not made: scoring reads x alone.
    """
    wanted = {*lists, *(name for part in state.parts for name in part.reads)}
    columns, found = Columns(batch, dict(state.inputs), fold=fold), [np.zeros((batch.num_rows, 0))]
    made: dict[str, pa.Array] = {}
    for part in state.parts:
        matrix = part.apply(columns)
        columns.add(part.names, matrix)
        found.append(matrix)
        if isinstance(part, Listing) and (names := [listed.name for listed in part.lists]) and wanted & set(names):
            made |= zip(names, part.arrays(columns), strict=True)
            columns.add_lists(names, [made[name] for name in names])
    return np.concatenate(found, axis=1), made


def encoder(state: State, *, fold: str | None = None) -> Encoder:
    """A function for `mapInArrow`: batches of measures → the same with the columns x, list<float>, and the tensors."""

    def encode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            matrix, beside = tensors(batch, state, fold=fold)
            arrays = [*batch.columns, tensor_array(matrix, "float"), *beside.values()]
            yield pa.RecordBatch.from_arrays(arrays, names=[*batch.schema.names, "x", *beside])

    return encode


def _kept(matrix: Matrix, state: State) -> Matrix:
    names = state.outputs
    if names == state.kept:
        return matrix
    places = {name: place for place, name in enumerate(names)}
    return matrix[:, [places[name] for name in state.kept]]
