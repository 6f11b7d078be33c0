"""Reads and writes of Delta tables under one warehouse root, by pinned version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from ringmill.contracts import Table
from ringmill.errors import InputError, RaceLost, WarehouseError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Filters = list[tuple[str, str, Any]]


@dataclass(frozen=True)
class Lake:
    """The warehouse; `root` is a directory or a URI that Spark and delta-rs both know."""

    root: str

    def path(self, table: str) -> str:
        return f"{self.root.rstrip('/')}/{table}"

    def check_writable(self) -> None:
        """Raises WarehouseError where a local root cannot be created or written."""
        if "://" in self.root:
            return
        probe = Path(self.root) / ".writable"
        try:
            probe.parent.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise WarehouseError.not_writable(self.root, error.strerror or str(error)) from error

    def read(self, spark: SparkSession, table: str, version: int) -> DataFrame:
        """One pinned version as a frame."""
        return spark.read.format("delta").option("versionAsOf", version).load(self.path(table))

    def read_arrow(
        self, table: str, version: int, columns: list[str] | None = None, *, where: Filters | None = None
    ) -> pa.Table:
        """One pinned version in this process's memory, without a JVM; for tables of a report's size."""
        return DeltaTable(self.path(table), version=version).to_pyarrow_table(columns=columns, filters=where)

    def write(self, frame: DataFrame, table: Table, *, run_id: str) -> int:
        """Replace the table by `frame` in one commit; returns its version.

        Raises:
            InputError: the frame lacks a column of the contract.
            RaceLost: another writer committed meanwhile.
        """
        return self._save(frame, table, {"overwriteSchema": "true"}, run_id)

    def replace(self, frame: DataFrame, table: Table, *, where: str, onto: int | None, run_id: str) -> int:
        """Replace by `frame` the rows of version `onto` for which the condition `where` holds; returns the version.

        All rows of `frame` fulfil `where`. What was committed after `onto`, and so was never published, is undone
        first. The whole table is replaced where `onto` is None or has another contract.

        Raises:
            InputError, RaceLost: as `write`.
        """
        if onto is None or not self._has_contract(table, onto):
            return self.write(frame, table, run_id=run_id)
        head = DeltaTable(self.path(table.path))
        if head.version() != onto:
            head.restore(onto)
        before = DeltaTable(self.path(table.path)).version()
        version = self._save(frame, table, {"replaceWhere": where}, run_id)
        # Where there is nothing to remove and nothing to add Delta commits nothing.
        return before if DeltaTable(self.path(table.path)).version() == before else version

    def _has_contract(self, table: Table, version: int) -> bool:
        found = DeltaTable(self.path(table.path), version=version)
        names = tuple(field.name for field in found.schema().fields)
        return names == table.names and tuple(found.metadata().partition_columns) == table.partition_by

    def _save(self, frame: DataFrame, table: Table, options: Mapping[str, str], run_id: str) -> int:
        from delta.exceptions import DeltaConcurrentModificationException

        if missing := set(table.names) - set(frame.columns):
            raise InputError.missing_columns(table.path, missing, frame.columns)
        shaped = frame.selectExpr(
            *(f"CAST(`{column.name}` AS {column.type}) AS `{column.name}`" for column in table.columns)
        )
        writer = shaped.write.format("delta").mode("overwrite").options(**options).option("userMetadata", run_id)
        if table.partition_by:
            writer = writer.partitionBy(*table.partition_by)
        try:
            writer.save(self.path(table.path))
        except DeltaConcurrentModificationException as error:
            raise RaceLost.on(table.path, str(error).splitlines()[0]) from error
        # Without a default: a version that is not known must fail here, not be pinned by the stages that follow.
        return int(str(frame.sparkSession.conf.get("spark.databricks.delta.lastCommitVersionInSession")))

    def append_arrow(self, table: str, rows: pa.Table) -> None:
        """Append a small Arrow table without a JVM."""
        write_deltalake(self.path(table), rows, mode="append")
