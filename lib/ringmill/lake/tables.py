"""Reads and writes of Delta tables under one warehouse root, by pinned version."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, write_deltalake
from deltalake.exceptions import CommitFailedError

from ringmill.contracts import Table
from ringmill.errors import InputError, LawError, RaceLost, WarehouseError
from ringmill.lake.arrow import schema_of
from ringmill.lake.create import create_table, of_contract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Files that a task holds open at once: one per status, or per split and one for the rejected; with more, it sorts.
CONCURRENT_WRITERS = 4
# What Delta says of a row that breaks a constraint, up to the JVM's trace.
_VIOLATED = re.compile(r"\[DELTA_[A-Z_]*CONSTRAINT[A-Z_]*\]\s*(.*?)\s*(?:SQLSTATE|\n\s*at |\Z)", re.DOTALL)
Filters = list[tuple[str, str, Any]]


@dataclass(frozen=True)
class Lake:
    """The warehouse; `root` is a directory or a URI that Spark and delta-rs both know."""

    root: str

    def path(self, table: str) -> str:
        """Of a table or folder under the warehouse. Raises WarehouseError where it would lie outside."""
        if table.startswith("/") or ".." in table.split("/") or "://" in table:
            raise WarehouseError.outside(self.root, table)
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

        A table that is not there, or was made by another contract, is made empty by commits before that.

        Raises:
            InputError: the frame lacks a column of the contract.
            LawError: a row has a value that the contract does not allow.
            RaceLost: another writer committed meanwhile.
        """
        rows = _shaped(frame, table)
        create_table(self.path(table.path), table, of_contract(table, rows.schema.jsonValue()))
        return self._save(rows, table, {}, run_id)

    def replace(self, frame: DataFrame, table: Table, *, where: str, onto: int | None, run_id: str) -> int:
        """Replace by `frame` the rows of version `onto` for which the condition `where` holds; returns the version.

        All rows of `frame` fulfil `where`. What was committed after `onto`, and so was never published, is undone
        first. The whole table is replaced where `onto` is None, or is gone with the table. Where it has other columns,
        by another contract or configuration, the table is made anew of `frame` and of its other rows, in which new
        columns are null; one whose columns could be null by an earlier contract stays as it is, with the rows that it
        has.

        Raises:
            InputError: as `write`; or other rows lack a column that is never null.
            LawError, RaceLost: as `write`.
        """
        head_version = self._version(table)
        if onto is None or head_version is None or head_version < onto:
            return self.write(frame, table, run_id=run_id)
        if not self._has_columns(table, onto):
            others = self._others(frame.sparkSession, table, where, onto)
            return self.write(_shaped(frame, table).unionByName(others), table, run_id=run_id)
        head = DeltaTable(self.path(table.path))
        if head.version() != onto:
            head.restore(onto)
        return self._save(_shaped(frame, table), table, {"replaceWhere": where}, run_id)

    def _has_columns(self, table: Table, version: int) -> bool:
        found = DeltaTable(self.path(table.path), version=version)
        names = tuple(field.name for field in found.schema().fields)
        return names == table.names and tuple(found.metadata().partition_columns) == table.partition_by

    def _others(self, spark: SparkSession, table: Table, where: str, onto: int) -> DataFrame:
        """The rows of a version with other columns for which `where` does not hold, with those of the table."""
        from pyspark.sql import functions as F

        found = self.read(spark, table.path, onto).where(f"NOT ({where})")
        lacking = [column for column in table.columns if column.name not in found.columns]
        if (never := [column.name for column in lacking if not column.nullable]) and found.head(1):
            raise InputError.not_carried(table.path, onto, never)
        return _shaped(found.withColumns({column.name: F.lit(None) for column in lacking}), table)

    def _save(self, rows: DataFrame, table: Table, options: Mapping[str, str], run_id: str) -> int:
        writer = rows.write.format("delta").mode("overwrite").options(**options).option("userMetadata", run_id)
        if table.partition_by:
            writer = writer.partitionBy(*table.partition_by)
        before = self._version(table)
        with _laid_out(rows.sparkSession, table), _named(table.path):
            writer.save(self.path(table.path))
        return self._written(rows.sparkSession, table, before)

    def _version(self, table: Table) -> int | None:
        path = self.path(table.path)
        return DeltaTable(path).version() if DeltaTable.is_deltatable(path) else None

    def _written(self, spark: SparkSession, table: Table, before: int | None) -> int:
        """The version of the commit just made; Delta makes none where there is nothing to remove and nothing to add,
        and the session's last commit is then another table's."""
        if before is not None and self._version(table) == before:
            return before
        # Without a default: a version that is not known must fail here, not be pinned by the stages that follow.
        return int(str(spark.conf.get("spark.databricks.delta.lastCommitVersionInSession")))

    def merge(self, frame: DataFrame, table: Table, *, on: Sequence[str], base: int, run_id: str) -> int:
        """Update the rows of version `base` that equal `frame`'s in the columns `on` (null equals null), insert the
        others; one commit; returns its version.

        What lies above `base` was never published, and is undone first. Done twice, the second time changes nothing.

        Raises:
            InputError, LawError, RaceLost: as `write`.
        """
        from delta.tables import DeltaTable as SparkTable

        spark, path = frame.sparkSession, self.path(table.path)
        into = SparkTable.forPath(spark, path)
        same = " AND ".join(f"published.{name} <=> changed.{name}" for name in on)
        spark.conf.set("spark.databricks.delta.commitInfo.userMetadata", run_id)
        try:
            with _named(table.path):
                if DeltaTable(path).version() != base:
                    into.restoreToVersion(base)
                before = self._version(table)
                merging = into.alias("published").merge(_shaped(frame, table).alias("changed"), same)
                merging.whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()
        finally:
            spark.conf.unset("spark.databricks.delta.commitInfo.userMetadata")
        return self._written(spark, table, before)

    def append_arrow(self, table: str, rows: pa.Table) -> None:
        """Append a small Arrow table without a JVM; columns that are new to the table are null in its older rows."""
        write_deltalake(self.path(table), rows, mode="append", schema_mode="merge")

    def replace_arrow(
        self, table: Table, rows: Sequence[Mapping[str, Any]], *, key: str, onto: int | None, run_id: str
    ) -> int:
        """Put `rows` in the place of all of version `onto` that share a value of `key` with them, without a JVM.

        Other rows stay. What was committed after `onto`, and so was never published, is undone first. The whole table
        is replaced where `onto` is None, or is gone with the table. Returns the version.

        Raises:
            RaceLost: another writer committed meanwhile.
        """
        values = sorted({str(row[key]).replace("'", "''") for row in rows})
        arrow = pa.Table.from_pylist([dict(row) for row in rows], schema=schema_of(table))
        properties = CommitProperties(custom_metadata={"userMetadata": run_id})
        if not DeltaTable.is_deltatable(self.path(table.path)):
            create_table(self.path(table.path), table, Schema.from_arrow(arrow.schema))
        found = DeltaTable(self.path(table.path))
        # Thousands of files may come at once: as many ORs are a tree as deep.
        listed = ", ".join(f"'{value}'" for value in values)
        predicate = None
        try:
            if onto is not None and onto <= found.version():
                predicate = f"{key} IN ({listed})"
                if found.version() != onto:
                    found.restore(onto)
            write_deltalake(found, arrow, mode="overwrite", predicate=predicate, commit_properties=properties)
        except CommitFailedError as error:
            raise RaceLost.on(table.path, str(error).splitlines()[0]) from error
        return found.version()


