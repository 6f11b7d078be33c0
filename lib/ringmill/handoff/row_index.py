"""A version's row index: which rows of each file belong to which split, found by one scan of the column `split`.

For each file and split it holds either the places of the rows in ascending order, or, where that is shorter, runs of
them: first place and number of rows. Numbers are little-endian, of 4 bytes, in a file of 2³² rows or more of 8: at most
8 bytes a row. Behind them stand a footer in JSON, the footer's length, the SHA-256 of all before it, and a mark.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ringmill.errors import InputError, PlanError
from ringmill.handoff.manifest import DataFile, Manifest, Mixed, Picked
from ringmill.handoff.storage import open_file

SPLIT = "split"
MARK = b"rows.1\0\0"
_LENGTH = 8
_TAIL = hashlib.sha256().digest_size + len(MARK)
_BLOCK = 2**22


@dataclass(frozen=True)
class RowIndex:
    """A row index that is whole: `files` are those of its version that hold rows of a split, each with its rows.

    `bytes` is the file's length; `rows_without` counts rows whose split is null or none of those asked for.
    """

    path: str
    bytes: int
    files: Mapping[str, tuple[DataFile, ...]]
    rows_without: int

    def manifests(self, mixed: Mixed) -> dict[str, Manifest]:
        """The version's splits, as if the table were partitioned by them."""
        return {split: Manifest(mixed.table, mixed.version, split, self.files[split]) for split in mixed.splits}


def scan_bytes(mixed: Mixed) -> int:
    """What a scan will read: the column's bytes in all files, by their footers. Raises PlanError: a file is gone."""
    size = 0
    for file in mixed.files:
        with open_file(file.path) as opened:
            metadata = pq.ParquetFile(opened).metadata
        for group in range(metadata.num_row_groups):
            chunks = (metadata.row_group(group).column(place) for place in range(metadata.num_columns))
            size += sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema == SPLIT)
    return size


def write_row_index(mixed: Mixed, into: BinaryIO) -> None:
    """Scan the version's column `split`, a file at a time, and write what was found.

    Raises:
        PlanError: a file is gone.
        InputError: a file has another number of rows than the log says, or no column `split` of text.
    """
    hasher, at = hashlib.sha256(), 0

    def put(block: bytes) -> None:
        nonlocal at
        hasher.update(block)
        into.write(block)
        at += len(block)

    files: dict[str, list[Any]] = {split: [] for split in mixed.splits}
    held = 0
    for place, data in enumerate(mixed.files):
        for split, found in _scanned(data, mixed.splits).items():
            if len(found):
                form, numbers = encoded(found)
                entry = {"at": at, "count": numbers.size, "width": numbers.itemsize, "form": form, "of": data.rows}
                files[split].append([place, len(found), entry])
                put(numbers.tobytes())
                held += len(found)
    footer = json.dumps({"key": mixed.key, "files": files, "rows_without": mixed.rows - held}).encode()
    put(footer + len(footer).to_bytes(_LENGTH, "little"))
    into.write(hasher.digest() + MARK)


def read_row_index(path: Path, mixed: Mixed) -> RowIndex | None:
    """The index of this version; None where there is none, a torn one, or one of another version."""
    if (footer := _footer(path)) is None or footer["key"] != mixed.key:
        return None
    files = {
        split: tuple(
            DataFile(mixed.files[place].path, rows, mixed.files[place].bytes, Picked(str(path), **entry))
            for place, rows, entry in entries
        )
        for split, entries in footer["files"].items()
    }
    return RowIndex(str(path), path.stat().st_size, files, footer["rows_without"])


def _footer(path: Path) -> Any:
    """What the footer says, if the file is whole."""
    try:
        with path.open("rb") as file:
            whole = left = path.stat().st_size - _TAIL
            hasher = hashlib.sha256()
            while left > 0 and (block := file.read(min(left, _BLOCK))):
                hasher.update(block)
                left -= len(block)
            if left or file.read() != hasher.digest() + MARK:
                return None
            file.seek(whole - _LENGTH)
            size = int.from_bytes(file.read(_LENGTH), "little")
            file.seek(whole - _LENGTH - size)
            return json.loads(file.read(size))
    except FileNotFoundError:
        return None


