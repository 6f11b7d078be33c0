"""The plan's arithmetic: law 4 (equal steps, each row once) and law 5 (the same batches for any number of ranks)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.tables import LABELS
from ringmill.errors import PlanError
from ringmill.handoff.budget import hand_off
from ringmill.handoff.columns import Columns, Input
from ringmill.handoff.manifest import DataFile, Manifest
from ringmill.handoff.plan import Plan, row_ranges, share

COUNTS = st.integers(1, 300)
RANKS = st.integers(1, 9)


def manifest_of(sizes: list[int], split: str = "train") -> Manifest:
    files = tuple(DataFile(f"{split}/f{place:03}", size, 10 * size) for place, size in enumerate(sizes))
    return Manifest("t", 0, split, files)


def each_row_once(plan: Plan, epoch: int) -> bool:
    """Law 4: the places with weight hold every row once, and the others hold no row."""
    slots = [plan.slots(plan.batches(epoch), rank) for rank in range(plan.ranks)]
    index, weight = (np.concatenate([getattr(slot, name).ravel() for slot in slots]) for name in ("index", "weight"))
    real = weight > 0
    counts = np.bincount(index[real], minlength=plan.rows)
    return bool((counts == 1).all() and set(weight[real]) <= {1.0} and (index[~real] == plan.rows).all())


def batches_seen(plan: Plan, epoch: int) -> list[list[int]]:
    """The rows of each global batch, in the order of ranks."""
    slots = [plan.slots(plan.batches(epoch), rank) for rank in range(plan.ranks)]
    return [
        [int(row) for slot in slots for row, weight in zip(slot.index[step], slot.weight[step], strict=True) if weight]
        for step in range(plan.steps)
    ]


@given(rows=COUNTS, batch=COUNTS, ranks=RANKS, epoch=st.integers(0, 5))
def test_law_4_equal_steps_and_each_row_exactly_once(rows: int, batch: int, ranks: int, epoch: int) -> None:
    plan = Plan(rows=rows, batch=batch, ranks=ranks, seed=7)
    shapes = {plan.slots(plan.batches(epoch), rank).index.shape for rank in range(ranks)}
    assert shapes == {(plan.steps, plan.local_batch)}
    assert plan.steps == -(-rows // batch)
    assert 0 <= plan.padding < batch
    assert each_row_once(plan, epoch)


@given(rows=COUNTS, batch=COUNTS, epoch=st.integers(0, 5))
def test_law_5_any_number_of_ranks_sees_the_same_batches(rows: int, batch: int, epoch: int) -> None:
    seen = [batches_seen(Plan(rows=rows, batch=batch, ranks=ranks, seed=7), epoch) for ranks in (1, 2, 3, 4)]
    assert seen[1:] == seen[:-1]


class FloorShare(Plan):
    """A deliberate break: every rank takes batch // ranks rows, and the remainder is forgotten."""

    def slots(self, batches, rank):
        whole, size = super().slots(batches, rank), self.batch // self.ranks
        index = np.full_like(whole.index, self.rows)
        index[:, :size] = batches[:, rank * size : (rank + 1) * size]
        return type(whole)(index, (index < self.rows).astype(float))


class OwnOrder(Plan):
    """A deliberate break: the shuffle knows the number of ranks."""

    def batches(self, epoch):
        return Plan(self.rows, self.batch, 1, self.seed + self.ranks).batches(epoch)


def test_law_4_the_check_catches_a_plan_that_drops_the_remainder() -> None:
    assert each_row_once(FloorShare(rows=8, batch=4, ranks=2, seed=7), 0)
    assert not each_row_once(FloorShare(rows=9, batch=3, ranks=2, seed=7), 0)


def test_law_5_the_check_catches_a_shuffle_that_depends_on_the_ranks() -> None:
    plans = [OwnOrder(rows=50, batch=8, ranks=ranks, seed=7) for ranks in (1, 2)]
    assert batches_seen(plans[0], 0) != batches_seen(plans[1], 0)


