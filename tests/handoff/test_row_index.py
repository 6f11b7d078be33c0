"""The row index of tables that are not partitioned by split: law 4 for any layout, its size, when it is not used."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from hypothesis import given
from hypothesis import strategies as st

from handoff.tables import LABELS, features_table, read_rows, write_table
from ringmill.errors import InputError, PlanError
from ringmill.handoff.columns import Columns, Input
from ringmill.handoff.manifest import DataFile, Manifest, Mixed, Picked, pin_splits, pin_version
from ringmill.handoff.plan import Plan, row_ranges
from ringmill.handoff.read import group_sizes
from ringmill.handoff.row_index import RowIndex, encoded, places, read_row_index, scan_bytes, write_row_index
from ringmill.handoff.stripes import Stripes, row_groups

SPLITS = ("train", "validation", "test")
COLUMNS = Columns(Input("x", (1,)))
# A file as row groups of rows, each in a split, in another one, or in none.
GROUPS = st.lists(st.sampled_from([*SPLITS, "none", None]), min_size=1, max_size=12)
FILES = st.lists(st.lists(GROUPS, min_size=1, max_size=3), min_size=1, max_size=3)


def mixed_of(folder: Path, files: list[list[list[str | None]]]) -> tuple[Mixed, dict[str, list[int]]]:
    """Parquet files with these row groups, and of each split the ids in the files' order."""
    ids: dict[str, list[int]] = {split: [] for split in SPLITS}
    data, at = [], 0
    for place, groups in enumerate(files):
        path = folder / f"{place}.parquet"
        schema = pa.schema([("row_id", pa.int64()), ("x", pa.float32()), ("split", pa.string())])
        with pq.ParquetWriter(path, schema) as writer:
            for splits in groups:
                row_id = np.arange(at, at + len(splits))
                writer.write_table(pa.table([row_id, row_id.astype(np.float32), splits], schema=schema))
                for row, split in zip(row_id.tolist(), splits, strict=True):
                    if split in ids:
                        ids[split].append(row)
                at += len(splits)
        data.append(DataFile(str(path), sum(map(len, groups)), path.stat().st_size))
    return Mixed(str(folder), 3, SPLITS, tuple(data), "key"), ids


def indexed(mixed: Mixed, path: Path) -> RowIndex:
    with path.open("wb") as file:
        write_row_index(mixed, file)
    index = read_row_index(path, mixed)
    assert index is not None
    return index


