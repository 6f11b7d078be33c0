"""Forward fill: the last value known before, within a group; a null at its start, a tie, a late line, a torn one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from raw_lines import COLUMNS, Lines, frame, raw_model
from ringmill.clean import clean_rows
from ringmill.config.clean import Clean
from ringmill.config.rules import Rule

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

RAW = raw_model(COLUMNS | {"country": "Country", "description": "Words"})
COUNTRY = {"name": "country", "column": "country", "required": True, "fill": "forward", "group": ["customer_id"]}
PRICE = {"name": "price", "column": "unit_price", "required": True, "fill": "forward", "group": ["customer_id"]}
WORDS = {"name": "words", "column": "description", "required": True, "fill": "forward", "group": ["product_id"]}


def cleaned(spark: SparkSession, lines: Lines, *rules: dict[str, Any]) -> DataFrame:
    clean = Clean.model_validate({"rules": [{"action": "fix", **rule} for rule in rules]})
    return clean_rows(frame(spark, lines, RAW), raw=RAW, clean=clean, zone="UTC", batch="b")


def line(file: str, customer: str | None, country: str | None, known: str, **more: str | None) -> dict[str, str | None]:
    return {"source_file": file, "Customer ID": customer, "Country": country, "Known": f"2024-02-{known}"} | more


@pytest.mark.spark
def test_law_2_a_missing_value_becomes_the_last_that_was_known_before_it_in_its_group(spark: SparkSession) -> None:
    lines: Lines = [
        line("1", "7", None, "01"),  # a group's start: nothing to take
        line("2", "7", "France", "02"),
        line("3", "7", None, "03", Price=None),
        line("4", "7", "Spain", "05", Date="2024-01-01 00:00:00"),  # happened first, was known last
        line("5", "7", None, "04"),
        line("6", "8", None, "06"),
        line("7", None, "Malta", "06"),
        line("8", None, " ", "07"),  # no customer is a group too
        line("9", "7", None, "06", _torn="torn"),
        line("A", "7", None, "?"),  # nobody can say when it became known
    ]
    rows = cleaned(spark, lines, COUNTRY, PRICE).orderBy("source_file").collect()
    assert [(row.country, row.unit_price, row.flags) for row in rows] == [
        (None, 2.55, []),
        ("France", 2.55, []),
        ("France", 2.55, ["country", "price"]),
        ("Spain", 2.55, []),
        ("France", 2.55, ["country"]),
        (None, 2.55, []),
        ("Malta", 2.55, []),
        ("Malta", 2.55, ["country"]),
        (None, None, []),
        (None, 2.55, []),
    ]
    assert [row.status for row in rows] == ["clean"] * 8 + ["rejected"] * 2
    assert rows[2].raw.get("Country") is None


@pytest.mark.spark
def test_lines_known_at_the_same_time_stand_in_the_order_of_events_then_of_files_and_arrival_does_not_matter(
    spark: SparkSession,
) -> None:
    lines: Lines = [
        line("b", "7", "late", "01", Date="2024-01-02 00:00:00"),
        line("a", "7", "early", "01", Date="2024-01-01 00:00:00"),
        line("c", "7", "file c", "01", Date="2024-01-02 00:00:00"),
        line("d", "7", None, "01", Date="2024-01-02 00:00:00"),
    ]
    for order in (lines, lines[::-1]):
        (row,) = cleaned(spark, order, COUNTRY).where("source_file = 'd'").collect()
        assert row.country == "file c"


@pytest.mark.spark
def test_rules_of_the_same_group_share_one_shuffle_and_come_after_the_other_fixes(spark: SparkSession) -> None:
    first = {"name": "first", "column": "product_id", "required": True, "constant": "X"}
    rows = cleaned(spark, [line("1", "7", "France", "01")], COUNTRY, WORDS, PRICE, first)
    plan = rows._jdf.queryExecution().executedPlan().toString()
    # One gathers copies of a line; then one for the customer's two rules, and one for the product's.
    assert plan.count("Exchange hashpartitioning") == 3, plan
    lines: Lines = [
        line("1", "7", None, "01", Code=None, Words="cup"),
        line("2", "7", None, "02", Code="x", Words=None),
    ]
    found = cleaned(spark, lines, COUNTRY, WORDS, first).orderBy("source_file").collect()
    assert [(row.product_id, row.description) for row in found] == [("X", "cup"), ("X", "cup")]


def test_a_forward_fill_depends_on_the_order_of_batches_and_no_other_rule_does() -> None:
    forward = Rule.model_validate({"action": "fix", **COUNTRY})
    mode = forward.model_copy(update={"fill": "mode"})
    assert (forward.is_order_free, forward.is_fitted) == (False, False)
    assert (mode.is_order_free, mode.is_fitted) == (True, True)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"group": []}, "the 'group'"),
        ({"group": ["country"]}, "other columns"),
        ({"action": "flag"}, "action: fix"),
        ({"column": "ordered_at"}, "numbers or texts"),
        ({"required": False, "minimum": 1, "column": "quantity"}, "its bounds"),
    ],
)
def test_a_forward_fill_that_cannot_be_is_refused(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Rule.model_validate({"action": "fix", **COUNTRY, **rule})
