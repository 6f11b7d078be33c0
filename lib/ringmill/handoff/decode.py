"""Arrow columns of each kind to NumPy, into places that are there; what a column may not hold is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ringmill.errors import InputError
from ringmill.handoff.columns import ROW_ID, Columns, Input, Label, Rows


def decode(where: str, batch: pa.RecordBatch, columns: Columns, into: Rows) -> None:
    """A batch of a file → the rows `into`, which are as many.

    Raises:
        InputError: a value is null, not finite, of another length or out of its range, or a class is not known; names
            the column and `where`.
    """
    into.row_id[:] = _numbers(where, ROW_ID, batch.column(ROW_ID))
    for label in columns.labels:
        into.labels[label.name][:] = _label(where, label, batch.column(label.column))
    if columns.x is not None:
        _decode_input(where, batch.column(columns.x.column), columns.x, into.x)
    if columns.weighted:
        into.weight[:] = _weights(where, batch, columns, into.labels)


def _label(where: str, label: Label, column: pa.Array) -> NDArray[Any]:
    if label.missing == "refused":
        return _all_known(where, label, column)
    values, known = np.full(len(column), np.nan), column.is_valid()
    values[known.to_numpy(zero_copy_only=False)] = _all_known(where, label, column.filter(known))
    return values


def _all_known(where: str, label: Label, column: pa.Array) -> NDArray[Any]:
    if label.kind == "class":
        return _classes(where, label, column)
    values = _numbers(where, label.column, column)
    return np.log1p(values, dtype=np.float64) if label.kind == "log1p" else values


def _classes(where: str, label: Label, column: pa.Array) -> NDArray[Any]:
    if column.null_count:
        raise InputError.differs(where, label.column, "a class in every row", f"{column.null_count} nulls")
    found = pc.index_in(class_names(where, label.column, column), value_set=pa.array(label.classes, pa.string()))
    if found.null_count:
        unknown = pc.unique(column.filter(found.is_null())).to_pylist()
        raise InputError.unknown_classes(where, label.column, label.classes, unknown, found.null_count)
    places: NDArray[Any] = found.to_numpy(zero_copy_only=False)
    return places


def class_names(where: str, name: str, column: pa.Array) -> pa.Array:
    """(rows) of text or whole numbers → their text. Raises InputError where they are something else."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)):
        raise InputError.differs(where, name, "a class as text or as a whole number", str(kind))
    return column.cast(pa.string())


