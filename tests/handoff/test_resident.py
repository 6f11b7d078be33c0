"""Decoded: rows in one stretch of memory, in any layout of files the same rows by the order of their ids."""

from __future__ import annotations

import numpy as np
import pytest

from handoff.tables import LABELS
from ringmill.errors import LawError
from ringmill.handoff.columns import Columns, Input
from ringmill.handoff.memory import Memory
from ringmill.handoff.resident import Decoded, decoded_bytes

COLUMNS = Columns(Input("x", (2,)), LABELS, "w")


def decoded(ids: list[int], columns: Columns = COLUMNS) -> Decoded:
    """Rows whose every value follows from their id."""
    rows = Decoded.lay(len(ids), columns, Memory.private(decoded_bytes(len(ids), columns)))
    rows.row_id[:-1] = ids
    rows.x[:-1] = np.array(ids)[:, None]
    rows.labels["label_buy"][:-1] = np.array(ids) % 2
    rows.labels["label_spend"][:-1] = ids
    if columns.weighted:
        rows.weight[:] = np.array(ids) / 2
    rows.sort("t")
    return rows


@pytest.mark.parametrize("ids", [[5, 1, 3, 2, 4], [1, 2, 3, 4, 5], [3, 5, 4, 2, 1]])
def test_law_4_the_order_of_ids_forgets_the_layout_of_the_files(ids: list[int]) -> None:
    rows = decoded(ids)
    ordered = rows.rows.take(rows.order[:-1])
    assert ordered.row_id.tolist() == [1, 2, 3, 4, 5]
    assert ordered.x[:, 1].tolist() == ordered.labels["label_spend"].tolist() == [1, 2, 3, 4, 5]
    assert ordered.weight.tolist() == [0.5, 1, 1.5, 2, 2.5]
    assert rows.row_id[rows.order[0]] == 1
    assert rows.order[-1] == 5


def test_law_4_a_row_id_that_occurs_twice_is_an_error_that_names_it() -> None:
    with pytest.raises(LawError, match=r"Law 4[\s\S]*\[7\]"):
        decoded([7, 1, 2, 7])


@pytest.mark.parametrize(("dtype", "largest"), [("float32", np.float32(1e30)), ("uint8", 255)])
def test_padding_holds_what_it_is_told_or_the_largest_there_is(dtype: str, largest: float) -> None:
    rows = decoded([1, 2], Columns(Input("x", (2,), dtype), LABELS))
    rows.pad(1e30)
    assert rows.x[-1].tolist() == [largest, largest]
    assert (rows.labels["label_buy"][-1], rows.labels["label_spend"][-1]) == (1e30, 1e30)
    assert rows.rows.x.max() == 2


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_blocks_give_every_rank_as_many_and_each_row_once_with_ids_ascending(ranks: int, size: int) -> None:
    rows = decoded([5, 1, 3, 2, 4, 7, 6])
    blocks = [list(rows.blocks(rank, ranks, size=size)) for rank in range(ranks)]
    assert len({len(one) for one in blocks}) == 1
    assert max(len(block) for one in blocks for block in one) <= size
    together = [block.row_id.tolist() for step in zip(*blocks, strict=True) for block in step]
    assert [row for block in together for row in block] == [1, 2, 3, 4, 5, 6, 7]


def test_rows_that_all_weigh_1_hold_no_memory_for_it() -> None:
    plain = Columns(Input("x", (2,)), LABELS)
    assert decoded_bytes(10**6, COLUMNS) - decoded_bytes(10**6, plain) == 8 * 10**6
    assert decoded([1, 2], plain).rows.weight.tolist() == [1.0, 1.0]
