"""Writes of tables: which version a caller gets back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from ringmill.contracts import Column, Table
from ringmill.lake.tables import Lake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.spark
def test_a_write_that_changes_nothing_returns_its_own_tables_version(spark: SparkSession, tmp_path: Path) -> None:
    lake, one = Lake(str(tmp_path)), Table("one", "a row", (Column("a", "int", "a number"),))
    nothing, some = spark.createDataFrame([], "a int"), spark.createDataFrame([(1,)], "a int")
    assert lake.write(nothing, one, run_id="1") == 0
    for turn in range(3):
        assert lake.write(some, replace(one, path="other"), run_id="1") == turn
    version = lake.write(nothing, one, run_id="2")
    assert lake.read(spark, "one", version).count() == 0


@pytest.mark.spark
def test_the_log_keeps_ranges_of_the_named_columns_alone_through_writes_and_merges(
    spark: SparkSession, tmp_path: Path
) -> None:
    columns = (Column("a", "int", "a number"), Column("b", "string", "a text"))
    lake, table = Lake(str(tmp_path)), Table("one", "a row", columns, ranged=("a",))

    def ranges() -> list[tuple[int, int, int]]:
        added = DeltaTable(lake.path("one")).get_add_actions(flatten=True)
        rows = pa.table(added).to_pylist()
        assert not any("min.b" in row for row in rows)
        return sorted((row["min.a"], row["max.a"], row["num_records"]) for row in rows)

    version = lake.write(spark.createDataFrame([(1, "x"), (3, "y")], "a int, b string").coalesce(1), table, run_id="1")
    assert ranges() == [(1, 3, 2)]
    more = spark.createDataFrame([(7, "z")], "a int, b string").coalesce(1)
    lake.merge(more, table, on=["a"], base=version, run_id="2")
    assert ranges() == [(1, 3, 2), (7, 7, 1)]


@pytest.mark.spark
def test_who_describes_a_table_in_sql_reads_what_each_column_means_and_its_unit(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path))
    columns = (Column("a", "bigint", "a number", unit="pieces"), Column("b", "string", "it's a text"))
    by_spark, by_arrow = Table("one", "a row", columns), Table("two", "a row", columns)
    lake.write(spark.createDataFrame([(1, "x")], "a bigint, b string"), by_spark, run_id="1")
    lake.replace_arrow(by_arrow, [{"a": 1, "b": "x"}], key="b", run_id="1")
    for table in (by_spark, by_arrow):
        lines = spark.sql(f"DESCRIBE TABLE delta.`{lake.path(table.path)}`").collect()
        found = {line["col_name"]: line["comment"] for line in lines}
        assert (found["a"], found["b"]) == ("a number [pieces]", "it's a text")


def test_rows_with_new_columns_are_appended_and_older_rows_have_nulls_there(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for row in ({"epoch": 1}, {"epoch": 2, "val_accuracy": 0.5}, {"epoch": 3}):
        lake.append_arrow("ledger/history", pa.Table.from_pylist([row]))
    found = lake.read_arrow("ledger/history", 2).sort_by("epoch").to_pylist()
    assert found == [{"epoch": epoch, "val_accuracy": share} for epoch, share in ((1, None), (2, 0.5), (3, None))]
