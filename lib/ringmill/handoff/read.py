"""Row ranges of Parquet files to NumPy columns: streamed in batches, only the row groups that a range touches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ringmill.errors import InputError
from ringmill.handoff.columns import ROW_ID, Columns, Rows
from ringmill.handoff.decode import decode
from ringmill.handoff.manifest import DataFile, Manifest
from ringmill.handoff.plan import RowRange
from ringmill.handoff.row_index import places
from ringmill.handoff.storage import Opened, open_file

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
        self._columns = columns
        self._batches = batches(manifest, ranges, columns.names, at_once=rows_at_once(columns))
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


def batches(
    manifest: Manifest, ranges: Iterable[RowRange], names: Sequence[str], *, at_once: int = ROWS_AT_ONCE
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The columns `names` of the rows of `ranges`, in their order, as Arrow batches of at most `at_once` rows, each
    with its file's path.

    Raises:
        PlanError: a file is gone.
        InputError: a column is missing, or the file has another number of rows.
    """
    for piece in ranges:
        file = manifest.files[piece.file]
        with open_parquet(file, names) as parquet:
            take = _range if file.picked is None else _picked
            for batch in take(parquet, file, piece, names, at_once):
                Opened.batches += 1
                yield file.path, batch


@contextmanager
def open_parquet(data: DataFile, names: Iterable[str]) -> Iterator[pq.ParquetFile]:
    """The file, checked: see `batches`."""
    with open_file(data.path) as file:
        source = pa.BufferReader(file.read()) if data.bytes <= WHOLE_BYTES else file
        parquet = pq.ParquetFile(source, buffer_size=BUFFER_BYTES, pre_buffer=False)
        _check_columns(data.path, parquet.schema_arrow.names, names)
        _check_rows(data, parquet.metadata.num_rows)
        yield parquet


def _range(
    parquet: pq.ParquetFile, data: DataFile, piece: RowRange, names: Sequence[str], at_once: int
) -> Iterator[pa.RecordBatch]:
    ends = _ends(parquet.metadata)
    first = int(np.searchsorted(ends, piece.start, side="right"))
    last = int(np.searchsorted(ends, piece.stop, side="left"))
    skip, left = piece.start - (int(ends[first - 1]) if first else 0), piece.stop - piece.start
    groups = list(range(first, last + 1))
    for batch in parquet.iter_batches(at_once, row_groups=groups, columns=list(names), use_threads=False):
        part = batch.slice(skip, left)
        skip = max(skip - len(batch), 0)
        left -= len(part)
        if len(part):
            yield part
        if not left:
            return


def _picked(
    parquet: pq.ParquetFile, data: DataFile, piece: RowRange, names: Sequence[str], at_once: int
) -> Iterator[pa.RecordBatch]:
    """As `_range`, of the rows that the index names; row groups without any are not read."""
    wanted, ends = places(data, piece.start, piece.stop), _ends(parquet.metadata)
    for group, end in enumerate(ends.tolist()):
        at = end - parquet.metadata.row_group(group).num_rows
        if not len(_within(wanted, at, end)):
            continue
        for batch in parquet.iter_batches(at_once, row_groups=[group], columns=list(names), use_threads=False):
            mine = _within(wanted, at, at + len(batch))
            if len(mine):
                yield _rows_of(batch, mine.astype(np.int64) - at)
            at += len(batch)


def _within(places: NDArray[Any], first: int, last: int) -> NDArray[Any]:
    """Those from `first` to below `last`."""
    # In their own type: another one would have NumPy convert all of them to search among them.
    bounds = np.array([first, last], places.dtype)
    start, stop = np.searchsorted(places, bounds)
    return places[start:stop]


def _rows_of(batch: pa.RecordBatch, rows: NDArray[np.int64]) -> pa.RecordBatch:
    first, last = int(rows[0]), int(rows[-1])
    return batch.slice(first, len(rows)) if last - first < len(rows) else batch.take(pa.array(rows))


def _check_columns(path: str, present: Iterable[str], names: Iterable[str]) -> None:
    there = list(present)
    for name in names:
        if name not in there:
            raise InputError.differs(path, name, "a column of that name", f"columns {', '.join(there)}")


def _check_rows(data: DataFile, rows: int) -> None:
    if rows != data.all_rows:
        raise InputError.differs(data.path, ROW_ID, f"{data.all_rows:,} rows, as the log says", f"{rows:,} rows")


def _ends(metadata: pq.FileMetaData) -> NDArray[np.int64]:
    """(groups,): the row of the file behind each row group."""
    rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    return np.cumsum(np.array(rows, np.int64))


def group_sizes(manifest: Manifest, first: int, last: int) -> NDArray[np.int64]:
    """(groups, 3) of the files first <= file < last: file, the place among the split's rows of it at which a row group
    begins, the split's rows in it."""
    found = [np.zeros((0, 3), np.int64)]
    for place in range(first, last):
        data = manifest.files[place]
        if not data.rows:
            continue
        _, begins, rows = groups_of(data)
        found.append(np.stack([np.full(len(rows), place), begins, rows], axis=1)[rows > 0])
    return np.concatenate(found)


def groups_of(data: DataFile) -> tuple[pq.FileMetaData, NDArray[np.int64], NDArray[np.int64]]:
    """A file's footer; and (groups,) each, where a row group begins among the split's rows of the file, and how many of
    these it has."""
    with open_file(data.path) as file:
        metadata = pq.ParquetFile(file).metadata
    _check_rows(data, metadata.num_rows)
    ends = _ends(metadata)
    if data.picked is not None:
        wanted = places(data, 0, data.rows)
        ends = np.searchsorted(wanted, ends.astype(wanted.dtype)).astype(np.int64)
    rows = np.diff(ends, prepend=0)
    return metadata, ends - rows, rows
