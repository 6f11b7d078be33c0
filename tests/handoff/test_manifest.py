"""pin: a table version's files, and the tables that it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from handoff.tables import LABELS, features_table, read_rows, write_table
from ringmill.errors import InputError, PlanError
from ringmill.handoff.manifest import Manifest, pin

TINY = pa.table({"row_id": [1, 2, 3], "split": ["train", "test", "train"]})


def edit_log(table: str, change) -> None:
    """Apply `change` to each action of the first commit."""
    log = Path(table) / "_delta_log" / f"{0:020}.json"
    actions = [change(json.loads(line)) for line in log.read_text().splitlines()]
    log.write_text("\n".join(json.dumps(action) for action in actions))


def test_a_manifest_holds_the_files_of_its_split_and_of_its_version_alone(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t", TINY, TINY)
    first, second = (pin(table, version, split="train") for version in (0, 1))
    assert (len(first.files), first.rows) == (1, 2)
    assert (len(second.files), second.rows) == (2, 4)
    assert pin(table, 1, split="validation").rows == 0
    assert all("split=train" in file.path and Path(file.path).stat().st_size == file.bytes for file in second.files)


def test_the_files_order_does_not_depend_on_the_order_of_the_log(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t", *[TINY] * 5)
    paths = [file.path for file in pin(table, 4, split="train").files]
    assert paths == sorted(paths)


def test_a_manifest_travels_as_json(tmp_path: Path) -> None:
    manifest = pin(write_table(tmp_path / "t", TINY), 0, split="train")
    assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest


def test_a_missing_row_count_is_taken_from_the_parquet_footer(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t with a blank", TINY)

    def without_statistics(action: dict) -> dict:
        return {"add": action["add"] | {"stats": None}} if "add" in action else action

    edit_log(table, without_statistics)
    assert pin(table, 0, split="train").rows == 2


@pytest.mark.parametrize("scheme", ["file://", "file:"])
def test_files_of_another_table_are_found_as_spark_s_shallow_clones_name_them(scheme: str, tmp_path: Path) -> None:
    source = write_table(tmp_path / "source", features_table(30, seed=1))
    clone = tmp_path / "clone"
    (clone / "_delta_log").mkdir(parents=True)
    for commit in (Path(source) / "_delta_log").glob("*.json"):
        actions = [json.loads(line) for line in commit.read_text().splitlines()]
        for action in actions:
            if "add" in action:
                action["add"]["path"] = f"{scheme}{source}/{action['add']['path']}"
        (clone / "_delta_log" / commit.name).write_text("".join(json.dumps(action) + "\n" for action in actions))
    found, expected = (pin(str(table), 0, split="train") for table in (clone, source))
    assert [file.path for file in found.files] == [file.path for file in expected.files] != []


def test_column_mapping_is_refused_by_name(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t", TINY)

    def with_mapping(action: dict) -> dict:
        if "metaData" not in action:
            return action
        return {"metaData": action["metaData"] | {"configuration": {"delta.columnMapping.mode": "name"}}}

    edit_log(table, with_mapping)
    with pytest.raises(PlanError, match="column mapping"):
        pin(table, 0, split="train")


def test_a_table_not_partitioned_by_split_is_refused(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "t"), TINY)
    with pytest.raises(InputError, match="split"):
        pin(str(tmp_path / "t"), 0, split="train")


@pytest.mark.spark
def test_deletion_vectors_are_refused_only_where_rows_are_deleted(spark, tmp_path: Path) -> None:
    from delta.tables import DeltaTable

    table = str(tmp_path / "t")
    rows = spark.range(20).selectExpr("id AS row_id", "IF(id % 2 = 0, 'train', 'test') AS split").repartition(1)
    writer = rows.write.format("delta").partitionBy("split").option("delta.enableDeletionVectors", "true")
    writer.save(table)
    assert pin(table, 0, split="train").rows == 10
    DeltaTable.forPath(spark, table).delete("row_id = 4")
    with pytest.raises(PlanError, match="deletion vectors"):
        pin(table, 1, split="train")


def test_a_vacuumed_file_is_named(tmp_path: Path) -> None:
    from ringmill.handoff.columns import Columns, Input
    from ringmill.handoff.plan import row_ranges

    manifest = pin(write_table(tmp_path / "t", features_table(9)), 0, split="train")
    Path(manifest.files[0].path).unlink()
    with pytest.raises(PlanError, match="vacuumed") as error:
        read_rows(manifest, row_ranges(manifest, 0, 1), Columns(Input("x", (3,)), LABELS))
    assert error.value.where == manifest.files[0].path
