"""Tensors in a binary column: (rows, height, width, channels) uint8 as one buffer, in and out without a copy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ringmill.errors import InputError
from ringmill.features.images.decode import Pixels

WHERE = "the images' table"


def column_of(pixels: Pixels, rows: int, places: Sequence[int]) -> pa.BinaryArray:
    """(len(places), height, width, channels) → (rows,) binary: images stand at `places`, ascending; others are null.

    Bytes are in the order of the axes: row by row, pixel by pixel, channel by channel.
    """
    valid = np.zeros(rows, np.bool_)
    valid[list(places)] = True
    offsets = np.concatenate([[0], np.cumsum(valid * int(np.prod(pixels.shape[1:])))]).astype(np.int32)
    validity = pa.py_buffer(np.packbits(valid, bitorder="little"))
    data = pa.py_buffer(np.ascontiguousarray(pixels).reshape(-1))
    return pa.Array.from_buffers(pa.binary(), rows, [validity, pa.py_buffer(offsets), data])


def pixels_of(column: pa.Array, shape: tuple[int, int, int], *, name: str = "pixels") -> Pixels:
    """(rows,) binary → (rows, height, width, channels) uint8: a read-only view of Arrow's buffer.

    Raises:
        InputError: a row is null, or of another length than the shape's.
    """
    size, rows = int(np.prod(shape)), len(column)
    if column.null_count:
        raise InputError.differs(WHERE, name, f"{size:,} bytes in every row", f"{column.null_count:,} nulls")
    if not rows:
        return np.zeros((0, *shape), np.uint8)
    _, where, data = column.buffers()
    offsets = np.frombuffer(where, np.int32, rows + 1, column.offset * 4)
    if wrong := int((np.diff(offsets) != size).sum()):
        raise InputError.differs(WHERE, name, f"{size:,} bytes in every row", f"{wrong:,} rows of other lengths")
    view: NDArray[np.uint8] = np.frombuffer(data, np.uint8, rows * size, int(offsets[0]))
    return view.reshape(rows, *shape)
