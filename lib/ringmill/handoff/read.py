"""Row ranges of Parquet files to NumPy columns: whole columns at a time, only the row groups that a range touches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ringmill.errors import InputError
from ringmill.handoff.manifest import Manifest
from ringmill.handoff.plan import RowRange
from ringmill.handoff.storage import open_file

COLUMNS = ("row_id", "x", "label_buy", "label_spend")


@dataclass(frozen=True)
class Rows:
    """Decoded rows: row_id (n,) int64, x (n, features) float32, label_buy and label_spend (n,) float64."""

    row_id: NDArray[np.int64]
    x: NDArray[np.float32]
    label_buy: NDArray[np.float64]
    label_spend: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.row_id)

    def take(self, order: NDArray[np.int64]) -> Rows:
        return Rows(self.row_id[order], self.x[order], self.label_buy[order], self.label_spend[order])


def empty_rows(features: int) -> Rows:
    """No rows, of the right shapes."""
    return Rows(np.zeros(0, np.int64), np.zeros((0, features), np.float32), np.zeros(0), np.zeros(0))


def read_rows(manifest: Manifest, ranges: Sequence[RowRange], *, features: int) -> Rows:
    """Decode `ranges`, in their order.

    Raises:
        PlanError: a file is gone.
        InputError: a column is missing, null, not finite or of another length; the message names column and file.
    """
    parts = [_read_range(manifest.files[piece.file].path, piece, features) for piece in ranges]
    if len(parts) < 2:
        return parts[0] if parts else empty_rows(features)
    return Rows(
        np.concatenate([part.row_id for part in parts]),
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.label_buy for part in parts]),
        np.concatenate([part.label_spend for part in parts]),
    )


def _read_range(path: str, piece: RowRange, features: int) -> Rows:
    with open_file(path) as file:
        parquet = pq.ParquetFile(file)
        _check_columns(path, parquet.schema_arrow.names)
        groups, begin = _touched(parquet.metadata, piece)
        table = parquet.read_row_groups(groups, columns=list(COLUMNS), use_threads=False)
    rows = table.slice(piece.start - begin, piece.stop - piece.start).combine_chunks()
    return Rows(
        _scalar(path, "row_id", rows.column("row_id")).astype(np.int64, copy=False),
        _vectors(path, rows.column("x"), features),
        _scalar(path, "label_buy", rows.column("label_buy")).astype(np.float64, copy=False),
        _scalar(path, "label_spend", rows.column("label_spend")).astype(np.float64, copy=False),
    )


def _check_columns(path: str, present: Iterable[str]) -> None:
    there = list(present)
    for name in COLUMNS:
        if name not in there:
            raise InputError.differs(path, name, "a column of that name", f"columns {', '.join(there)}")


def _touched(metadata: pq.FileMetaData, piece: RowRange) -> tuple[list[int], int]:
    """The row groups that hold the range, and the row of the file at which the first of them begins."""
    ends = np.cumsum([metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)])
    first = int(np.searchsorted(ends, piece.start, side="right"))
    last = int(np.searchsorted(ends, piece.stop, side="left"))
    return list(range(first, last + 1)), int(ends[first - 1]) if first else 0


def _scalar(path: str, name: str, column: pa.ChunkedArray) -> NDArray[Any]:
    if column.null_count:
        raise InputError.differs(path, name, "a value in every row", f"{column.null_count} nulls")
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise InputError.differs(path, name, "a number", str(column.type))
    values: NDArray[Any] = column.to_numpy()
    if not np.isfinite(values).all():
        raise InputError.differs(path, name, "finite numbers", "NaN or infinity")
    return values


def _vectors(path: str, column: pa.ChunkedArray, features: int) -> NDArray[np.float32]:
    """list<float> (n rows) → (n, features)."""
    lists = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    if lists.null_count:
        raise InputError.differs(path, "x", "a list in every row", f"{lists.null_count} nulls")
    lengths = np.unique(lists.value_lengths().to_numpy(zero_copy_only=False))
    if any(lengths != features):
        found = ", ".join(str(length) for length in lengths)
        raise InputError.differs(path, "x", f"lists of {features} numbers", f"lists of {found} numbers")
    values = lists.flatten()
    if values.null_count:
        raise InputError.differs(path, "x", "a number in every place", f"{values.null_count} nulls")
    flat: NDArray[np.float32] = values.to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    if not np.isfinite(flat).all():
        raise InputError.differs(path, "x", "finite numbers", "NaN or infinity")
    return flat.reshape(len(lists), features)
