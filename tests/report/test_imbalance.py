"""The page's sections about a rare class: figures with bounds, losses with a minus, and nothing where nothing is."""

from __future__ import annotations

from typing import Any

import pytest

from ringmill.report.imbalance import copies, what_helped


def figures(**values: tuple[float | None, float | None, float | None]) -> dict[str, Any]:
    none = (None, None, None)
    keys = ("precision", "recall", "f1", "auc", "f1_gain", "auc_gain")
    return {key: dict(zip(("value", "low", "high"), values.get(key, none), strict=True)) for key in keys}


def test_every_way_is_a_row_and_a_loss_has_a_minus() -> None:
    ways = [
        {"way": "none", "rows": 100, "of_class": 5, "figures": figures(f1=(0.4, 0.3, 0.5), f1_gain=(0.0, 0.0, 0.0))},
        {
            "way": "made rows",
            "rows": 190,
            "of_class": 95,
            "figures": figures(f1=(0.3, 0.2, 0.4), f1_gain=(-0.1, -0.2, 0.01)),
        },
    ]
    (block,) = what_helped(ways, "rare", held_out=40, of_class=2).blocks
    assert block.grid is not None and "'rare'" in block.text
    assert [list(row) for row in block.grid.rows] == [
        ["none", "100", "5.0%", "–", "–", "0.400 (0.300 to 0.500)", "–", "–", "–"],
        ["made rows", "190", "50.0%", "–", "–", "0.300 (0.200 to 0.400)", "–", "-0.100 (-0.200 to +0.010)", "–"],
    ]


def test_made_rows_stand_beside_held_out_ones() -> None:
    counts = {"made": 1_000, "train": 50, "copies": 3, "kept": 997}
    check = {"made_rows": 997, "made_median": 0.5, "near": 0.2, "near_made": 0.07}
    check |= {"held_out_rows": 30, "held_out_median": 0.6, "near_held_out": 2 / 30}
    text, block = copies(counts, check, "rare").blocks
    assert "3 of them were rejected" in text.text and "997 were kept" in text.text
    assert block.grid is not None and list(block.grid.rows[0]) == ["made", "997", "0.500", "7.0%"]
    assert list(block.grid.rows[1]) == ["held out", "30", "0.600", "6.7%"]
    assert "6.7% of 30 held-out rows lie 0.200 or less from a train row" in block.text
    assert "No more of the made rows do" in block.text
    (_, repeating) = copies(counts, {**check, "repeats": True}, "rare").blocks
    assert "they repeat train rows" in repeating.text
    (alone,) = copies(counts, {**check, "made_median": None}, "rare").blocks
    assert "no rows to compare" in alone.text


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            {"held_out_rows": 7, "near": None, "near_held_out": None},
            "there are 7 held-out rows, and it takes 20",
        ),
        ({"near": 0.0, "near_held_out": 0.15}, "not judged: 15.0% of 40 held-out rows are train rows"),
    ],
    ids=["few", "equal"],
)
def test_what_is_usual_is_not_judged_where_held_out_rows_do_not_say_it(found: dict[str, Any], words: str) -> None:
    counts = {"made": 1_000, "train": 50, "copies": 3, "kept": 997}
    check = {"made_rows": 997, "made_median": 0.5, "near_made": None, "held_out_rows": 40, "held_out_median": 0.6}
    check["least_held_out"] = 20
    _, block = copies(counts, check | found, "rare").blocks
    assert words in block.text and block.grid is not None
    assert [row[-1] for row in block.grid.rows] == ["not judged"] * 2
