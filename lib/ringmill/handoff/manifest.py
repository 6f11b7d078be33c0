"""A pinned Delta version to the list of its files: all that ranks need to read it, without a JVM or a Delta library."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from numpy.typing import NDArray

from ringmill.errors import InputError, PlanError
from ringmill.handoff.storage import open_file


@dataclass(frozen=True)
class Picked:
    """Which of a file's `of` rows belong to a split: `count` numbers of `width` bytes from byte `at` of a row index.

    `form` says what they are: see `row_index`.
    """

    index: str
    at: int
    count: int
    width: int
    form: Literal["places", "runs"]
    of: int

    @property
    def bytes(self) -> int:
        return self.count * self.width


@dataclass(frozen=True)
class DataFile:
    """One Parquet file of a version: where it is, how many rows of the split it has, and how many bytes.

    `picked` is None where all rows of the file are of the split. A row's place counts the split's rows alone.
    """

    path: str
    rows: int
    bytes: int
    picked: Picked | None = None

    @property
    def all_rows(self) -> int:
        """Those of other splits too."""
        return self.picked.of if self.picked else self.rows

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Self:
        return cls(**{**tree, "picked": Picked(**tree["picked"]) if tree.get("picked") else None})


@dataclass(frozen=True)
class Manifest:
    """The files of one split of one table version, in a fixed order (by path)."""

    table: str
    version: int
    split: str
    files: tuple[DataFile, ...]

    @cached_property
    def row_counts(self) -> NDArray[np.int64]:
        """(files,): the rows of each."""
        return np.fromiter((file.rows for file in self.files), np.int64, len(self.files))

    @property
    def rows(self) -> int:
        return int(self.row_counts.sum())

    @property
    def index_bytes(self) -> int:
        """Of the places of its rows, where these share files with other splits."""
        return sum(file.picked.bytes for file in self.files if file.picked)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Manifest:
        return cls(**{**tree, "files": tuple(DataFile.from_json(file) for file in tree["files"])})


@dataclass(frozen=True)
class Mixed:
    """A version whose files hold rows of several splits, as its column `split` says; `files` are sorted by path.

    `key` stands for the table, the version, the files and the splits: what is found out of one is never another's.
    """

    table: str
    version: int
    splits: tuple[str, ...]
    files: tuple[DataFile, ...]
    key: str

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


def pin(table_path: str, version: int, *, split: str) -> Manifest:
    """The files of one split. Raises as `pin_splits`."""
    return pin_splits(table_path, version, (split,))[split]


def pin_splits(table_path: str, version: int, splits: Iterable[str]) -> dict[str, Manifest]:
    """The files of each partition of `splits`.

    Raises:
        InputError: the table is not partitioned by split.
        PlanError: see `pin_version`.
    """
    pinned = pin_version(table_path, version, splits)
    if isinstance(pinned, Mixed):
        raise InputError.differs(table_path, "split", "a partition column", "a column like others")
    return pinned


def pin_version(
    table_path: str, version: int, splits: Iterable[str], *, columns: Iterable[str] = ()
) -> dict[str, Manifest] | Mixed:
    """Read the Delta log of `version`, once and nothing but the log, for the files of each of `splits`.

    Where the table is not partitioned by split, its files as they are.

    Raises:
        InputError: the table has no column of a name in `columns`, or no column split of text.
        PlanError: the version's log is gone; the table renames its columns, or a file has rows that are deleted but
            still in it.
    """
    table = _open(table_path, version)
    _refuse_unreadable(table, table_path)
    where, wanted = f"{table_path}, version {version}", tuple(splits)
    _check_columns(table, where, columns)
    adds = pa.table(table.get_add_actions(flatten=True))
    if "num_records" not in adds.column_names:  # no file has statistics
        adds = adds.append_column("num_records", pa.nulls(len(adds), pa.int64()))
    if "split" in table.metadata().partition_columns:
        return {split: Manifest(table_path, version, split, _files_of(table_path, adds, split)) for split in wanted}
    _check_split(table, where)
    files = _files(table_path, adds)
    told = [table.metadata().id, version, wanted, [(file.path, file.rows, file.bytes) for file in files]]
    return Mixed(table_path, version, wanted, files, hashlib.sha256(json.dumps(told).encode()).hexdigest())


def _files_of(table_path: str, adds: pa.Table, split: str) -> tuple[DataFile, ...]:
    return _files(table_path, adds.filter(pc.equal(adds["partition.split"], split)))


def _files(table_path: str, adds: pa.Table) -> tuple[DataFile, ...]:
    columns = (adds[name].to_pylist() for name in ("path", "num_records", "size_bytes"))
    files = [_data_file(table_path, *add) for add in zip(*columns, strict=True)]
    return tuple(sorted(files, key=attrgetter("path")))


def _check_split(table: DeltaTable, where: str) -> None:
    found = {field.name: str(getattr(field.type, "type", field.type)) for field in table.schema().fields}
    if (kind := found.get("split", f"columns {', '.join(found)}")) != "string":
        raise InputError.differs(where, "split", "a column of text, best a partition column", kind)


def _check_columns(table: DeltaTable, where: str, names: Iterable[str]) -> None:
    there = [field.name for field in table.schema().fields]
    for name in names:
        if name not in there:
            raise InputError.differs(where, name, "a column of that name", f"columns {', '.join(there)}")


def _open(path: str, version: int) -> DeltaTable:
    try:
        return DeltaTable(path, version=version)
    except DeltaError as error:
        raise PlanError.no_version(path, version, str(error).splitlines()[0]) from error


def _refuse_unreadable(table: DeltaTable, path: str) -> None:
    # With column mapping the Parquet files carry other names: every column would read as missing or null.
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        raise PlanError.refused(path, "column mapping", "write the table anew without delta.columnMapping.mode")
    # num_records counts the deleted rows too, and the files still hold them.
    if "deletionVectors" in (table.protocol().reader_features or ()) and _has_deleted_rows(table):
        raise PlanError.refused(path, "deletion vectors", "run REORG TABLE … APPLY (PURGE), then pin that version")


def _has_deleted_rows(table: DeltaTable) -> bool:
    return len(pa.table(table.deletion_vectors().read_all())) > 0


def _data_file(table_path: str, path: str, rows: int | None, size: int) -> DataFile:
    # A shallow clone names its source's files in full; Hadoop writes file:/ where others write file:///.
    if path.startswith("file:/"):
        path = f"/{path.removeprefix('file:').lstrip('/')}"
    elif "://" not in path and not path.startswith("/"):
        path = f"{table_path.rstrip('/')}/{path}"
    return DataFile(path, _footer_rows(path) if rows is None else rows, size)


def _footer_rows(path: str) -> int:
    with open_file(path) as file:
        return int(pq.ParquetFile(file).metadata.num_rows)