def _shaped(frame: DataFrame, table: Table) -> DataFrame:
    """The contract's columns with its types, each with what it means as its comment.

    Raises:
        InputError: one is missing.
    """
    from pyspark.sql import functions as F

    if missing := set(table.names) - set(frame.columns):
        raise InputError.missing_columns(table.path, missing, frame.columns)
    return frame.select(
        *(
            F.col(f"`{column.name}`").cast(column.type).alias(column.name, metadata={"comment": column.comment})
            for column in table.columns
        )
    )


@contextmanager
def _laid_out(spark: SparkSession, table: Table) -> Iterator[None]:
    """Set for one write how its files are made: Delta hands no such option on, but the session's settings are read."""
    chosen = {}
    if table.partition_by:
        # Without it a task sorts all its rows by partition, and spills them where they are large.
        chosen["spark.sql.maxConcurrentOutputFileWriters"] = str(CONCURRENT_WRITERS)
    if table.rows_per_group is not None:
        chosen["parquet.block.row.count.limit"] = str(table.rows_per_group)
        # The bytes must not end a group before its rows do.
        chosen["parquet.block.size"] = str(2**30)
    before = {key: spark.conf.get(key, None) for key in chosen}
    for key, value in chosen.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, old in before.items():
            if old is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, old)


@contextmanager
def _named(table: str) -> Iterator[None]:
    """What a write by Spark may fail with, as errors of ours."""
    from delta.exceptions import DeltaConcurrentModificationException
    from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException

    try:
        yield
    except DeltaConcurrentModificationException as error:
        raise RaceLost.on(table, str(error).splitlines()[0]) from error
    except (PySparkException, Py4JJavaError) as error:  # PySpark knows not all of Delta's by name
        if found := _VIOLATED.search(str(error)):
            raise LawError.not_allowed(table, " ".join(found[1].split())) from error
        raise