def _weights(
    where: str, batch: pa.RecordBatch, columns: Columns, labels: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    weight = np.ones(len(batch))
    for label in columns.labels:
        if label.weights:
            weight *= _by_class(labels[label.name], label.weights)
    if (name := columns.sample_weight) is None:
        return weight
    values = _numbers(where, name, batch.column(name))
    if len(values) and values.min() < 0:
        raise InputError.differs(where, name, "weights of at least 0", f"{values.min():g}")
    weight *= values
    return weight


def _by_class(values: NDArray[np.float64], weights: Sequence[float]) -> NDArray[np.float64]:
    """The weight of each value's class, which is the whole number nearest to it; one half is 1."""
    places = np.clip(np.floor(values + 0.5), 0, len(weights) - 1).astype(np.int64)
    found: NDArray[np.float64] = np.asarray(weights, np.float64)[places]
    return found


def _numbers(where: str, name: str, column: pa.Array) -> NDArray[Any]:
    if column.null_count:
        raise InputError.differs(where, name, "a value in every row", f"{column.null_count} nulls")
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise InputError.differs(where, name, "a number", str(column.type))
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    if not np.isfinite(values).all():
        raise InputError.differs(where, name, "finite numbers", "NaN or infinity")
    return values


def _decode_input(where: str, column: pa.Array, wanted: Input, into: NDArray[Any]) -> None:
    """(n rows) of `wanted` → into (n, length)."""
    if wanted.dtype == "uint8":
        _decode_bytes(where, column, wanted, into)
    elif _is_list(column.type):
        _decode_lists(where, column, wanted, into)
    elif wanted.length == 1 and wanted.dtype == "float32":
        _assign(where, wanted.column, _numbers(where, wanted.column, column), into)
    else:
        raise InputError.differs(where, wanted.column, f"lists of {wanted.length} numbers", str(column.type))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _decode_lists(where: str, column: pa.Array, wanted: Input, into: NDArray[Any]) -> None:
    """Flat lists of `wanted.length` numbers, or nested ones with a level per axis."""
    name, values = wanted.column, column
    sizes = wanted.shape if _is_list(column.type.value_type) else (wanted.length,)
    for size in sizes:
        if not _is_list(values.type):
            raise InputError.differs(where, name, f"lists within lists, {wanted.shape}", str(column.type))
        values = _flattened(where, name, values, size)
    if _is_list(values.type):
        raise InputError.differs(where, name, f"lists within lists, {wanted.shape}", str(column.type))
    if values.null_count:
        raise InputError.differs(where, name, "a number in every place", f"{values.null_count} nulls")
    if wanted.dtype == "int32":
        _check_ids(where, wanted, values)
    _assign(where, name, values.to_numpy(zero_copy_only=False), into)
    if wanted.dtype == "float32" and wanted.ids:
        _check_first_ids(where, wanted, into)


def _check_ids(where: str, wanted: Input, values: pa.Array) -> None:
    if not pa.types.is_integer(values.type):
        raise InputError.differs(where, wanted.column, "whole numbers", str(values.type))
    least, most = pc.min_max(values).as_py().values()
    if len(values) and not 0 <= least <= most < wanted.ids:
        raise InputError.differs(where, wanted.column, f"ids from 0 to {wanted.ids - 1:,}", f"{least:,} to {most:,}")


def _check_first_ids(where: str, wanted: Input, values: NDArray[Any]) -> None:
    found = values.reshape(-1, wanted.shape[-1])[:, 0]
    if odd := int(((found != np.floor(found)) | (found < 0) | (found >= wanted.ids)).sum()):
        expected = f"ids from 0 to {wanted.ids - 1:,} as the first of each {wanted.shape[-1]} numbers"
        raise InputError.differs(where, wanted.column, expected, f"{odd:,} places with something else")


def _flattened(where: str, name: str, column: pa.Array, size: int) -> pa.Array:
    """(n) lists of `size` values each → (n · size) values."""
    if column.null_count:
        raise InputError.differs(where, name, "a list in every row", f"{column.null_count} nulls")
    lengths = np.unique(column.value_lengths().to_numpy(zero_copy_only=False))
    if any(lengths != size):
        found = ", ".join(str(length) for length in lengths)
        raise InputError.differs(where, name, f"lists of {size} numbers", f"lists of {found} numbers")
    return column.flatten()


def _assign(where: str, name: str, values: NDArray[Any], into: NDArray[Any]) -> None:
    # A float64 beyond float32's range becomes infinite: found below, like one that came so.
    with np.errstate(over="ignore"):
        into[:] = values.reshape(into.shape)
    if not np.isfinite(into).all():
        raise InputError.differs(where, name, "finite numbers", "NaN or infinity")


def _decode_bytes(where: str, column: pa.Array, wanted: Input, into: NDArray[Any]) -> None:
    name, size = wanted.column, wanted.length
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        raise InputError.differs(where, name, f"binary values of {size:,} bytes", str(column.type))
    if column.null_count:
        raise InputError.differs(where, name, f"{size:,} bytes in every row", f"{column.null_count} nulls")
    if not len(column):
        return
    _, places, data = column.buffers()
    width = np.int64 if pa.types.is_large_binary(column.type) else np.int32
    offsets = np.frombuffer(places, width, len(column) + 1, column.offset * np.dtype(width).itemsize)
    if wrong := int((np.diff(offsets) != size).sum()):
        raise InputError.differs(where, name, f"{size:,} bytes in every row", f"{wrong} rows of other lengths")
    into[:] = np.frombuffer(data, np.uint8, into.size, int(offsets[0])).reshape(into.shape)