@given(files=FILES, ranks=st.integers(1, 4))
def test_law_4_each_row_of_a_split_falls_to_one_rank_for_any_files_row_groups_and_splits(
    files: list[list[list[str | None]]], ranks: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("t")
    mixed, ids = mixed_of(folder, files)
    index = indexed(mixed, folder / "rows")
    for split, manifest in index.manifests(mixed).items():
        read = [read_rows(manifest, row_ranges(manifest, rank, ranks), COLUMNS) for rank in range(ranks)]
        assert np.concatenate([rows.row_id for rows in read]).tolist() == ids[split]
        assert np.concatenate([rows.x[:, 0] for rows in read]).tolist() == ids[split]
        assert manifest.index_bytes <= 4 * manifest.rows
    assert index.rows_without == mixed.rows - sum(map(len, ids.values()))


@given(files=FILES, ranks=st.integers(1, 3), batch=st.integers(1, 9), epoch=st.integers(0, 2))
def test_law_4_stripes_deal_each_row_of_a_split_once(
    files: list[list[list[str | None]]], ranks: int, batch: int, epoch: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("t")
    mixed, ids = mixed_of(folder, files)
    manifest = indexed(mixed, folder / "rows").manifests(mixed)["train"]
    groups = row_groups(group_sizes(manifest, 0, len(manifest.files)))
    assert groups.rows.sum() == len(ids["train"])
    stripes = Stripes(Plan(manifest.rows, batch, ranks, seed=3), groups, 4)
    read = [list(stripes.ranges(epoch, rank)) for rank in range(ranks)] if manifest.rows else []
    taken = [row for pieces in read for row in read_rows(manifest, pieces, COLUMNS).row_id.tolist()]
    assert sorted(taken) == ids["train"]


@given(rows=st.lists(st.booleans(), max_size=60), wide=st.booleans(), data=st.data())
def test_places_come_back_as_they_are_in_at_most_8_bytes_a_row(
    rows: list[bool], wide: bool, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # A file of 2³² rows or more takes 8 bytes a number.
    first, dtype = (2**33, np.uint64) if wide else (0, np.uint32)
    found = np.flatnonzero(rows).astype(dtype) + dtype(first)
    form, numbers = encoded(found)
    assert numbers.nbytes <= found.itemsize * len(found) <= 8 * len(found)
    path = tmp_path_factory.mktemp("i") / "rows"
    path.write_bytes(b"before" + numbers.tobytes())
    picked = Picked(str(path), 6, numbers.size, numbers.itemsize, form, of=first + len(rows))
    start = data.draw(st.integers(0, len(found)))
    stop = data.draw(st.integers(start, len(found)))
    assert places(DataFile("f", len(found), 1, picked), start, stop).tolist() == found[start:stop].tolist()


def test_neighbours_are_kept_as_runs_and_scattered_rows_as_places() -> None:
    form, numbers = encoded(np.array([3, 4, 5, 6, 9, 10, 11], np.uint32))
    assert (form, numbers.tolist()) == ("runs", [[3, 4], [9, 3]])
    form, numbers = encoded(np.array([0, 2, 3, 7], np.uint32))
    assert (form, numbers.tolist()) == ("places", [0, 2, 3, 7])


def table_of(path: Path, rows: pa.Table, *, parts: int = 3) -> str:
    """A Delta table that is not partitioned, of `parts` files."""
    size = -(-rows.num_rows // parts)
    for start in range(0, rows.num_rows, size):
        write_deltalake(str(path), rows.slice(start, size), mode="append")
    return str(path)


def pinned(table: str, version: int) -> Mixed:
    found = pin_version(table, version, SPLITS)
    assert isinstance(found, Mixed)
    return found


def test_the_splits_of_a_table_are_those_of_the_same_rows_partitioned(tmp_path: Path) -> None:
    rows = features_table(90, seed=4)
    columns = Columns(Input("x", (3,)), LABELS)
    mixed = pinned(table_of(tmp_path / "mixed", rows), 2)
    found = indexed(mixed, tmp_path / "rows").manifests(mixed)
    apart = pin_splits(write_table(tmp_path / "apart", rows), 0, SPLITS)
    for split in SPLITS:
        one, other = (read_rows(each[split], row_ranges(each[split], 0, 1), columns) for each in (found, apart))
        for left, right in (
            (one.row_id, other.row_id),
            (one.x, other.x),
            *zip(one.labels.values(), other.labels.values(), strict=True),
        ):
            by = [np.argsort(side.row_id) for side in (one, other)]
            assert left[by[0]].tobytes() == right[by[1]].tobytes()
        travelled = Manifest.from_json(json.loads(json.dumps(found[split].to_json())))
        assert travelled == found[split]


@pytest.mark.parametrize("keep", [0, 1, 0.5, 0.999])
def test_a_torn_index_is_none(tmp_path: Path, keep: float) -> None:
    mixed, _ = mixed_of(tmp_path, [[["train", "test", "train"]]])
    indexed(mixed, path := tmp_path / "rows")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if keep != 1 else len(whole) - 1])
    assert read_row_index(path, mixed) is None
    assert read_row_index(tmp_path / "absent", mixed) is None


@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_an_index_with_a_bit_turned_is_none(place: int, bit: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("t")
    mixed, _ = mixed_of(folder, [[["train", "test", None, "train"]]])
    indexed(mixed, path := folder / "rows")
    whole = bytearray(path.read_bytes())
    whole[place % len(whole)] ^= 1 << bit
    path.write_bytes(whole)
    assert read_row_index(path, mixed) is None


def test_an_index_of_another_version_or_table_is_none(tmp_path: Path) -> None:
    table = table_of(tmp_path / "t", features_table(30))
    index = tmp_path / "rows"
    indexed(pinned(table, 2), index)
    assert read_row_index(index, pinned(table, 2)) is not None
    assert read_row_index(index, pinned(table, 1)) is None
    # The same rows at the same path and version, in a table made anew.
    (tmp_path / "t").rename(tmp_path / "old")
    assert read_row_index(index, pinned(table_of(tmp_path / "t", features_table(30)), 2)) is None


def test_an_index_that_names_other_rows_is_refused_when_it_is_read(tmp_path: Path) -> None:
    mixed, _ = mixed_of(tmp_path, [[["train", "test", "train", "test", "train"]]])
    file = indexed(mixed, path := tmp_path / "rows").files["train"][0]
    for numbers in ([0, 2], [0, 2, 2], [0, 2, 5]):
        path.write_bytes(np.array(numbers, "<u4").tobytes())
        with pytest.raises(PlanError, match="nothing says which are whose"):
            places(file, 0, 3)


def test_a_scan_reads_the_column_split_alone_and_says_how_many_bytes(tmp_path: Path) -> None:
    mixed, _ = mixed_of(tmp_path, [[["train", "test"]], [["train"], ["train"]]])
    expected = 0
    for file in mixed.files:
        metadata = pq.ParquetFile(file.path).metadata
        expected += sum(
            metadata.row_group(group).column(2).total_compressed_size for group in range(metadata.num_row_groups)
        )
    assert scan_bytes(mixed) == expected > 0


def test_tables_without_a_split_of_text_are_refused_by_name(tmp_path: Path) -> None:
    for name, column in (("number", {"split": [1]}), ("none", {"fold": ["train"]})):
        write_deltalake(str(tmp_path / name), pa.table({"row_id": [1], **column}))
        with pytest.raises(InputError, match="Column 'split'"):
            pin_version(str(tmp_path / name), 0, SPLITS)


def test_a_file_with_another_number_of_rows_than_the_log_says_is_named(tmp_path: Path) -> None:
    mixed, _ = mixed_of(tmp_path, [[["train", "test"]]])
    wrong: Any = Mixed(mixed.table, 3, SPLITS, (DataFile(mixed.files[0].path, 3, 10),), "key")
    with pytest.raises(InputError, match="3 rows, as the log says"):
        write_row_index(wrong, io.BytesIO())
