"""The order 'striped': law 4 for any files, row groups, ranks and batch, and how much is read twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.tables import LABELS
from ringmill.handoff import read
from ringmill.handoff.columns import Columns, Input, Rows
from ringmill.handoff.manifest import DataFile, Manifest
from ringmill.handoff.plan import Plan
from ringmill.handoff.stripes import RowGroups, Stripes, row_groups, window_capacity

# Files as the sizes of their row groups: some are empty, some hold one group.
FILES = st.lists(st.lists(st.integers(1, 40), max_size=4), max_size=6).filter(lambda files: any(files))
COUNTS = st.integers(1, 60)


def groups_of(files: list[list[int]]) -> RowGroups:
    rows = [(file, sum(sizes[:place]), size) for file, sizes in enumerate(files) for place, size in enumerate(sizes)]
    return row_groups(np.array(rows, np.int64))


def stripes_of(files: list[list[int]], *, batch: int, ranks: int, window: int) -> Stripes:
    return Stripes(Plan(sum(map(sum, files)), batch, ranks, seed=3), groups_of(files), window)


def rows_read(stripes: Stripes, epoch: int, rank: int, first: int = 0) -> list[tuple[int, int]]:
    """(file, row of the file), in the order in which the rank reads them."""
    pieces = stripes.ranges(epoch, rank, first)
    return [(piece.file, row) for piece in pieces for row in range(piece.start, piece.stop)]


@given(files=FILES, batch=COUNTS, ranks=st.integers(1, 9), window=COUNTS, epoch=st.integers(0, 3))
def test_law_4_each_row_once_in_equal_steps_for_any_layout(
    files: list[list[int]], batch: int, ranks: int, window: int, epoch: int
) -> None:
    stripes = stripes_of(files, batch=batch, ranks=ranks, window=window)
    plan = stripes.plan
    taken = [rows_read(stripes, epoch, rank) for rank in range(ranks)]
    everything = [(file, row) for file, sizes in enumerate(files) for row in range(sum(sizes))]
    assert sorted(row for rows in taken for row in rows) == everything
    assert max(map(len, taken)) - min(map(len, taken)) <= 1
    # In each window every row that was read for it stands in one place, and global batches are full but the last.
    batches = np.zeros(plan.steps, int)
    for rank in range(ranks):
        done = 0
        for first, last in stripes.windows():
            slots = stripes.slots(epoch, rank, first, last)
            real = slots.weight > 0
            rows = int(real.sum())
            assert slots.index.shape == (last - first, plan.local_batch)
            assert sorted(slots.index[real]) == list(range(rows))
            assert (slots.index[~real] == rows).all()
            assert rows <= min(max(window, plan.local_batch), window_capacity(plan, window))
            batches[first:last] += real.sum(axis=1)
            done += rows
        assert done == len(taken[rank])
    assert batches[:-1].tolist() == [batch] * (plan.steps - 1)
    assert 0 <= plan.steps * batch - batches.sum() < batch


@given(files=FILES, batch=COUNTS, ranks=st.integers(1, 9), epoch=st.integers(0, 3))
def test_a_cut_falls_into_at_most_one_group_for_each_rank_but_one(
    files: list[list[int]], batch: int, ranks: int, epoch: int
) -> None:
    stripes = stripes_of(files, batch=batch, ranks=ranks, window=1)
    pieces = [list(stripes.ranges(epoch, rank)) for rank in range(ranks)]
    assert sum(map(len, pieces)) <= sum(map(len, files)) + ranks - 1


@given(files=FILES, batch=COUNTS, ranks=st.integers(1, 4), window=COUNTS)
def test_law_7_reading_from_a_window_on_gives_the_rest_of_the_epoch(
    files: list[list[int]], batch: int, ranks: int, window: int
) -> None:
    stripes = stripes_of(files, batch=batch, ranks=ranks, window=window)
    windows = list(stripes.windows())
    first = windows[len(windows) // 2][0]
    assert list(stripes.windows(first)) == windows[len(windows) // 2 :]
    for rank in range(ranks):
        whole = rows_read(stripes, 1, rank)
        assert rows_read(stripes, 1, rank, first) == whole[stripes.seen(rank)[first] :]


def test_the_docstring_example_has_its_stated_steps() -> None:
    stripes = stripes_of([[7]], batch=3, ranks=2, window=100)
    assert [np.diff(stripes.seen(rank)).tolist() for rank in (0, 1)] == [[2, 1, 1], [1, 2, 0]]


def test_epochs_deal_the_groups_differently_and_repeatably() -> None:
    stripes = stripes_of([[5] * 20, [], [3]], batch=8, ranks=2, window=16)
    assert rows_read(stripes, 1, 0) == rows_read(stripes, 1, 0) != rows_read(stripes, 2, 0)
    assert stripes.slots(1, 0, 0, 4).index.tolist() != stripes.slots(2, 0, 0, 4).index.tolist()
    assert stripes.slots(1, 0, 0, 4).index.tolist() != stripes.slots(1, 1, 0, 4).index.tolist()


@pytest.mark.parametrize("ranks", [2, 3])
def test_a_window_shuffles_the_rows_of_its_own_steps_alone(ranks: int) -> None:
    stripes = stripes_of([[40]], batch=6, ranks=ranks, window=7)
    sizes = [int((stripes.slots(0, 0, first, last).weight > 0).sum()) for first, last in stripes.windows()]
    assert sum(sizes) == int(stripes.seen(0)[-1])
    assert max(sizes) <= 7


class Counted:
    """A file that counts the bytes that are read from it."""

    def __init__(self, file: Any, counts: list[int]) -> None:
        self.file, self.counts, self.closed = file, counts, False

    def read(self, size: int | None = None) -> bytes:
        found = self.file.read(size)
        self.counts.append(len(found))
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> Counted:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    real = read.open_file
    monkeypatch.setattr(read, "open_file", lambda path: Counted(real(path), found))
    return found


def wide_table(path: Path, *, files: int, groups: int, rows: int = 2_000) -> Manifest:
    """`files` files of `groups` row groups of 0.25 MB each; a whole file is not read at once."""
    draw = np.random.default_rng(0)
    data = []
    for place in range(files):
        count = groups * rows
        x = pa.FixedSizeListArray.from_arrays(pa.array(draw.random(count * 32, np.float32)), 32)
        labels = {name: np.zeros(count) for name in ("label_buy", "label_spend")}
        ids = np.arange(count) + place * count
        file = path / f"{place}.parquet"
        pq.write_table(pa.table({"row_id": ids, "x": x, **labels}), file, row_group_size=rows)
        data.append(DataFile(str(file), count, file.stat().st_size))
    return Manifest("t", 0, "train", tuple(data))


def read_epoch(manifest: Manifest, *, ranks: int, epoch: int = 0) -> list[int]:
    """The ids that the ranks read, window by window."""
    columns = Columns(Input("x", (32,)), LABELS)
    groups = row_groups(read.group_sizes(manifest, 0, len(manifest.files)))
    stripes = Stripes(Plan(manifest.rows, 256, ranks, seed=1), groups, 1_024)
    ids = []
    for rank in range(ranks):
        stream, seen = read.RowStream(manifest, stripes.ranges(epoch, rank), columns), stripes.seen(rank)
        for first, last in stripes.windows():
            rows = Rows.empty(int(seen[last] - seen[first]), columns)
            stream.fill(rows)
            ids += rows.row_id.tolist()
    return ids


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_an_epoch_reads_at_most_a_tenth_more_than_the_table_has(tmp_path: Path, counts: list[int], ranks: int) -> None:
    manifest = wide_table(tmp_path, files=3, groups=16)
    ids = read_epoch(manifest, ranks=ranks)
    assert sorted(ids) == list(range(manifest.rows))
    size = sum(file.bytes for file in manifest.files)
    assert size * 0.9 < sum(counts) <= 1.1 * size


@pytest.mark.parametrize("ranks", [1, 3])
def test_small_files_are_read_once(tmp_path: Path, counts: list[int], ranks: int) -> None:
    manifest = wide_table(tmp_path, files=40, groups=1, rows=100)
    read.group_sizes(manifest, 0, 40)
    footers = sum(counts)
    ids = read_epoch(manifest, ranks=ranks)
    assert sorted(ids) == list(range(manifest.rows))
    assert sum(counts) - 2 * footers <= 1.1 * sum(file.bytes for file in manifest.files)


def peak_of(manifest: Manifest) -> int:
    """Arrow's highest memory while two ranks' windows are read."""
    pool = pa.proxy_memory_pool(pa.default_memory_pool())
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        read_epoch(manifest, ranks=2)
    finally:
        pa.set_memory_pool(before)
    return pool.max_memory()


def test_memory_is_flat_in_the_tables_size_and_in_that_of_its_row_groups(tmp_path: Path) -> None:
    for name in ("small", "long", "large"):
        (tmp_path / name).mkdir()
    small = peak_of(wide_table(tmp_path / "small", files=1, groups=1, rows=150_000))
    long = peak_of(wide_table(tmp_path / "long", files=3, groups=1, rows=150_000))
    large = peak_of(wide_table(tmp_path / "large", files=1, groups=1, rows=450_000))
    assert max(long, large) < 1.1 * small < 450_000 * 32 * 4 / 2
