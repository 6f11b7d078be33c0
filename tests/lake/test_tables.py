"""Writes of tables: which version a caller gets back."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from ringmill.contracts import Column, Table
from ringmill.errors import InputError
from ringmill.lake.tables import Lake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.spark
def test_a_write_that_changes_nothing_returns_its_own_tables_version(spark: SparkSession, tmp_path: Path) -> None:
    lake, one = Lake(str(tmp_path)), Table("one", "a row", (Column("a", "int", "a number"),))
    nothing, some = spark.createDataFrame([], "a int"), spark.createDataFrame([(1,)], "a int")
    assert lake.write(nothing, one, run_id="1") == DeltaTable(lake.path("one")).version()
    first = lake.write(some, replace(one, path="other"), run_id="1")
    for turn in range(1, 3):
        assert lake.write(some, replace(one, path="other"), run_id="1") == first + turn
    version = lake.write(nothing, one, run_id="2")
    assert lake.read(spark, "one", version).count() == 0


@pytest.mark.spark
def test_other_rows_stay_where_a_table_gets_other_columns_unless_they_lack_what_is_never_null(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake, day = Lake(str(tmp_path)), Column("day", "int", "which")
    before = Table("t", "one row per day", (day, Column("old", "int", "gone later", nullable=True)), ("day",))
    after = replace(before, columns=(day, Column("new", "int", "came later", nullable=True)))
    first = lake.write(spark.sql("SELECT explode(array(1, 2)) AS day, 7 AS old"), before, run_id="r")
    second = lake.replace(spark.sql("SELECT 2 AS day, 9 AS new"), after, where="day = 2", onto=first, run_id="r")
    assert sorted(lake.read(spark, "t", second).collect()) == [(1, None), (2, 9)]
    never = replace(after, columns=(*after.columns, Column("never_null", "int", "there always")))
    rows = spark.sql("SELECT 2 AS day, 9 AS new, 1 AS never_null")
    with pytest.raises(InputError, match=rf"t, version {second}[\s\S]*rows without never_null"):
        lake.replace(rows, never, where="day = 2", onto=second, run_id="r")
    whole = lake.replace(rows, never, where="day IN (1, 2)", onto=second, run_id="r")
    assert lake.read(spark, "t", whole).collect() == [(2, 9, 1)]
    shutil.rmtree(lake.path("t"))  # put aside, as the error says
    anew = lake.replace(rows, never, where="day = 2", onto=whole, run_id="r")
    assert lake.read(spark, "t", anew).collect() == [(2, 9, 1)]


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
def test_a_table_that_grows_is_gathered_into_fewer_files_and_the_version_is_the_one_that_holds_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path))
    table = Table("one", "a row", (Column("a", "int", "a number"), Column("batch", "int", "of which")), gathered=True)
    apart = replace(table, path="other", gathered=False)
    spark.conf.set("spark.databricks.delta.autoCompact.minNumFiles", "4")
    try:
        versions: dict[str, int | None] = {"one": None, "other": None}
        for batch in range(4):
            rows = spark.createDataFrame([(number, batch) for number in range(5)], "a int, batch int").coalesce(1)
            for one in (table, apart):
                onto = versions[one.path]
                version = lake.replace(rows, one, where=f"batch = {batch}", onto=onto, run_id=str(batch))
                versions[one.path] = version
                assert DeltaTable(lake.path(one.path)).version() == version
    finally:
        spark.conf.unset("spark.databricks.delta.autoCompact.minNumFiles")
    files = {path: len(DeltaTable(lake.path(path)).file_uris()) for path in versions}
    assert files == {"one": 1, "other": 4}
    found = [
        lake.read_arrow(path, version or 0).sort_by([("batch", "ascending"), ("a", "ascending")])
        for path, version in versions.items()
    ]
    assert found[0].equals(found[1])
    assert found[0].num_rows == 20


@pytest.mark.spark
def test_what_changed_from_version_to_version_can_be_asked_of_a_table_with_a_change_feed(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path))
    table = Table("one", "a row", (Column("a", "int", "a number"),), change_feed=True)
    for numbers in ((1, 2), (2, 3)):
        version = lake.write(spark.createDataFrame([(one,) for one in numbers], "a int"), table, run_id="1")
    feed = spark.read.format("delta").option("readChangeFeed", True).option("startingVersion", version)
    found = {(row["_change_type"], row["a"]) for row in feed.load(lake.path("one")).collect()}
    assert found == {("delete", 1), ("delete", 2), ("insert", 2), ("insert", 3)}


@pytest.mark.spark
def test_who_describes_a_table_in_sql_reads_what_each_column_means_and_its_unit(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path))
    columns = (Column("a", "bigint", "a number", unit="pieces"), Column("b", "string", "it's a text"))
    by_spark, by_arrow = Table("one", "a row", columns), Table("two", "a row", columns)
    lake.write(spark.createDataFrame([(1, "x")], "a bigint, b string"), by_spark, run_id="1")
    lake.replace_arrow(by_arrow, [{"a": 1, "b": "x"}], key="b", onto=None, run_id="1")
    for table in (by_spark, by_arrow):
        lines = spark.sql(f"DESCRIBE TABLE delta.`{lake.path(table.path)}`").collect()
        found = {line["col_name"]: line["comment"] for line in lines}
        assert (found["a"], found["b"]) == ("a number [pieces]", "it's a text")


def test_rows_take_the_place_of_those_of_their_key_thousands_of_keys_at_once(tmp_path: Path) -> None:
    lake, columns = Lake(str(tmp_path)), (Column("day", "string", "a file"), Column("rows", "bigint", "a count"))
    table, days = Table("one", "a row", columns), [f"it's/{number}.csv" for number in range(5_000)]
    first = lake.replace_arrow(table, [{"day": day, "rows": 1} for day in days], key="day", onto=None, run_id="1")
    second = [{"day": day, "rows": 2} for day in days[1:]]
    version = lake.replace_arrow(table, second, key="day", onto=first, run_id="2")
    found = {row["day"]: row["rows"] for row in lake.read_arrow("one", version).to_pylist()}
    assert found == dict.fromkeys(days, 2) | {days[0]: 1}


def test_rows_that_were_never_published_are_undone_by_the_next_that_come(tmp_path: Path) -> None:
    lake, columns = Lake(str(tmp_path)), (Column("day", "string", "a file"), Column("rows", "bigint", "a count"))
    table = Table("one", "a row", columns)

    def put(onto: int | None, **counts: int) -> tuple[int, dict[str, int]]:
        rows = [{"day": day, "rows": count} for day, count in counts.items()]
        version = lake.replace_arrow(table, rows, key="day", onto=onto, run_id="1")
        return version, {row["day"]: row["rows"] for row in lake.read_arrow("one", version).to_pylist()}

    put(None, a=7, b=7)
    published, found = put(None, a=1, b=1)
    assert found == {"a": 1, "b": 1} == put(None, a=1, b=1)[1]
    put(published, b=2, c=2)
    last, found = put(published, d=3)
    assert found == {"a": 1, "b": 1, "d": 3}
    assert put(last, d=4)[1] == {"a": 1, "b": 1, "d": 4}
    # A table that somebody removed begins anew.
    assert put(last + 10, e=5)[1] == {"e": 5}


def test_rows_with_new_columns_are_appended_and_older_rows_have_nulls_there(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for row in ({"epoch": 1}, {"epoch": 2, "val_accuracy": 0.5}, {"epoch": 3}):
        lake.append_arrow("ledger/history", pa.Table.from_pylist([row]))
    found = lake.read_arrow("ledger/history", 2).sort_by("epoch").to_pylist()
    assert found == [{"epoch": epoch, "val_accuracy": share} for epoch, share in ((1, None), (2, 0.5), (3, None))]


def test_a_version_can_still_be_read_when_its_log_is_older_than_deltas_thirty_days(tmp_path: Path) -> None:
    lake, table = Lake(str(tmp_path)), Table("one", "a row", (Column("a", "string", "a text"),))
    bare = str(tmp_path / "bare")
    for number in range(3):
        row = {"a": "x", "number": number}
        lake.replace_arrow(table, [{"a": "x"}], key="a", onto=None, run_id=str(number))
        write_deltalake(bare, pa.Table.from_pylist([row]), mode="overwrite")
    for path in (lake.path("one"), bare):
        found = DeltaTable(path)
        found.create_checkpoint()
        long_ago = time.time() - 40 * 24 * 3600
        for log in Path(path, "_delta_log").glob("*"):
            os.utime(log, (long_ago, long_ago))
        DeltaTable(path).cleanup_metadata()
    assert not Path(bare, "_delta_log", f"{0:020}.json").exists(), "Delta's default no longer takes it away"
    assert lake.read_arrow("one", 0).to_pylist() == []
    assert lake.read_arrow("one", 1).to_pylist() == [{"a": "x"}]
