"""A pinned Delta version to the list of its files: all that ranks need to read it, without a JVM or a Delta library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from ringmill.errors import InputError, PlanError
from ringmill.handoff.storage import open_file


@dataclass(frozen=True)
class DataFile:
    """One Parquet file of a version: where it is, and how many rows and bytes it has."""

    path: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """The files of one split of one table version, in a fixed order (by path)."""

    table: str
    version: int
    split: str
    files: tuple[DataFile, ...]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Manifest:
        return cls(**{**tree, "files": tuple(DataFile(**file) for file in tree["files"])})


def pin(table_path: str, version: int, *, split: str) -> Manifest:
    """Read the Delta log of `version`, and nothing but the log, for the files of partition `split`.

    Raises:
        InputError: the table is not partitioned by split.
        PlanError: the version's log is gone; the table renames its columns, or a file has rows that are deleted but
            still in it.
    """
    table = _open(table_path, version)
    _refuse_unreadable(table, table_path)
    if "split" not in (partitions := table.metadata().partition_columns):
        raise InputError.differs(table_path, "split", "a partition column", f"partitioned by {partitions}")
    adds = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    files = [_data_file(table_path, add) for add in adds if add["partition.split"] == split]
    return Manifest(table_path, version, split, tuple(sorted(files, key=lambda file: file.path)))


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


def _data_file(table_path: str, add: Mapping[str, Any]) -> DataFile:
    path = str(add["path"])
    if "://" not in path and not path.startswith("/"):  # a shallow clone names its source's files in full
        path = f"{table_path.rstrip('/')}/{path}"
    rows = add.get("num_records")
    return DataFile(path, _footer_rows(path) if rows is None else int(rows), int(add["size_bytes"]))


def _footer_rows(path: str) -> int:
    with open_file(path) as file:
        return int(pq.ParquetFile(file).metadata.num_rows)
