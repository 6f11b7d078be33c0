"""Arrow batch of measures → matrix of features: the only implementation, for Spark, ranks and scoring (law 9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringmill.errors import InputError
from ringmill.features.state import Categories, Numeric, State


def apply(batch: pa.RecordBatch, state: State) -> np.ndarray:
    """(rows) of measures → (rows, features) float32, in the order of `state.names`.

    Raises:
        InputError: a column of the state is missing, is of another type, or holds a null that its measure cannot be.
    """
    columns = [_scaled(batch, part) for part in state.numeric]
    columns += [_is_null(batch, part) for part in state.numeric if part.indicator]
    for categories in state.categories:
        columns += _one_hot(batch, categories)
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((batch.num_rows, 0), np.float32)


def encoder(state: State) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A function for `mapInArrow`: batches of measures → the same batches with a last column x, list<float>."""

    def encode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            matrix = apply(batch, state)
            offsets = pa.array(np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1])
            yield batch.append_column("x", pa.ListArray.from_arrays(offsets, pa.array(matrix.reshape(-1))))

    return encode


def _column(batch: pa.RecordBatch, name: str, type_: pa.DataType) -> pa.Array:
    index = batch.schema.get_field_index(name)
    if index < 0:
        raise InputError.missing_columns("the features' input", [name], batch.schema.names)
    found = batch.column(index)
    if found.type != type_:
        raise InputError.differs("the features' input", name, f"type {type_}", f"type {found.type}")
    return found


def _scaled(batch: pa.RecordBatch, part: Numeric) -> np.ndarray:
    values = _column(batch, part.name, pa.float64())
    if values.null_count and not part.indicator:
        raise InputError.differs(
            "the features' input", part.name, "no null: this measure is always known", f"{values.null_count} nulls"
        )
    numbers = values.fill_null(np.nan).to_numpy(zero_copy_only=False)
    shaped = np.log1p(np.maximum(numbers, 0.0)) if part.log else numbers
    scaled = (shaped - part.mean) / part.std
    return np.where(np.isnan(scaled), 0.0, scaled)


def _is_null(batch: pa.RecordBatch, part: Numeric) -> np.ndarray:
    nulls = _column(batch, part.name, pa.float64()).is_null()
    return np.asarray(nulls.to_numpy(zero_copy_only=False), dtype=np.float64)


def _one_hot(batch: pa.RecordBatch, categories: Categories) -> list[np.ndarray]:
    found = _column(batch, categories.name, pa.string())
    index = pc.index_in(found, pa.array(categories.values, pa.string())).fill_null(len(categories.values)).to_numpy()
    return [(index == position).astype(np.float64) for position in range(len(categories.values) + 1)]
