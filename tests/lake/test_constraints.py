"""Constraints of tables: what a contract forbids, nobody can write, by Spark, SQL or delta-rs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from deltalake import DeltaTable, Field, Schema, write_deltalake
from deltalake.exceptions import DeltaError
from deltalake.table import TableAlterer

from ringmill.contracts import CLEAN_ROWS, QUALITY_RULES, RFM_CUSTOMERS, SCORES, Column, Table
from ringmill.errors import LawError
from ringmill.lake.arrow import schema_of
from ringmill.lake.create import create_table
from ringmill.lake.tables import Lake

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

SHOP = Table(
    "shop",
    "a line",
    (
        Column("id", "bigint", "of the line"),
        Column("pieces", "bigint", "how many", nullable=True, least=1, unit="pieces"),
        Column("chance", "double", "of a purchase", least=0, most=1),
        Column("words", "array<string>", "of the text", nullable=True),
        Column("status", "string", "clean or rejected", one_of=("clean", "rejected")),
    ),
    partition_by=("status",),
)
NAMES = {f"delta.constraints.{name}" for name in ("pieces", "chance", "status")}
DDL = "id bigint, pieces bigint, chance double, words array<string>, status string"


def test_what_a_contract_says_of_a_column_is_one_condition() -> None:
    checks = {column.name: column.check for column in SHOP.columns}
    assert checks == {
        "id": "",
        "pieces": "pieces IS NULL OR (pieces >= 1)",
        "chance": "chance >= 0 AND chance <= 1",
        "words": "",
        "status": "status IN ('clean', 'rejected')",
    }
    assert set(SHOP.checks) == {"pieces", "chance", "status"}


def test_the_tables_that_people_query_say_their_sets_and_ranges() -> None:
    found = {
        table.path: {column.name for column in table.columns if column.check}
        for table in (CLEAN_ROWS, SCORES, RFM_CUSTOMERS, QUALITY_RULES)
    }
    assert found["clean/rows"] == {"status"}
    assert found["scores/customers"] == {"buy_probability"}
    assert {"order_count", "r_score", "f_score", "m_score", "period"} <= found["rfm/customers"]
    assert {"kind", "tried", "failed", "fixed", "share"} <= found["quality/rules"]


@pytest.mark.spark
def test_a_table_is_made_with_its_constraints_and_a_second_write_is_one_commit(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path))
    rows = [(1, 3, 0.0, ["a", None], "clean"), (2, None, 1.0, None, "rejected")]
    first = lake.write(spark.createDataFrame(rows, DDL), SHOP, run_id="1")
    found = DeltaTable(lake.path("shop"), version=first)
    assert {field.name: field.nullable for field in found.schema().fields} == {
        "id": False, "pieces": True, "chance": False, "words": True, "status": False,
    }  # fmt: skip
    assert {key for key in found.metadata().configuration if "constraints" in key} == NAMES
    assert sorted(found.to_pyarrow_table(columns=["id"])["id"].to_pylist()) == [1, 2]
    described = {row["col_name"]: row["comment"] for row in spark.sql(f"DESCRIBE delta.`{found.table_uri}`").collect()}
    assert described["pieces"] == "how many [pieces]"
    assert lake.write(spark.createDataFrame(rows[:1], DDL), SHOP, run_id="2") == first + 1


def without_pieces(fields: list[Field]) -> list[Field]:
    return [field for field in fields if field.name != "pieces"]


def with_small_pieces(fields: list[Field]) -> list[Field]:
    return [Field(field.name, "integer") if field.name == "pieces" else field for field in fields]


def with_null_ids(fields: list[Field]) -> list[Field]:
    return [Field(field.name, field.type, nullable=True) if field.name == "id" else field for field in fields]


@pytest.mark.spark
@pytest.mark.parametrize(
    ("change", "partition_by"),
    [(without_pieces, ["status"]), (with_small_pieces, ["status"]), (with_null_ids, ["status"]), (list, [])],
    ids=["a column gone", "another type", "null where none may be", "other partitions"],
)
def test_a_table_that_another_program_laid_out_anew_is_made_again(
    spark: SparkSession, tmp_path: Path, change: Callable[[list[Field]], list[Field]], partition_by: list[str]
) -> None:
    lake = Lake(str(tmp_path))
    rows = spark.createDataFrame([(1, 3, 0.0, ["a", None], "clean")], DDL)
    made = DeltaTable(lake.path("shop"), version=lake.write(rows, SHOP, run_id="1"))
    DeltaTable.create(
        lake.path("shop"),
        Schema(change(made.schema().fields)),
        mode="overwrite",
        partition_by=partition_by,
        configuration=made.metadata().configuration,
        raise_if_key_not_exists=False,
    )
    version = lake.write(rows, SHOP, run_id="2")
    found = DeltaTable(lake.path("shop"), version=version)
    assert found.metadata().partition_columns == ["status"]
    assert {key for key in found.metadata().configuration if "constraints" in key} == NAMES
    assert {field.name: field.nullable for field in found.schema().fields}["id"] is False
    assert found.to_pyarrow_table()["pieces"].to_pylist() == [3]
    assert lake.write(rows, SHOP, run_id="3") == version + 1


FORBIDDEN = {
    "NULL, 1, 0.5D, NULL, 'clean'": "id",
    "3, 0, 0.5D, NULL, 'clean'": "pieces",
    "3, 1, 1.5D, NULL, 'clean'": "chance",
    "3, 1, DOUBLE('NaN'), NULL, 'clean'": "chance",
    "3, 1, 0.5D, NULL, 'bogus'": "status",
}


@pytest.mark.spark
def test_a_person_in_a_sql_shell_cannot_write_what_the_contract_forbids(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    first = lake.write(spark.createDataFrame([(1, 1, 0.5, ["a"], "clean")], DDL), SHOP, run_id="1")
    for values, said in FORBIDDEN.items():
        with pytest.raises(Exception, match=rf"CONSTRAINT[\s\S]*{said}"):
            spark.sql(f"INSERT INTO delta.`{lake.path('shop')}` VALUES ({values})")
    for values, said in list(FORBIDDEN.items())[:2]:
        bad = spark.sql(f"SELECT * FROM VALUES ({values}) AS t(id, pieces, chance, words, status)")
        with pytest.raises(LawError, match="A row of shop has a value") as caught:
            lake.write(bad, SHOP, run_id="2")
        assert said in caught.value.received
        assert "\n" not in caught.value.received
    assert DeltaTable(lake.path("shop")).version() == first


@pytest.mark.spark
def test_a_table_of_an_earlier_release_gets_constraints_when_it_is_written_whole_and_keeps_its_versions(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path))
    old = spark.createDataFrame([(1, 1, 0.5, ["a"], "clean")], DDL)
    old.write.format("delta").partitionBy("status").save(lake.path("shop"))
    version = lake.write(old, SHOP, run_id="1")
    assert set(DeltaTable(lake.path("shop")).metadata().configuration) > NAMES
    assert DeltaTable(lake.path("shop")).to_pyarrow_table().num_rows == 1
    assert lake.read(spark, "shop", 0).count() == lake.read(spark, "shop", version).count() == 1


@pytest.mark.spark
def test_a_table_of_an_earlier_release_that_grows_keeps_its_rows_and_stays_without_constraints(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path))
    old = spark.createDataFrame([(1, 1, 0.5, ["a"], "clean"), (2, 1, 0.5, ["a"], "rejected")], DDL)
    old.write.format("delta").partitionBy("status").save(lake.path("shop"))
    more = spark.createDataFrame([(3, 1, 0.5, ["a"], "rejected")], DDL)
    version = lake.replace(more, SHOP, where="status = 'rejected'", onto=0, run_id="1")
    assert sorted(row["id"] for row in lake.read(spark, "shop", version).collect()) == [1, 3]
    merged = lake.merge(
        spark.createDataFrame([(3, 5, 0.5, ["a"], "clean")], DDL), SHOP, on=["id"], base=version, run_id="2"
    )
    assert sorted((row["id"], row["pieces"]) for row in lake.read(spark, "shop", merged).collect()) == [(1, 1), (3, 5)]
    assert "delta.constraints.status" not in DeltaTable(lake.path("shop")).metadata().configuration


def test_a_small_table_that_is_written_without_spark_has_constraints_too(tmp_path: Path) -> None:
    lake, table = Lake(str(tmp_path)), replace(SHOP, columns=(SHOP.columns[0], SHOP.columns[2]), partition_by=())
    lake.replace_arrow(table, [{"id": 1, "chance": 0.5}], key="id", onto=None, run_id="1")
    lake.replace_arrow(table, [{"id": 1, "chance": 0.7}], key="id", onto=None, run_id="1")
    with pytest.raises(DeltaError, match="chance"):
        write_deltalake(lake.path("shop"), pa.table({"id": [2], "chance": [1.5]}), mode="append")
    assert DeltaTable(lake.path("shop")).to_pyarrow_table()["chance"].to_pylist() == [0.7]


def test_a_table_that_a_kill_left_without_its_constraints_gets_them_from_the_next_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = replace(SHOP, columns=tuple(column for column in SHOP.columns if column.name != "words"))
    path, schema = str(tmp_path / "shop"), Schema.from_arrow(schema_of(shop))

    def killed(*words: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(TableAlterer, "add_constraint", killed)
        create_table(path, shop, schema)
    assert not NAMES & set(DeltaTable(path).metadata().configuration)
    for _ in range(2):
        create_table(path, shop, schema)
        assert {key for key in DeltaTable(path).metadata().configuration if "constraints" in key} == NAMES
        assert DeltaTable(path).version() == 1
