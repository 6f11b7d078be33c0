"""Rules with action 'fix': what a value becomes, what the row says of it, and statistics that are fitted once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from raw_lines import COLUMNS, Lines, frame, raw_model
from ringmill.clean import clean_rows, fitted_of, read_values, summarise_statistics, to_fit
from ringmill.clean.statistics import reading_of
from ringmill.config.clean import Clean
from ringmill.config.columns import types_of
from ringmill.config.raw import Raw

if TYPE_CHECKING:
    from pyspark.sql import Row, SparkSession

RAW = raw_model(COLUMNS | {"country": "Country", "description": "Words"})


def fitted(spark: SparkSession, lines: Lines, clean: Clean, known_before: datetime | None = None) -> dict[str, Any]:
    values = read_values(frame(spark, lines, RAW), raw=RAW, zone="UTC")
    found = summarise_statistics(values, clean.rules, known_before).collect()
    return fitted_of(found, clean.rules, known_before)


def fixed(spark: SparkSession, lines: Lines, clean: Clean, kept: dict[str, Any] | None = None) -> list[Row]:
    rows = clean_rows(frame(spark, lines, RAW), raw=RAW, clean=clean, zone="UTC", batch="b1", fitted=kept)
    return sorted(rows.collect(), key=lambda row: row.source_file)


def model(*rules: dict[str, Any], **values: Any) -> Clean:
    return Clean.model_validate({"rules": [{"action": "fix", **rule} for rule in rules]} | values)


def numbered(lines: Lines) -> Lines:
    return [{"source_file": f"{place:02d}", **line} for place, line in enumerate(lines)]


@pytest.mark.spark
def test_a_fixed_row_is_flagged_and_keeps_what_it_was_and_later_rules_judge_the_new_value(spark: SparkSession) -> None:
    clean = model(
        {"name": "no_country", "column": "country", "required": True, "constant": "Unknown"},
        {"name": "clip_quantity", "column": "quantity", "minimum": 0.5, "maximum": 10.5},
        {"name": "clip_price", "column": "unit_price", "maximum": 3},
        {"name": "odd_customer", "column": "customer_id", "pattern": r"\d+", "constant": "0"},
        {"name": "dear", "action": "reject", "column": "unit_price", "maximum": 3},
        {"name": "no_price", "column": "unit_price", "required": True, "constant": 4},
    )
    rows = fixed(
        spark,
        numbered(
            [
                {"Country": "France", "Quantity": "10", "Price": "3"},  # at the bounds: nothing to do
                {"Country": None, "Quantity": "11", "Price": "3.01"},
                {"Country": " ", "Quantity": "0", "Customer ID": "x7"},
                {"Country": "France", "Quantity": "six", "Price": None, "Customer ID": None},
                {"_torn": "torn, line"},
            ]
        ),
        clean,
    )
    assert [(row.country, row.quantity, row.unit_price, row.customer_id) for row in rows] == [
        ("France", 10, 3.0, "13069"),
        ("Unknown", 10, 3.0, "13069"),
        ("Unknown", 1, 2.55, "0"),
        ("France", None, 4.0, None),
        (None, None, None, None),
    ]
    assert [row.flags for row in rows] == [
        [],
        ["no_country", "clip_quantity", "clip_price"],
        ["no_country", "clip_quantity", "odd_customer"],
        ["no_price"],
        [],
    ]
    assert [row.reasons for row in rows] == [[], [], [], ["unreadable_quantity", "dear"], ["torn_line"]]
    assert [row.line_total for row in rows[:3]] == [30.0, 30.0, 2.55]
    assert rows[0].raw is None
    assert (rows[1].raw["Quantity"], rows[1].raw["Price"], rows[1].raw.get("Country")) == ("11", "3.01", None)


@pytest.mark.spark
def test_statistics_are_of_the_values_that_can_be_read_and_ties_go_to_the_lowest(spark: SparkSession) -> None:
    clean = model(
        {"name": "mean_price", "column": "unit_price", "required": True, "fill": "mean"},
        {"name": "median_pieces", "column": "quantity", "required": True, "fill": "median"},
        {"name": "usual_country", "column": "country", "required": True, "fill": "mode"},
        {"name": "usual_words", "column": "description", "required": True, "fill": "mode"},
        {"name": "by_country", "column": "line_id", "required": True, "fill": "mode", "group": ["country"]},
    )
    lines = numbered(
        [
            {"Price": "1", "Quantity": "1", "Country": "B", "Line": "b"},
            {"Price": "2", "Quantity": "2", "Country": "B", "Line": "a"},  # 'a' and 'b' tie in country B
            {"Price": "4", "Quantity": "x", "Country": "A", "Line": None},  # A has no line_id: nothing to fill in
            {"Price": None, "Quantity": None, "Country": "A", "Line": None},
            {"Price": "9", "Quantity": "9", "Country": None, "Line": "n", "Known": "2024-02-01 00:00:00"},
        ]
    )
    found = fitted(spark, lines, clean)
    assert {name: state["groups"] for name, state in found.items()} == {
        "mean_price": [[[], 4.0]],
        "median_pieces": [[[], 2]],
        "usual_country": [[[], "A"]],
        "usual_words": [[[], None]],
        "by_country": [[["A"], None], [["B"], "a"], [[None], "n"]],
    }
    early = fitted(spark, lines, model(*CLEAN_FIRST), datetime(2024, 2, 1, tzinfo=UTC))
    assert early["mean_price"]["groups"] == [[[], 2.3333]]
    new = numbered(
        [
            {"Price": None, "Quantity": None, "Country": None, "Line": None},
            {"Country": "B", "Line": None},
            {"Country": "A", "Line": None},
            {"Country": "C", "Line": None},  # a group that was not there when the statistic was fitted
        ]
    )
    rows = fixed(spark, new, clean, found)
    assert [(row.unit_price, row.quantity, row.country, row.line_id, row.status) for row in rows] == [
        (4.0, 2, "A", "n", "clean"),
        (2.55, 6, "B", "a", "clean"),
        (2.55, 6, "A", None, "clean"),
        (2.55, 6, "C", None, "clean"),
    ]
    assert [row.flags for row in rows] == [
        ["mean_price", "median_pieces", "usual_country", "by_country"],
        ["by_country"],
        [],
        [],
    ]


CLEAN_FIRST = ({"name": "mean_price", "column": "unit_price", "required": True, "fill": "mean"},)


@pytest.mark.spark
def test_statistics_of_no_lines_fix_nothing(spark: SparkSession) -> None:
    clean = model(
        *CLEAN_FIRST, {"name": "g", "column": "quantity", "required": True, "fill": "mean", "group": ["country"]}
    )
    found = fitted(spark, [], clean)
    (row,) = fixed(spark, [{"Price": None, "Quantity": None}], clean, found)
    assert (row.status, row.reasons, row.flags) == ("rejected", ["missing_quantity", "missing_unit_price"], [])


@pytest.mark.spark
def test_statistics_for_many_groups_cost_one_scan_and_one_shuffle_and_cleaning_no_shuffle_more(
    spark: SparkSession,
) -> None:
    groups: list[list[str]] = [[], ["country"], ["product_id"], ["country", "product_id"]]
    rules = [
        {"name": f"r{i}", "column": "unit_price", "required": True, "fill": "mean", "group": group}
        for i, group in enumerate(groups)
    ]
    clean = model(*rules)
    lines = frame(spark, [{}], RAW).repartition(3)
    statistics = summarise_statistics(read_values(lines, raw=RAW, zone="UTC"), clean.rules, None)
    plan = statistics._jdf.queryExecution().executedPlan().toString()
    assert (plan.count("Exchange"), plan.count("Scan")) == (2, 1), plan
    kept = fitted_of(statistics.collect(), clean.rules, None)
    rows = clean_rows(lines, raw=RAW, clean=clean, zone="UTC", batch="b1", fitted=kept)
    plan = rows._jdf.queryExecution().executedPlan().toString()
    assert plan.count("Exchange hashpartitioning") == 1, plan
    assert plan.count("BroadcastExchange") == 3, plan


def test_only_what_is_new_or_says_something_else_is_fitted_again() -> None:
    clean = model(
        *CLEAN_FIRST, {"name": "usual", "column": "country", "required": True, "fill": "mode", "group": ["product_id"]}
    )
    day = datetime(2024, 2, 1, tzinfo=UTC)
    kept = fitted_of([], clean.rules, day)
    assert to_fit(clean, {}, day) == clean.rules
    assert to_fit(clean, kept, day) == ()
    assert to_fit(clean, kept, None) == clean.rules
    assert to_fit(clean.model_copy(update={"refit": True}), kept, day) == clean.rules
    # An earlier release did not keep how values were read: what it fitted stays.
    for state in (older := json.loads(json.dumps(kept))).values():
        state["definition"].pop("read")
        state.pop("values")
    assert to_fit(clean, older, day) == ()
    assert to_fit(clean, older, None) == clean.rules
    median = model({**CLEAN_FIRST[0], "fill": "median"})
    assert to_fit(median, kept, day) == median.rules


MEAN = {"name": "usual", "column": "unit_price", "required": True, "fill": "mean", "group": ["size"]}


@pytest.mark.parametrize(
    ("changes", "zone", "until", "again"),
    [
        ({}, "UTC", True, False),
        ({"number_formats": {"unit_price": {}, "quantity": {"decimal": ","}}}, "UTC", True, False),
        ({"number_formats": {"unit_price": {"decimal": ","}}}, "UTC", True, True),
        ({"columns": {**RAW.columns, "unit_price": "Net"}}, "UTC", True, True),
        ({"extras": {"size": {"column": "Size", "type": "double"}}}, "UTC", True, True),
        ({"columns": {**RAW.columns, "description": "Other"}}, "UTC", True, False),
        # Which lines are seen depends on when they are said to be known.
        ({}, "Europe/Paris", True, True),
        ({}, "Europe/Paris", False, False),
        ({"timestamp_formats": ["dd.MM.yyyy"]}, "UTC", True, True),
        ({"columns": {**RAW.columns, "known_at": "Loaded"}}, "UTC", True, True),
    ],
)
def test_what_is_read_otherwise_is_fitted_again(changes: dict[str, Any], zone: str, until: bool, again: bool) -> None:
    given = {"extras": {"size": {"column": "Size", "type": "bigint"}}}
    before, after = (Raw.model_validate(RAW.model_dump() | given | more) for more in ({}, changes))
    clean, day = model(MEAN), datetime(2024, 2, 1, tzinfo=UTC) if until else None
    found = fitted_of([], clean.rules, day, types=types_of(before), reading=reading_of(before, "UTC"))
    # The ledger keeps it as JSON.
    kept = json.loads(json.dumps(found))
    assert to_fit(clean, kept, day, reading_of(after, zone)) == (clean.rules if again else ())


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"column": "country", "required": True}, "either 'constant' or 'fill'"),
        ({"column": "country", "required": True, "constant": "x", "fill": "mode"}, "either 'constant' or 'fill'"),
        ({"column": "country", "required": True, "fill": "mean"}, "one of quantity, unit_price"),
        ({"column": "country", "required": True, "constant": 7}, "a text"),
        ({"column": "quantity", "required": True, "constant": 1.5}, "a whole number"),
        ({"column": "quantity", "minimum": 1, "constant": 1}, "its bounds"),
        ({"column": "quantity", "minimum": 2, "maximum": 1}, "at most its maximum"),
        ({"column": "country", "pattern": "x", "fill": "mode"}, "'required: true'"),
        ({"column": "ordered_at", "required": True, "fill": "mode"}, "numbers or texts"),
        ({"violated_when": "quantity < 0"}, "numbers or texts"),
        ({"column": "country", "required": True, "constant": "x", "group": ["line_id"]}, "for its group"),
        ({"column": "country", "required": True, "fill": "mode", "group": ["country"]}, "other columns"),
        ({"action": "flag", "column": "country", "required": True, "fill": "mode"}, "action: fix"),
    ],
)
def test_a_fix_that_says_too_little_or_too_much_is_refused_by_its_name(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=f"'bad'.*{words}"):
        model({"name": "bad", **rule})


def test_two_rules_of_one_name_and_a_fix_of_a_key_are_refused() -> None:
    rule = {"name": "same", "column": "line_id", "required": True, "constant": "x"}
    with pytest.raises(ValidationError, match="two of same"):
        model(rule, rule)
    with pytest.raises(ValidationError, match=r"clean\.key.*'same'"):
        model(rule, key=["line_id"])
