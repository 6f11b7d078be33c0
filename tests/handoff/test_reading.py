"""What the plan says that the order 'striped' reads is what its reader does read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.tables import LABELS
from handoff.test_stripes import COUNTS, FILES, Counted, stripes_of, wide_table
from ringmill.handoff import read
from ringmill.handoff.budget import HandOff, hand_off
from ringmill.handoff.columns import Columns, Input, Rows
from ringmill.handoff.manifest import Manifest
from ringmill.handoff.plan import Plan
from ringmill.handoff.reading import reading, reading_lines
from ringmill.handoff.stripes import Stripes, row_groups

COLUMNS = Columns(Input("x", (32,)), LABELS)


@given(files=FILES, batch=COUNTS, ranks=st.integers(1, 9), epoch=st.integers(0, 3))
def test_a_group_has_as_many_readers_as_ranks_whose_ranges_touch_it(
    files: list[list[int]], batch: int, ranks: int, epoch: int
) -> None:
    stripes = stripes_of(files, batch=batch, ranks=ranks, window=1)
    groups, found = stripes.groups, np.zeros(len(stripes.groups.rows), np.int64)
    for rank in range(ranks):
        for piece in stripes.ranges(epoch, rank):
            found += (
                (groups.file == piece.file) & (groups.begin <= piece.start) & (piece.start < groups.begin + groups.rows)
            )
    assert stripes.readers(epoch).tolist() == found.tolist()


class WhollyCounted(Counted):
    """One that counts also what is read into buffers, as footers are."""

    def read_buffer(self, size: int | None = None) -> Any:
        found = self.file.read_buffer(size)
        self.counts.append(len(found))
        return found


def planned(manifest: Manifest, *, ranks: int) -> HandOff:
    plan = Plan(manifest.rows, 256, ranks, seed=1)
    return hand_off(
        {"train": manifest, "validation": manifest, "test": manifest},
        plan,
        columns=COLUMNS,
        memory_mb=10**6,
        host_ranks=ranks,
        window_rows=1_024,
    )


def bytes_read(handed: HandOff, epoch: int, counts: list[int]) -> int:
    """What the readers of all ranks take from the files in one epoch."""
    manifest = handed.manifests["train"]
    stripes = Stripes(handed.plan, row_groups(read.group_sizes(manifest, 0, len(manifest.files))), 1_024)
    counts.clear()
    for rank in range(handed.plan.ranks):
        stream = read.RowStream(manifest, stripes.ranges(epoch, rank), COLUMNS)
        stream.fill(Rows.empty(int(stripes.seen(rank)[-1]), COLUMNS))
    return sum(counts)


@pytest.mark.parametrize("ranks", [1, 2, 5])
@pytest.mark.parametrize(("files", "groups", "rows"), [(1, 3, 5_000), (3, 4, 3_000), (2, 1, 5_000), (5, 3, 500)])
def test_the_plan_states_the_bytes_that_an_epoch_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, groups: int, rows: int, ranks: int
) -> None:
    counts: list[int] = []
    real = read.open_file
    handed = planned(wide_table(tmp_path, files=files, groups=groups, rows=rows), ranks=ranks)
    found = reading(handed, epochs=3)
    monkeypatch.setattr(read, "open_file", lambda path: WhollyCounted(real(path), counts))
    assert found.exact
    assert found.bytes == max(bytes_read(handed, epoch, counts) for epoch in range(3))
    assert f"{found.bytes:,} bytes" in found.lines()[0]


def test_of_a_chunk_beyond_the_buffer_a_rank_may_read_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    real = read.open_file
    handed = planned(wide_table(tmp_path, files=1, groups=1, rows=40_000), ranks=2)
    found = reading(handed, epochs=1)
    monkeypatch.setattr(read, "open_file", lambda path: WhollyCounted(real(path), counts))
    assert not found.exact
    assert bytes_read(handed, 0, counts) <= found.bytes
    said, warning = reading_lines(handed, epochs=1)
    assert said.startswith("read     at most ") and "2.0" in said
    assert "make its row groups smaller" in warning and "train.order: global" in warning


def test_many_small_groups_cost_a_footer_each_and_few_ranks_of_larger_ones_are_not_warned_of(tmp_path: Path) -> None:
    for name in ("small", "large"):
        (tmp_path / name).mkdir()
    small = reading_lines(planned(wide_table(tmp_path / "small", files=1, groups=40, rows=300), ranks=1), epochs=1)
    assert "row groups larger" in small[1]
    large = planned(wide_table(tmp_path / "large", files=3, groups=8, rows=8_000), ranks=2)
    assert len(reading_lines(large, epochs=1)) == 1


def test_the_order_global_says_nothing_of_it(tmp_path: Path) -> None:
    manifest = wide_table(tmp_path, files=1, groups=1, rows=300)
    splits = dict.fromkeys(("train", "validation", "test"), manifest)
    handed = hand_off(splits, Plan(300, 64, 2, seed=1), columns=COLUMNS, memory_mb=10**6, host_ranks=2)
    assert reading_lines(handed, epochs=1) == []