def _scanned(data: DataFile, splits: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Of each split the places of its rows in the file, ascending."""
    dtype = np.uint32 if data.rows < 2**32 else np.uint64
    found: dict[str, list[NDArray[Any]]] = {split: [np.zeros(0, dtype)] for split in splits}
    at = 0
    with open_file(data.path) as file:
        parquet = pq.ParquetFile(file)
        if SPLIT not in (there := parquet.schema_arrow.names):
            raise InputError.differs(data.path, SPLIT, "a column of that name", f"columns {', '.join(there)}")
        for batch in parquet.iter_batches(columns=[SPLIT], use_threads=False):
            told = pc.index_in(batch.column(0).cast(pa.string()), value_set=pa.array(splits, pa.string()))
            which = told.fill_null(-1).to_numpy(zero_copy_only=False)
            for place, split in enumerate(splits):
                found[split].append((np.flatnonzero(which == place) + at).astype(dtype))
            at += len(batch)
    if at != data.rows:
        raise InputError.differs(data.path, SPLIT, f"{data.rows:,} rows, as the log says", f"{at:,} rows")
    return {split: np.concatenate(parts) for split, parts in found.items()}


def encoded(found: NDArray[Any]) -> tuple[Literal["places", "runs"], NDArray[Any]]:
    """(rows,) ascending places → as they are, or (runs, 2) of first place and number of rows, whichever is shorter."""
    firsts = np.flatnonzero(np.concatenate([[True], found[1:] != found[:-1] + 1]))
    if 2 * len(firsts) >= len(found):
        return "places", found.astype(found.dtype.newbyteorder("<"))
    lengths = np.diff(np.append(firsts, len(found)))
    return "runs", np.stack([found[firsts], lengths.astype(found.dtype)], axis=1).astype(found.dtype.newbyteorder("<"))


def places(data: DataFile, start: int, stop: int) -> NDArray[Any]:
    """The places in the file of the split's rows start <= row < stop, ascending, for a file that is picked from.

    Raises:
        PlanError: the index is gone, or is not the one by which the training was planned.
    """
    if (picked := data.picked) is None:
        return np.arange(start, stop)
    first, count = (start, stop - start) if picked.form == "places" else (0, picked.count)
    with open_file(picked.index) as file:
        file.seek(picked.at + first * picked.width)
        blob = file.read(count * picked.width)
    if len(blob) == count * picked.width:
        numbers = np.frombuffer(blob, f"<u{picked.width}")
        found = numbers if picked.form == "places" else _spread(numbers.reshape(-1, 2), start, stop)
        if len(found) == stop - start and (found[1:] > found[:-1]).all() and (not len(found) or found[-1] < picked.of):
            return found
    raise PlanError.no_row_index(data.path, picked.index, "one that names other rows")


def _spread(runs: NDArray[Any], start: int, stop: int) -> NDArray[Any]:
    """(runs, 2) → the places of the rows start <= row < stop that they stand for."""
    if start == stop:
        return runs[:0, 0]
    lengths = runs[:, 1].astype(np.int64)
    ends = np.cumsum(lengths)
    touched = np.flatnonzero((ends > start) & (ends - lengths < stop))
    begins = (ends - lengths)[touched]
    skipped = np.maximum(start - begins, 0)
    counts = np.minimum(stop - begins, lengths[touched]) - skipped
    firsts = runs[touched, 0] + skipped.astype(runs.dtype)
    # Steps from place to place, 1 within a run, summed in place: nothing else as long as the rows is held.
    found: NDArray[Any] = np.ones(int(counts.sum()), runs.dtype)
    at = np.cumsum(counts) - counts
    found[0] = firsts[0]
    found[at[1:]] = firsts[1:] - (firsts[:-1] + counts[:-1].astype(runs.dtype) - 1)
    return np.cumsum(found, out=found)
