"""Frames that help a rare class: planted copies are rejected, repetitions are even."""

from __future__ import annotations

from typing import Any

import pytest

from ringmill.augment.rows import filter_no_copies, flat_x, numbered, repeated

pytestmark = pytest.mark.spark


def test_a_planted_copy_of_any_train_row_is_rejected_and_a_near_one_is_not(spark: Any) -> None:
    train = spark.createDataFrame([(1, [0.0, 2.0]), (2, [0.5, 1.0]), (3, [0.5, 1.0])], "row_id bigint, x array<float>")
    made = [(10, [0.5, 1.0]), (11, [0.5, 1.0000001]), (12, [-0.0, 2.0]), (13, [2.0, 0.0])]
    kept = filter_no_copies(spark.createDataFrame(made, "row_id bigint, x array<float>"), train)
    assert kept.columns == ["row_id", "x"]
    assert sorted(row["row_id"] for row in kept.collect()) == [11, 13]


def test_each_row_is_repeated_as_often_as_any_other_or_once_more(spark: Any) -> None:
    rows = spark.createDataFrame([(row, [float(row)]) for row in (7, 8, 9)], "row_id bigint, x array<float>")
    for count, expected in ((0, []), (2, [1, 1]), (3, [1, 1, 1]), (8, [2, 3, 3])):
        found = repeated(rows, count, 3, seed=1).collect()
        assert len({row["row_id"] for row in found}) == count
        assert all(row["x"] == [float(row["source_row_id"])] for row in found)
        sources = [row["source_row_id"] for row in found]
        assert sorted(sources.count(source) for source in set(sources)) == expected


def test_lists_within_lists_and_single_numbers_become_lists(spark: Any) -> None:
    nested = spark.createDataFrame(
        [(1, [[[1.0], [2.0]], [[3.0], [4.0]]], "train")], "row_id bigint, x array<array<array<double>>>, split string"
    )
    assert flat_x(nested, "x").first()["x"] == [1.0, 2.0, 3.0, 4.0]
    single = spark.createDataFrame([(1, 2.5, "train")], "row_id bigint, amount double, split string")
    assert flat_x(single, "amount").first().asDict() == {"row_id": 1, "x": [2.5], "split": "train"}


def test_law_3_made_rows_have_the_same_ids_for_the_same_seed(spark: Any) -> None:
    one, same, other = (numbered(spark, 5, seed=seed).collect() for seed in (1, 1, 2))
    assert one == same and not set(one) & set(other) and len(set(one)) == 5