def test_the_docstring_example_has_its_stated_shape() -> None:
    plan = Plan(rows=7, batch=4, ranks=2, seed=1)
    assert (plan.steps, plan.local_batch, plan.padding) == (2, 2, 1)
    assert plan.slots(plan.batches(0), 1).weight.tolist() == [[1.0, 1.0], [1.0, 0.0]]


def test_epochs_and_seeds_shuffle_differently_and_repeatably() -> None:
    plan = Plan(rows=100, batch=10, ranks=1, seed=1)
    assert (plan.batches(3) == plan.batches(3)).all()
    assert (plan.batches(3) != plan.batches(4)).any()
    assert (plan.batches(3) != Plan(rows=100, batch=10, ranks=1, seed=2).batches(3)).any()


@pytest.mark.parametrize(
    ("count", "rank", "ranks", "expected"),
    [
        (10, 0, 1, (0, 10)),
        (10, 0, 3, (0, 3)),
        (10, 1, 3, (3, 6)),
        (10, 2, 3, (6, 10)),
        (1, 0, 2, (0, 0)),
        (0, 1, 2, (0, 0)),
    ],
)
def test_a_share_is_a_stretch(count: int, rank: int, ranks: int, expected: tuple[int, int]) -> None:
    assert share(count, rank, ranks) == expected


@given(sizes=st.lists(st.integers(0, 40), max_size=12), ranks=RANKS)
def test_law_4_row_ranges_cover_each_row_of_each_file_once(sizes: list[int], ranks: int) -> None:
    manifest = manifest_of(sizes)
    counts = [np.zeros(size, int) for size in sizes]
    taken = []
    for rank in range(ranks):
        ranges = row_ranges(manifest, rank, ranks)
        assert all(piece.start < piece.stop for piece in ranges)
        for piece in ranges:
            counts[piece.file][piece.start : piece.stop] += 1
        taken.append(sum(piece.stop - piece.start for piece in ranges))
    assert all((count == 1).all() for count in counts)
    assert max(taken) - min(taken) <= 1


def test_law_4_a_million_files_of_a_few_rows_are_shared_out_whole() -> None:
    sizes = np.random.default_rng(4).integers(0, 4, 10**6)
    manifest = manifest_of(sizes.tolist())
    ranges = [row_ranges(manifest, rank, 3) for rank in range(3)]
    seen = np.array([(piece.file, piece.start, piece.stop) for part in ranges for piece in part])
    files, starts, stops = seen.T
    np.testing.assert_array_equal(np.bincount(files, stops - starts, minlength=10**6), sizes)
    # One after the other, and where a file is shared the next goes on where the last one ended.
    assert (np.diff(files) >= 0).all()
    shared = np.flatnonzero(np.diff(files) == 0)
    assert len(shared) <= 2
    np.testing.assert_array_equal(stops[shared], starts[shared + 1])


@settings(max_examples=20)
@given(files=st.integers(0, 3), ranks=st.integers(4, 9))
def test_ranks_without_rows_get_no_range(files: int, ranks: int) -> None:
    ranges = [row_ranges(manifest_of([1] * files), rank, ranks) for rank in range(ranks)]
    assert sum(map(len, ranges)) == files


def splits(train: int, validation: int) -> dict[str, Manifest]:
    return {
        "train": manifest_of([train]),
        "validation": manifest_of([validation], "validation"),
        "test": manifest_of([], "test"),
    }


def vector(length: int) -> Columns:
    return Columns(Input("x", (length,)), LABELS)


