"""Precision and recall, derivable by eye."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ringmill.clean.detection import summarise_detection

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EVIDENCE = {"copied": ("exact_duplicate",), "late": ("late_arrival", "very_late"), "cancelled": ("is_cancellation",)}


@pytest.mark.spark
def test_each_kind_is_counted_by_line_with_misses_and_false_alarms(spark: SparkSession) -> None:
    schema = "line_id string, reasons array<string>, flags array<string>, is_cancellation boolean"
    rows = spark.createDataFrame(
        [
            ("l1 ", ["exact_duplicate"], [], False),
            ("L1", ["exact_duplicate"], [], False),  # one of the two is planted: the other is a false alarm
            ("L2", [], ["late_arrival", "very_late"], False),  # two signs of one kind count once
            ("L3", [], [], False),
            (None, ["exact_duplicate"], [], False),
        ],
        schema,
    )
    planted = spark.createDataFrame(
        [("copied", "L1", 1), ("late", "L2", 1), ("late", "L3", 1)], "kind string, line_id string, copies int"
    )
    found = [tuple(row) for row in summarise_detection(rows, planted, evidence=EVIDENCE).collect()]
    assert found == [
        ("copied", "exact_duplicate", 1, 3, 1, 1 / 3, 1.0),
        ("late", "late_arrival, very_late", 2, 1, 1, 1.0, 0.5),
        ("cancelled", "is_cancellation", 0, 0, 0, None, None),
    ]
