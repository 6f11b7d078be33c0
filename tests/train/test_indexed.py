"""The row index beside a training: made once for each version, whole or not at all, and never another version's."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from handoff.tables import features_table, write_table
from ringmill.errors import PlanError
from ringmill.train.files import DRAFTS
from ringmill.train.indexed import made_index, scan_lines
from ringmill.train.run import plan
from train.runs import spec_of

ROWS = features_table(120, seed=2)


@pytest.fixture
def table(tmp_path: Path) -> str:
    for part in (ROWS.slice(0, 70), ROWS.slice(70)):
        write_deltalake(str(tmp_path / "t"), part, mode="append")
    return str(tmp_path / "t")


def rows_of(split: str, rows: pa.Table = ROWS) -> int:
    found: int = rows.filter(pa.compute.field("split") == split).num_rows
    return found


def test_a_plan_refuses_until_the_index_is_there_and_then_knows_the_rows_of_each_split(
    table: str, tmp_path: Path
) -> None:
    spec = spec_of(table, tmp_path / "run", ranks=2, version=1)
    with pytest.raises(PlanError, match="nothing says which are whose") as error:
        plan(spec)
    assert error.value.received == "neither"
    assert not (tmp_path / "run").exists()
    assert "at most 960 bytes, 8 a row" in "\n".join(scan_lines(spec))
    job, handed = plan(spec, indexing=made_index)
    assert {split: manifest.rows for split, manifest in job.manifests.items()} == {
        split: rows_of(split) for split in ("train", "validation", "test")
    }
    assert 0 < handed.index_bytes <= 8 * ROWS.num_rows
    assert f"{handed.index_bytes:,} bytes say which rows are whose" in "\n".join(handed.lines())
    assert scan_lines(spec) == []
    assert plan(spec)[0] == job


def test_a_torn_index_is_made_anew_and_a_whole_one_is_not(table: str, tmp_path: Path) -> None:
    spec = spec_of(table, tmp_path / "run", ranks=1, version=1)
    plan(spec, indexing=made_index)
    (index,) = spec.row_index_folder.iterdir()
    whole, made = index.read_bytes(), index.stat().st_ino
    plan(spec, indexing=made_index)
    assert index.stat().st_ino == made
    index.write_bytes(whole[:-5])
    # What a killed writer leaves goes too.
    (index.parent / f"{DRAFTS}1").mkdir()
    with pytest.raises(PlanError, match="torn"):
        plan(spec)
    plan(spec, indexing=made_index)
    assert (list(index.parent.iterdir()), index.read_bytes()) == ([index], whole)


def test_each_version_has_an_index_of_its_own(table: str, tmp_path: Path) -> None:
    first, second = (spec_of(table, tmp_path / "run", ranks=1, version=version) for version in (0, 1))
    plan(first, indexing=made_index)
    with pytest.raises(PlanError, match="nothing says which are whose"):
        plan(second)
    job, _ = plan(second, indexing=made_index)
    assert job.manifests["train"].rows == rows_of("train")
    assert plan(first)[0].manifests["train"].rows == rows_of("train", ROWS.slice(0, 70))
    assert len(list(first.row_index_folder.iterdir())) == 2


def test_a_table_partitioned_by_split_needs_no_index(tmp_path: Path) -> None:
    spec = spec_of(write_table(tmp_path / "t", ROWS), tmp_path / "run", ranks=1)
    assert scan_lines(spec) == []
    assert plan(spec, indexing=made_index)[1].index_bytes == 0
    assert not spec.row_index_folder.exists()
