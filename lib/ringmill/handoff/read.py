"""Row ranges of Parquet files to NumPy columns: streamed in batches, only the row groups that a range touches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ringmill.errors import InputError
from ringmill.handoff.columns import ROW_ID, Columns, Rows, decode
from ringmill.handoff.manifest import DataFile, Manifest
from ringmill.handoff.plan import RowRange
from ringmill.handoff.storage import open_file

# Rows that are decoded or scored at once: so many, or fewer where their inputs would be more than so many bytes.
ROWS_AT_ONCE, BYTES_AT_ONCE = 2**15, 2**25
# Of a column's chunk, which may be as large as a row group, so much is in memory at a time.
BUFFER_BYTES = 2**20
# A smaller file is read whole: finding its footer alone reads 64 KiB of it, and its columns would come on top.
WHOLE_BYTES = 2**20


def rows_at_once(columns: Columns) -> int:
    """How many rows of a table are decoded or scored at once."""
    return max(1, min(ROWS_AT_ONCE, BYTES_AT_ONCE // max(1, columns.row_bytes)))


class RowStream:
    """The rows of `ranges`, in their order, decoded as they are asked for."""

    def __init__(self, manifest: Manifest, ranges: Iterable[RowRange], columns: Columns) -> None:
        self._columns, self._batches = columns, _batches(manifest, ranges, columns)
        self._rest: tuple[str, pa.RecordBatch] | None = None

    def fill(self, rows: Rows) -> None:
        """Decode the next len(rows) rows into places that are there already.

        Raises:
            PlanError: a file is gone.
            InputError: a column is missing, the file has another number of rows, or see `decode`; the message names
                column and file.
        """
        at = 0
        while at < len(rows):
            where, batch = self._rest or next(self._batches)
            part = batch.slice(0, len(rows) - at)
            decode(where, part, self._columns, rows.part(at, at + len(part)))
            at += len(part)
            self._rest = (where, batch.slice(len(part))) if len(part) < len(batch) else None


def _batches(manifest: Manifest, ranges: Iterable[RowRange], columns: Columns) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The rows of `ranges`, in their order, as Arrow batches of at most `rows_at_once`, each with its file's path.

    Raises:
        PlanError: a file is gone.
        InputError: a column is missing.
    """
    for piece in ranges:
        file = manifest.files[piece.file]
        for batch in _batches_of(file, piece, columns):
            yield file.path, batch


def _batches_of(data: DataFile, piece: RowRange, columns: Columns) -> Iterator[pa.RecordBatch]:
    with open_file(data.path) as file:
        source = pa.BufferReader(file.read()) if data.bytes <= WHOLE_BYTES else file
        parquet = pq.ParquetFile(source, buffer_size=BUFFER_BYTES, pre_buffer=False)
        _check_columns(data.path, parquet.schema_arrow.names, columns)
        if (rows := parquet.metadata.num_rows) != data.rows:
            raise InputError.differs(data.path, ROW_ID, f"{data.rows:,} rows, as the log says", f"{rows:,} rows")
        groups, begin = _touched(parquet.metadata, piece)
        skip, left = piece.start - begin, piece.stop - piece.start
        at_once = rows_at_once(columns)
        found = parquet.iter_batches(at_once, row_groups=groups, columns=list(columns.names), use_threads=False)
        for batch in found:
            part = batch.slice(skip, left)
            skip = max(skip - len(batch), 0)
            left -= len(part)
            if len(part):
                yield part
            if not left:
                return


def _check_columns(path: str, present: Iterable[str], columns: Columns) -> None:
    there = list(present)
    for name in columns.names:
        if name not in there:
            raise InputError.differs(path, name, "a column of that name", f"columns {', '.join(there)}")


def _touched(metadata: pq.FileMetaData, piece: RowRange) -> tuple[list[int], int]:
    """The row groups that hold the range, and the row of the file at which the first of them begins."""
    ends = np.cumsum([metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)])
    first = int(np.searchsorted(ends, piece.start, side="right"))
    last = int(np.searchsorted(ends, piece.stop, side="left"))
    return list(range(first, last + 1)), int(ends[first - 1]) if first else 0


def group_sizes(manifest: Manifest, first: int, last: int) -> NDArray[np.int64]:
    """(groups, 3) of the files first <= file < last: file, the row of it at which a row group begins, its rows."""
    found = [np.zeros((0, 3), np.int64)]
    for place in range(first, last):
        data = manifest.files[place]
        if not data.rows:
            continue
        with open_file(data.path) as file:
            metadata = pq.ParquetFile(file).metadata
        rows = np.array([metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)], np.int64)
        if rows.sum() != data.rows:
            raise InputError.differs(data.path, ROW_ID, f"{data.rows:,} rows, as the log says", f"{rows.sum():,} rows")
        found.append(np.stack([np.full(len(rows), place), np.cumsum(rows) - rows, rows], axis=1)[rows > 0])
    return np.concatenate(found)