def test_a_plan_over_the_stated_memory_fails_before_anything_is_started() -> None:
    plan = Plan(rows=10**6, batch=256, ranks=2, seed=1)
    manifests = splits(10**6, 10)
    handed = hand_off(manifests, plan, columns=vector(32), memory_mb=10**6, host_ranks=2)
    # Of each row its id, 32 numbers, two labels and its place in the order of ids.
    assert 0 <= handed.copy_bytes - (10**6 + 10) * (8 + 4 * 32 + 2 * 8 + 4) < 4096
    needed = handed.host_bytes(ranks=2)
    assert needed == handed.copy_bytes + 2 * handed.rank_bytes
    with pytest.raises(PlanError, match=r"train\.memory_mb"):
        hand_off(manifests, plan, columns=vector(32), memory_mb=needed // 2**20, host_ranks=2)
    hand_off(manifests, plan, columns=vector(32), memory_mb=needed // 2**20 + 1, host_ranks=2)
    with pytest.raises(PlanError, match="2 decoded copies and 2 ranks"):
        handed.check(needed // 2**20 + 1, ranks=2, copies=2)


def test_what_a_rank_holds_beside_the_shared_copy_hardly_grows_with_the_rows() -> None:
    small, large = (
        hand_off(splits(rows, 10), Plan(rows, 256, 2, 1), columns=vector(32), memory_mb=10**6, host_ranks=2).rank_bytes
        for rows in (10**6, 10**7)
    )
    assert large - small <= 9 * 9 * 10**6


@pytest.mark.parametrize(("train", "validation", "named"), [(0, 5, "train"), (5, 0, "validation")])
def test_a_split_without_rows_is_named(train: int, validation: int, named: str) -> None:
    with pytest.raises(PlanError, match=f"split = '{named}'"):
        hand_off(splits(train, validation), Plan(train, 2, 1, 1), columns=vector(1), memory_mb=16, host_ranks=1)


def test_the_summary_says_rows_bytes_steps_padding_and_memory() -> None:
    handed = hand_off(splits(1000, 100), Plan(1000, 256, 2, 1), columns=vector(4), memory_mb=16, host_ranks=1)
    text = "\n".join(handed.lines())
    for figure in (
        "1,000 train",
        "11,000 bytes in 2 files",
        "order    global",
        "steps    4",
        "padding  24",
        f"{handed.copy_bytes:,} bytes of decoded rows on each host",
        f"{handed.rank_bytes:,} bytes per rank",
        "128 places",
    ):
        assert figure in text


@pytest.mark.parametrize(
    ("ranks", "host_ranks", "assumed", "words"),
    [
        (2, 2, "", "{here:,} bytes on one host, which has all 2 ranks"),
        (1, 1, "", "{here:,} bytes on one host, which has the one rank"),
        (
            4,
            1,
            "one rank on each host, since yarn places them",
            "{here:,} bytes on a host with 1 of 4 ranks; {all:,} bytes with all 4 ranks on one; "
            "assumed: one rank on each host, since yarn places them",
        ),
    ],
)
def test_the_summary_says_what_a_host_holds_and_what_is_assumed(
    ranks: int, host_ranks: int, assumed: str, words: str
) -> None:
    plan, more = Plan(1000, 256, ranks, 1), {"host_ranks": host_ranks, "assumed": assumed}
    handed = hand_off(splits(1000, 100), plan, columns=vector(4), memory_mb=16, **more)
    here, everyone = (handed.copy_bytes + count * handed.rank_bytes for count in (host_ranks, ranks))
    assert f"host     {words.format(here=here, all=everyone)}" in handed.lines()


def test_a_striped_plan_holds_two_windows_of_a_rank_and_no_copy() -> None:
    tables = splits(10**7, 100)
    plans = [
        hand_off(tables, Plan(10**7, 256, 2, 1), columns=vector(32), memory_mb=10**6, host_ranks=2, window_rows=rows)
        for rows in (1_000, 100_000)
    ]
    assert [handed.copy_bytes for handed in plans] == [0, 0]
    grown = plans[1].rank_bytes - plans[0].rank_bytes
    # 896 rows are 7 steps of 128, and 99,968 are 781.
    assert 2 * (99_968 - 896) * (8 + 4 * 32 + 2 * 8 + 4) <= grown < 1.5 * 2 * (99_968 - 896) * (8 + 4 * 32 + 2 * 8 + 4)
    text = "\n".join(plans[1].lines())
    for figure in (
        "order    striped",
        "51 windows of at most 99,968 rows",
        f"memory   {plans[1].rank_bytes:,} bytes per",
    ):
        assert figure in text
