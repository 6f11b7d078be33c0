"""A pinned version under another root: its number, its rows, no second copy; and what is gone is named."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from ringmill.errors import InputError
from ringmill.lake.snapshot import link_folder, link_table


def written(folder: Path, commits: int) -> Path:
    """A table with one row a commit, by two partitions, one of which has a name that a URI escapes."""
    for number in range(commits):
        row = pa.table({"n": [number], "part": [f"p {number % 2}"]})
        write_deltalake(str(folder), row, mode="append", partition_by=["part"])
    return folder


def rows(folder: Path) -> list[int]:
    return sorted(DeltaTable(str(folder)).to_pyarrow_table()["n"].to_pylist())


def test_law_8_a_linked_version_is_the_newest_there_and_no_file_of_it_is_copied(tmp_path: Path) -> None:
    source, target = written(tmp_path / "one", 5), tmp_path / "two" / "one"
    DeltaTable(str(source)).create_checkpoint()
    link_table(source, target, 2)
    assert (DeltaTable(str(target)).version(), rows(target)) == (2, [0, 1, 2])
    for file in target.rglob("*.parquet"):
        assert file.samefile(source / file.relative_to(target))
    write_deltalake(str(target), pa.table({"n": [9], "part": ["p 0"]}), mode="append")
    assert (DeltaTable(str(target)).version(), rows(target)) == (3, [0, 1, 2, 9])
    assert (DeltaTable(str(source)).version(), rows(source)) == (4, [0, 1, 2, 3, 4])


def test_a_version_behind_a_checkpoint_is_linked_with_it(tmp_path: Path) -> None:
    source, target = written(tmp_path / "one", 4), tmp_path / "two"
    DeltaTable(str(source)).create_checkpoint()
    for number in range(3):
        (source / "_delta_log" / f"{number:020}.json").unlink()
    link_table(source, target, 3)
    assert rows(target) == [0, 1, 2, 3]


def test_law_10_a_vacuumed_file_a_lost_log_and_a_lost_folder_are_named(tmp_path: Path) -> None:
    source = written(tmp_path / "one", 3)
    (lost, *_) = sorted(source.rglob("*.parquet"))
    lost.unlink()
    with pytest.raises(InputError, match=lost.name):
        link_table(source, tmp_path / "two", 2)
    for where, version in ((tmp_path / "none", 0), (source, 9)):
        with pytest.raises(InputError, match=rf"{where.name}, version {version}"):
            link_table(where, tmp_path / "three", version)
    with pytest.raises(InputError, match="no such folder"):
        link_folder(tmp_path / "none", tmp_path / "four")
    assert not list(tmp_path.glob("t*"))
