"""Marks by batch: tried, failed and fixed, and examples that no layout of partitions changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from raw_lines import Lines, frame, raw_model
from ringmill.clean import clean_rows, quality_of, summarise_quality
from ringmill.clean.marks import EXAMPLES, MASK, mark_rows, summarise_examples
from ringmill.config import Clean

pytestmark = pytest.mark.spark
CLEAN = Clean.model_validate(
    {
        "late_after_days": 3,
        "key": ["order_id", "product_id"],
        "keep": "first",
        "rules": [
            {"name": "no_price", "action": "fix", "column": "unit_price", "required": True, "constant": 1},
            {"name": "missing_customer", "column": "customer_id", "required": True},
            {"name": "big", "action": "flag", "violated_when": "quantity > 100"},
            {"name": "never", "column": "quantity", "maximum": 1000},
            {"name": "one_a_moment", "unique": ["ordered_at", "customer_id"]},
        ],
    }
)
LINES: Lines = [
    {"Line": "1"},
    {"Line": "1"},  # a copy
    {"Line": "2", "Customer ID": None, "Quantity": "101"},
    {"Line": "3", "Customer ID": None, "Price": None},
    {"Line": "3", "Customer ID": None, "Price": None},  # a copy of a line that is rejected
    {"Line": "4", "Quantity": "six"},
    {"Line": "4", "Quantity": "six"},  # a copy of a line that cannot be read
    {"Line": None, "_torn": "5,torn"},
    {"Line": None, "_torn": "5,torn"},
    {"Line": "6"},  # its key is that of line 1
    {"Line": "7", "Invoice": "2"},  # ordered in the same moment as line 1
]


def marks(spark: SparkSession, lines: Lines, partitions: int = 1, personal: tuple[str, ...] = ()) -> dict[str, Any]:
    raw = raw_model()
    rows = clean_rows(frame(spark, lines).repartition(partitions), raw=raw, clean=CLEAN, zone="UTC", batch="b")
    (quality,) = quality_of(summarise_quality(rows).collect())
    known = [column["name"] for column in quality.columns]
    examples = summarise_examples(rows, raw=raw, columns=known).collect()
    return {row["name"]: row for row in mark_rows(quality, examples, clean=CLEAN, known=known, personal=personal)}


def test_each_rule_says_on_how_many_lines_it_was_tried_and_what_it_did(spark: SparkSession) -> None:
    found = marks(spark, LINES)
    figures = {name: (row["kind"], row["tried"], row["failed"], row["fixed"]) for name, row in found.items()}
    assert figures["clean"] == ("status", 11, 0, 0)
    assert figures["unreadable"] == ("status", 11, 4, 0)
    assert figures["no_price"] == ("rule", 9, 2, 2)  # all but the torn lines
    assert figures["missing_customer"] == ("rule", 9, 3, 0)
    assert figures["big"] == ("rule", 9, 1, 0)
    assert figures["never"] == ("rule", 9, 0, 0)
    assert figures["torn_line"] == ("reason", 11, 2, 0)
    assert figures["exact_duplicate"] == ("reason", 11, 4, 0)  # copies of torn and unreadable lines too
    assert figures["key_duplicate"] == ("reason", 3, 1, 0)  # no other line is without a reason
    assert figures["one_a_moment"] == ("rule", 2, 2, 0)
    assert (found["missing_customer"]["share"], found["never"]["share"]) == (3 / 9, 0.0)
    assert found["unreadable_quantity"]["examples"] == [{"source_file": "a.csv", "shown": "quantity: six"}] * 2
    assert found["torn_line"]["examples"] == [{"source_file": "a.csv", "shown": "torn: 5,torn"}] * 2
    assert found["no_price"]["examples"] == [{"source_file": "a.csv", "shown": "unit_price: missing"}] * 2


def test_personal_values_are_masked_and_so_is_a_line_that_may_hold_them(spark: SparkSession) -> None:
    found = marks(spark, LINES, personal=("quantity",))
    assert found["big"]["examples"] == [{"source_file": "a.csv", "shown": f"quantity: {MASK}"}]
    assert found["torn_line"]["examples"] == [{"source_file": "a.csv", "shown": f"torn: {MASK}"}] * 2
    assert found["missing_customer"]["examples"][0]["shown"] == "customer_id: missing"


def test_counts_range_and_profile_are_one_scan_however_many_rules_there_are(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = clean_rows(frame(spark, LINES), raw=raw_model(), clean=CLEAN, zone="UTC", batch="b")
    rows.write.parquet(str(tmp_path / "rows"))
    summarise_quality(spark.read.parquet(str(tmp_path / "rows"))).explain()
    plan = capsys.readouterr().out
    assert (plan.count("FileScan"), plan.count("Exchange")) == (1, 1)


def test_examples_do_not_depend_on_partitions(spark: SparkSession) -> None:
    lines: Lines = [{"Line": str(n), "Quantity": str(200 + n)} for n in range(12)]
    one, many = (marks(spark, given, parts)["big"] for given, parts in ((lines, 1), (lines[::-1], 5)))
    assert one == many
    assert len(one["examples"]) == EXAMPLES
