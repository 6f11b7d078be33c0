"""Cleaning: one status per line in law 1's order, all reasons, types read as they are written."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from raw_lines import COLUMNS, GOOD, Lines, frame, raw_model
from ringmill.clean import check_nothing_lost, clean_rows, quality_of, summarise_quality, with_line_count
from ringmill.clean.parse import trimmed
from ringmill.config.clean import Clean
from ringmill.contracts import CLEAN_ROWS, STATUSES
from ringmill.errors import ConfigError, InputError, LawError

if TYPE_CHECKING:
    from pyspark.sql import Row, SparkSession

RULES = (
    {"name": "missing_customer", "column": "customer_id", "required": True},
    {"name": "write_off", "violated_when": "quantity < 0 AND NOT is_cancellation"},
    {"name": "dear", "action": "flag", "column": "unit_price", "maximum": 100},
)


def clean_model(**values: Any) -> Clean:
    return Clean.model_validate({"rules": RULES} | values)


def cleaned(spark: SparkSession, lines: Lines, clean: Clean | None = None, **raw: Any) -> list[Row]:
    """The rows that come out, by the line's id as it was written and by file."""
    rows = clean_rows(
        frame(spark, lines), raw=raw_model(**raw), clean=clean or clean_model(), zone="Europe/London", batch="b1"
    )
    return sorted(rows.collect(), key=lambda row: ((row.raw or {}).get("Line") or row.line_id or "", row.source_file))


@pytest.mark.spark
def test_rows_have_exactly_the_columns_of_their_contract_even_when_there_are_none(spark: SparkSession) -> None:
    rows = clean_rows(frame(spark, []), raw=raw_model(), clean=clean_model(), zone="UTC", batch="b1")
    assert rows.columns == list(CLEAN_ROWS.names)
    assert {field.name: field.dataType.simpleString() for field in rows.schema} == {
        column.name: column.type for column in CLEAN_ROWS.columns
    }
    never_null = {column.name for column in CLEAN_ROWS.columns if not column.nullable} - {"source_file"}
    assert {field.name for field in rows.schema if not field.nullable} >= never_null
    assert rows.collect() == []


@pytest.mark.spark
def test_text_becomes_typed_values_and_a_clean_row_keeps_no_raw_map(spark: SparkSession) -> None:
    (row,) = cleaned(spark, [{"Code": "  85123a ", "Quantity": " 6.0 ", "Line": " L1 "}])
    assert (row.line_id, row.product_id, row.quantity, row.unit_price) == ("L1", "85123A", 6, 2.55)
    assert (row.line_total, row.customer_id, row.country, row.description) == (6 * 2.55, "13069", None, None)
    assert (row.ordered_at, row.known_at) == (datetime(2024, 1, 5, 10), datetime(2024, 1, 5, 11))
    assert (row.status, row.reasons, row.flags, row.raw) == ("clean", [], [], None)
    assert (row.is_cancellation, row.is_product, row.source_file, row.source_batch) == (False, True, "a.csv", "b1")


@pytest.mark.spark
def test_values_that_cannot_be_read_are_unreadable_and_empty_ones_are_missing(spark: SparkSession) -> None:
    lines: Lines = [
        {"Line": "1", "Quantity": "six", "Price": "4,99", "Date": "yesterday", "Known": "2024-02-30 10:00:00"},
        {"Line": "2", "Quantity": "2.5", "Price": "NaN"},
        {"Line": "3", "Quantity": "", "Price": " ", "Date": None, "Known": ""},
        {"Line": "4", "Quantity": "9" * 30, "Price": "1d"},
        {"Line": "5", "Quantity": "-1e1", "Invoice": "C1", "Price": "1e2"},
    ]
    rows = cleaned(spark, lines, clean_model(rules=[{"name": "no_price", "column": "unit_price", "required": True}]))
    quantity, price, ordered, known = (
        f"unreadable_{name}" for name in ("quantity", "unit_price", "ordered_at", "known_at")
    )
    assert [row.reasons for row in rows] == [
        [quantity, price, ordered, known],
        [quantity, price],
        ["missing_quantity", "missing_unit_price", "missing_ordered_at", "missing_known_at", "no_price"],
        [quantity, price],
        [],
    ]
    assert [row.status for row in rows] == ["rejected"] * 4 + ["clean"]
    assert rows[0].raw == GOOD | lines[0]
    assert (rows[4].quantity, rows[4].unit_price, rows[4].is_cancellation) == (-10, 100.0, True)


@pytest.mark.spark
def test_white_space_of_any_kind_at_the_ends_is_no_part_of_a_value(spark: SparkSession) -> None:
    # Python knows four more, which Unicode takes for separators of information.
    spaces = [sign for sign in map(chr, range(0x110000)) if sign.isspace() and not "\x1c" <= sign <= "\x1f"]
    both = [f"{one}x{one} {one}y{other}{one}" for one in spaces for other in spaces]
    texts = [*both, *spaces, "".join(spaces), " x", "x\t", "", "é", "\u00a0é", "~", "!", "\u200bx\ufeff", None]
    made = spark.createDataFrame([(text,) for text in texts], "text string").select("text", trimmed(F.col("text")))
    expected = [None if text is None else text.strip("".join(spaces)) or None for text in texts]
    assert [(row[0], row[1]) for row in made.collect()] == list(zip(texts, expected, strict=True))
    lines: Lines = [
        {"Line": "1", "Customer ID": "17850\t"},
        {"Line": "2", "Customer ID": "\u00a017850.0", "Quantity": "6\u2003"},
        {"Line": "3", "Customer ID": "\t\u00a0"},
    ]
    rows = cleaned(spark, lines)
    assert [(row.customer_id, row.quantity, row.reasons) for row in rows] == [
        ("17850", 6, []),
        ("17850", 6, []),
        (None, 6, ["missing_customer"]),
    ]


@pytest.mark.spark
def test_lines_without_a_key_meet_only_their_copies_and_empty_cells_make_no_line_complete(spark: SparkSession) -> None:
    lines: Lines = [
        {"Line": None},
        {"Line": None, "source_file": "b.csv"},
        {"Line": "\t", "Quantity": "7"},
        {"Line": None, "Code": None},
        {"Line": "4"},
        {"Line": "4", "Code": None, "source_file": "b.csv"},
        {"Line": "4", "Code": " \u00a0", "source_file": "c.csv"},
    ]
    raw, clean = raw_model(batches="files"), clean_model(key=["line_id", "product_id"], keep="most_complete")
    rows = clean_rows(frame(spark, lines), raw=raw, clean=clean, zone="UTC", batch=None).collect()
    gathers: dict[int, int] = Counter(row.identity.gather for row in rows)
    assert sorted(gathers.values()) == [1, 1, 1, 1, 1, 2]
    assert all((row.identity.gather == row.identity.line_a) == (row.identity.key is None) for row in rows)
    assert Counter(row.status for row in rows) == {"clean": 6, "duplicate": 1}
    by_file = {row.source_file: row.identity.complete for row in rows if row.line_id == "4"}
    assert by_file == {"a.csv": 8, "b.csv": 7, "c.csv": 7}


@pytest.mark.spark
def test_local_times_become_instants_by_the_rule_of_windows_where_clocks_change(spark: SparkSession) -> None:
    lines: Lines = [
        {"Line": "1", "Date": "2024-03-31 00:59:59", "Known": "2024-03-31 02:00:00"},
        {"Line": "2", "Date": "2024-03-31 01:30:00", "Known": "2024-07-01 00:00"},  # skipped: moves forward
        {"Line": "3", "Date": "2024-10-27 01:30:00", "Known": "2024-10-27"},  # twice: its first occurrence
        {"Line": "4", "Date": "2024-07-01 00:00:00.25Z", "Known": "2024-07-01 00:00:00.25"},
    ]
    rows = cleaned(spark, lines)
    assert [(row.ordered_at, row.known_at) for row in rows] == [
        (datetime(2024, 3, 31, 0, 59, 59), datetime(2024, 3, 31, 1)),
        (datetime(2024, 3, 31, 1, 30), datetime(2024, 6, 30, 23)),
        (datetime(2024, 10, 27, 0, 30), datetime(2024, 10, 26, 23)),
        (datetime(2024, 7, 1, 0, 0, 0, 250_000), datetime(2024, 6, 30, 23, 0, 0, 250_000)),
    ]


@pytest.mark.spark
def test_formats_with_an_offset_are_instants_and_the_first_that_fits_is_taken(spark: SparkSession) -> None:
    lines: Lines = [
        {"Line": "1", "Date": "05/01/2024 10:00", "Known": "2024-07-01T10:00:00+02:00"},
        {"Line": "2", "Date": "13/01/2024 10:00", "Known": "01/13/2024 10:00"},
    ]
    formats = ("dd/MM/yyyy HH:mm", "MM/dd/yyyy HH:mm", "yyyy-MM-dd'T'HH:mm:ssXXX")
    rows = cleaned(spark, lines, timestamp_formats=formats)
    assert [(row.ordered_at, row.known_at) for row in rows] == [
        (datetime(2024, 1, 5, 10), datetime(2024, 7, 1, 8)),
        (datetime(2024, 1, 13, 10), datetime(2024, 1, 13, 10)),
    ]


@pytest.mark.spark
def test_law_1_a_status_is_decided_in_the_stated_order(spark: SparkSession) -> None:
    lines: Lines = [
        {"Line": "1", "Quantity": "x"},  # unreadable, and a copy of it: rejected both, with all reasons
        {"Line": "1", "Quantity": "x", "source_file": "b.csv"},
        {"Line": "2", "Customer ID": None, "Quantity": "-1"},  # rejected with both reasons; its copy a duplicate
        {"Line": "2", "Customer ID": None, "Quantity": "-1", "source_file": "b.csv"},
        {"Line": "3"},  # superseded by a later line of its key; the rejected one competes for no key
        {"Line": "3", "Known": "2024-01-05 12:00:00", "source_file": "b.csv"},
        {"Line": "3", "Known": "2024-01-05 13:00:00", "Customer ID": " ", "source_file": "c.csv"},
    ]
    rows = cleaned(spark, lines, clean_model(key=["line_id"]))
    assert [(row.status, row.reasons) for row in rows] == [
        ("rejected", ["unreadable_quantity"]),
        ("rejected", ["unreadable_quantity", "exact_duplicate"]),
        ("rejected", ["missing_customer", "write_off"]),
        ("duplicate", ["missing_customer", "write_off", "exact_duplicate"]),
        ("superseded", ["superseded_by_key"]),
        ("clean", []),
        ("rejected", ["missing_customer"]),
    ]
    # Known from the moment at which the version that stays became known.
    assert [row.superseded_at is not None for row in rows] == [False] * 4 + [True, False, False]


@pytest.mark.spark
def test_exact_duplicates_are_equal_in_every_column_with_null_equal_to_null(spark: SparkSession) -> None:
    lines: Lines = [
        {"Line": None},
        {"Line": None, "source_file": "b.csv"},
        {"Line": ""},
        {"Line": None, "Code": "85123A"},  # differs by case: another line
    ]
    rows = cleaned(spark, lines)
    assert Counter(row.status for row in rows) == {"clean": 3, "duplicate": 1}
    assert [row.source_file for row in rows if row.status == "duplicate"] == ["b.csv"]


@pytest.mark.spark
@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (
            "last",
            [
                ("l1", "superseded", "superseded_by_key"),
                ("l1", "clean", None),
                ("L1 ", "superseded", "superseded_by_similar_key"),
            ],
        ),
        (
            "first",
            [
                ("l1", "duplicate", "similar_key_duplicate"),
                ("l1", "duplicate", "similar_key_duplicate"),
                ("L1 ", "clean", None),
            ],
        ),
    ],
)
def test_the_first_or_last_line_of_a_key_stays_and_ids_differ_by_more_than_case(
    spark: SparkSession, keep: str, expected: list[tuple[str, str, str | None]]
) -> None:
    lines: Lines = [
        {"Line": "l1", "Known": "2024-01-06 10:00:00", "source_file": "1"},
        {"Line": "l1", "Known": "2024-01-07 10:00:00", "source_file": "2"},
        {"Line": "L1 ", "Known": "2024-01-05 12:00:00", "source_file": "3"},
        {"Line": None, "source_file": "4"},
        {"Line": None, "Quantity": "7", "source_file": "5"},
    ]
    rows = sorted(cleaned(spark, lines, clean_model(key=["line_id"], keep=keep)), key=lambda row: row.source_file)
    found = [(row.status, row.reasons[0] if row.reasons else None) for row in rows]
    assert found[:3] == [(status, reason) for _, status, reason in expected]
    assert found[3:] == [("clean", None), ("clean", None)]  # a key that is missing is no key


@pytest.mark.spark
def test_a_tie_in_known_at_is_settled_by_content_and_not_by_order_of_arrival(spark: SparkSession) -> None:
    lines: Lines = [{"Quantity": str(pieces), "source_file": f"{pieces}"} for pieces in range(1, 9)]
    clean = clean_model(key=["line_id"])
    kept = {
        tuple(row.quantity for row in cleaned(spark, order, clean) if row.status == "clean")
        for order in (lines, lines[::-1])
    }
    assert len(kept) == 1
    assert len(next(iter(kept))) == 1


@pytest.mark.spark
def test_a_torn_line_keeps_its_text_and_nothing_is_said_of_its_values(spark: SparkSession) -> None:
    (row,) = cleaned(spark, [{"_torn": "4,torn", "Customer ID": None, "Price": "900"}])
    assert (row.status, row.reasons, row.flags, row.raw) == ("rejected", ["torn_line"], [], {"_torn": "4,torn"})
    assert (row.quantity, row.is_cancellation, row.is_product) == (None, False, True)


@pytest.mark.spark
def test_flags_mark_rows_that_stay_in_the_rules_order(spark: SparkSession) -> None:
    lines: Lines = [
        {"Line": "1", "Code": "post", "Price": "100.01", "Known": "2024-01-08 10:00:01"},
        {"Line": "2", "Code": "gift_0001_20", "Price": "100", "Known": "2024-01-08 10:00:00"},
        {"Line": "3", "Code": None, "Known": "2024-01-08 10:00:00"},
    ]
    clean = clean_model(late_after_days=3, non_products=["Post"], non_product_pattern="GIFT_.*")
    rows = cleaned(spark, lines, clean)
    assert [row.flags for row in rows] == [["dear", "non_product", "late_arrival"], ["non_product"], []]
    assert [(row.status, row.is_product) for row in rows] == [("clean", False), ("clean", False), ("clean", True)]


@pytest.mark.spark
def test_without_a_column_of_its_own_known_at_is_the_event_time(spark: SparkSession) -> None:
    columns = {ours: theirs for ours, theirs in COLUMNS.items() if ours != "known_at"}
    (row,) = cleaned(spark, [{"Known": "never"}], columns=columns)
    assert row.known_at == row.ordered_at == datetime(2024, 1, 5, 10)
    assert row.status == "clean"


@pytest.mark.spark
def test_every_kind_of_rule_holds_at_its_boundary_and_for_null(spark: SparkSession) -> None:
    rules = [
        {"name": "few", "column": "quantity", "minimum": 2, "maximum": 4},
        {"name": "not_allowed", "column": "product_id", "allowed": ["a", "B "]},
        {"name": "forbidden_order", "column": "order_id", "forbidden": ["TEST"]},
        {"name": "odd_customer", "column": "customer_id", "pattern": r"\d+|X"},
        {"name": "no_line", "column": "line_id", "required": True},
    ]
    lines: Lines = [
        {"source_file": "1", "Quantity": "2", "Code": "A", "Customer ID": "12"},
        {"source_file": "2", "Quantity": "4", "Code": "b", "Invoice": "test", "Customer ID": "12x"},
        {"source_file": "3", "Quantity": "5", "Code": "c", "Invoice": None, "Customer ID": None},
        {"source_file": "4", "Quantity": "1", "Code": None, "Line": " "},
    ]
    rows = sorted(cleaned(spark, lines, clean_model(rules=rules)), key=lambda row: row.source_file)
    assert [row.reasons for row in rows] == [
        [],
        ["forbidden_order", "odd_customer"],
        ["few", "not_allowed"],
        ["few", "no_line"],
    ]


@pytest.mark.spark
@pytest.mark.parametrize(
    ("clean", "named"),
    [
        ({"rules": [{"name": "bad", "violated_when": "quantity <"}]}, "clean.rules.bad.violated_when"),
        ({"rules": [{"name": "bad", "violated_when": "no_such > 1"}]}, "no_such"),
        ({"rules": [{"name": "bad", "violated_when": "quantity + 1"}]}, "a bigint"),
        ({"rules": [{"name": "bad", "column": "country", "allowed": ["UK"]}]}, "clean.rules.bad.column"),
        ({"rules": [{"name": "bad", "column": "order_id", "minimum": 1}]}, "quantity, unit_price"),
        ({"cancellation": "left(order_id, 1)"}, "clean.cancellation"),
        ({"key": ["description"]}, "clean.key"),
    ],
)
def test_a_rule_that_cannot_be_used_is_a_configuration_error_that_names_it(
    spark: SparkSession, clean: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        clean_rows(frame(spark, []), raw=raw_model(), clean=clean_model(**clean), zone="UTC", batch="b1")
    assert named in str(caught.value)
    assert "_cell" not in str(caught.value)


@pytest.mark.spark
def test_a_condition_that_hangs_on_more_than_its_row_is_refused_by_name(spark: SparkSession) -> None:
    beyond = {
        "count(1) OVER (PARTITION BY order_id) > 100": "other rows",
        "sum(quantity) > 5": "other rows",
        "explode(array(true, false))": "makes rows",
        "quantity IN (SELECT 1)": "another table",
        "rand() < 0.1": "each time",
        "uuid() > order_id": "each time",
        "ordered_at > current_timestamp()": "at another time",
        "ordered_at > 'Now'": "at another time",
        "ordered_at < DATE 'yesterday' - INTERVAL 9 DAYS": "at another time",
        "datediff(ordered_at, 'today') > 1 OR description = 'x'": "at another time",
        "ordered_at BETWEEN '2011-01-01' AND ' tomorrow '": "at another time",
        "ordered_at > to_timestamp(concat('', 'now'))": "at another time",
    }
    empty = frame(spark, [])
    for text, words in beyond.items():
        rules = [{"name": "bad", "violated_when": text}]
        for values, key in (
            ({"rules": rules}, "clean.rules.bad.violated_when"),
            ({"cancellation": text}, "cancellation"),
        ):
            with pytest.raises(ConfigError) as caught:
                clean_rows(empty, raw=raw_model(), clean=clean_model(**values), zone="UTC", batch="b1")
            assert text in caught.value.received and words in caught.value.received
            assert key in caught.value.where and "'unique'" in caught.value.todo
    # What a row's own lists say is its own, and a day may be called so.
    own = "exists(split(order_id, ','), part -> part = 'x') OR description LIKE 'today%' OR quantity > 1e6"
    own += " OR cast(nullif(description, 'today') AS date) < ordered_at"
    own += " OR description = 'now' OR lower(country) IN ('today', 'Tomorrow') AND ordered_at > '2011-01-01'"
    alone = clean_model(rules=[{"name": "fine", "violated_when": own}])
    assert clean_rows(empty, raw=raw_model(), clean=alone, zone="UTC", batch="b1").columns == list(CLEAN_ROWS.names)


@pytest.mark.spark
def test_a_mapped_column_that_is_not_there_is_an_input_error(spark: SparkSession) -> None:
    with pytest.raises(InputError, match="Quantity"):
        clean_rows(frame(spark, []).drop("Quantity"), raw=raw_model(), clean=clean_model(), zone="UTC", batch="b")


@pytest.mark.spark
@pytest.mark.parametrize("key", [(), ("line_id",)])
def test_all_duplicates_are_found_in_one_shuffle(spark: SparkSession, key: tuple[str, ...]) -> None:
    rows = clean_rows(
        frame(spark, [{}]).repartition(3), raw=raw_model(), clean=clean_model(key=key), zone="UTC", batch="b"
    )
    plan = rows._jdf.queryExecution().executedPlan().toString()
    assert plan.count("Exchange") == 2, plan  # the other is the repartition above


def mixture(seed: int, count: int) -> Lines:
    """Random lines that collide often: copies, shared keys, tears, nulls and unreadable values in any combination."""
    rng = random.Random(seed)
    choices: dict[str, list[str | None]] = {
        "Line": ["L1", "l1", "L2", " L2", "L3", None],
        "Invoice": ["1", "1", "C1", None],
        "Quantity": ["1", "1", "-1", "x", "", None],
        "Price": ["1", "1", "1", "4,99", "200"],
        "Customer ID": ["7", "7.0", None],
        "Date": ["2024-01-05 10:00:00", "2024-03-31 01:30:00", "31/31/2024", None],
        "Known": ["2024-01-05 10:00:00", "2024-04-01 00:00:00", "?"],
        "source_file": ["a.csv", "b.csv"],
        "_torn": [None] * 9 + ["torn, line"],
    }
    return [{name: rng.choice(values) for name, values in choices.items()} for _ in range(count)]


def copies(lines: Lines) -> int:
    """Copies beyond the first, counted without Spark; of a torn line only its text counts."""
    compared = [
        line["_torn"] or tuple(value for name, value in line.items() if name != "source_file") for line in lines
    ]
    return len(compared) - len(set(compared))


RELATIONAL = {"exact_duplicate", "superseded_by_key", "superseded_by_similar_key", "key_duplicate"} | {
    "similar_key_duplicate"
}


@pytest.mark.spark
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), keep=st.sampled_from(["first", "last", "most_complete"]), with_key=st.booleans())
def test_law_1_nothing_is_lost_whatever_the_mixture_of_lines(
    spark: SparkSession, seed: int, keep: str, with_key: bool
) -> None:
    lines = mixture(seed, 400)
    clean = clean_model(key=["line_id"] if with_key else [], keep=keep)
    observed, seen = with_line_count(frame(spark, lines).repartition(3))
    rows = clean_rows(observed, raw=raw_model(), clean=clean, zone="Europe/London", batch="b").collect()
    written = Counter(row.status for row in rows)
    assert check_nothing_lost(seen.get["lines"], written, where="test")["raw"] == len(lines)
    assert set(written) <= set(STATUSES)
    for row in rows:
        assert bool(row.reasons) == (row.status != "clean")
        assert bool(set(row.reasons) - RELATIONAL) == (row.raw is not None)
    assert sum("exact_duplicate" in row.reasons for row in rows) == copies(lines)
    kept = Counter(row.line_id.upper() for row in rows if row.status == "clean" and row.line_id)
    assert not with_key or set(kept.values()) <= {1}


@pytest.mark.spark
def test_law_1_a_line_that_a_stage_drops_is_caught(spark: SparkSession) -> None:
    observed, seen = with_line_count(frame(spark, mixture(1, 50)))
    rows = clean_rows(observed, raw=raw_model(), clean=clean_model(), zone="UTC", batch="b")
    mutated = rows.where("NOT array_contains(reasons, 'torn_line')").collect()  # a filter that loses lines
    written = Counter(row.status for row in mutated)
    with pytest.raises(LawError, match="Law 1"):
        check_nothing_lost(seen.get["lines"], written, where="clean/rows")


@pytest.mark.spark
def test_quality_counts_each_status_reason_and_flag(spark: SparkSession) -> None:
    lines: Lines = [
        {"Line": "1"},
        {"Line": "2", "Customer ID": None, "Quantity": "-1"},
        {"Line": "3", "Customer ID": None, "Price": "500"},
        {"Line": "4", "Price": "500"},
    ]
    rows = clean_rows(frame(spark, lines), raw=raw_model(), clean=clean_model(), zone="UTC", batch="b1")
    (quality,) = quality_of(summarise_quality(rows).collect())
    assert (quality.batch, quality.rows, quality.torn, quality.unreadable) == ("b1", 4, 0, 0)
    assert quality.statuses == {"clean": 2, "rejected": 2}
    assert quality.reasons == {"missing_customer": 2, "write_off": 1}
    assert quality.flags == {"dear": 2}
    # Two lines of a known customer sell, both on 5 January at 10:00, known an hour later.
    assert quality.sales == 2
    assert (quality.first_event_at, quality.last_known_at) == ("2024-01-05 10:00:00", "2024-01-05 11:00:00")
    assert quality_of(summarise_quality(rows.limit(0)).collect()) == []


@pytest.mark.spark
def test_the_most_complete_line_of_a_key_stays_and_was_not_there_before_it_was_known(spark: SparkSession) -> None:
    lines: Lines = [
        {"Known": "2024-01-05 11:00:00", "Customer ID": "1", "source_file": "1", "Code": None},
        {"Known": "2024-01-06 11:00:00", "Customer ID": "2", "source_file": "2"},
        {"Known": "2024-01-07 11:00:00", "Customer ID": "3", "source_file": "3", "Code": " "},
        {"Known": "2024-01-08 11:00:00", "Customer ID": "4", "source_file": "4"},
    ]
    clean = clean_model(rules=[], key=["line_id"], keep="most_complete")
    rows = sorted(cleaned(spark, lines, clean), key=lambda row: row.source_file)
    assert [(row.status, row.reasons, row.superseded_at) for row in rows] == [
        ("superseded", ["superseded_by_key"], datetime(2024, 1, 6, 11)),
        ("clean", [], None),
        ("duplicate", ["key_duplicate"], None),
        ("duplicate", ["key_duplicate"], None),
    ]


@pytest.mark.spark
def test_values_that_must_be_unique_are_compared_among_the_rows_that_stay(spark: SparkSession) -> None:
    lines: Lines = [
        {"Line": "1", "Invoice": "A", "Code": "x", "Known": "2024-01-05 11:00:00"},  # superseded: shares with nobody
        {"Line": "1", "Invoice": "B", "Code": "x", "Known": "2024-01-06 11:00:00"},
        {"Line": "2", "Invoice": "A", "Code": "y"},
        {"Line": "3", "Invoice": "B", "Code": "x"},
        {"Line": "4", "Invoice": "B", "Code": None},
        {"Line": "5", "Invoice": "B", "Code": None},
    ]
    rules = [
        {"name": "order_twice", "action": "flag", "unique": ["order_id"]},
        {"name": "line_twice", "unique": ["order_id", "product_id"]},
    ]
    rows = sorted(cleaned(spark, lines, clean_model(rules=rules, key=["line_id"])), key=lambda row: row.line_id)
    assert [
        (row.status, row.reasons, row.flags) for row in sorted(rows, key=lambda row: (row.line_id, row.known_at))
    ] == [
        ("superseded", ["superseded_by_key"], []),
        ("rejected", ["line_twice"], ["order_twice"]),
        ("clean", [], []),
        ("rejected", ["line_twice"], ["order_twice"]),
        ("clean", [], ["order_twice"]),
        ("clean", [], ["order_twice"]),
    ]


@pytest.mark.spark
def test_a_status_names_the_batch_that_decided_it(spark: SparkSession) -> None:
    lines: Lines = [
        {"Line": "1", "source_file": "b.csv"},
        {"Line": "1", "source_file": "a.csv"},
        {"Line": "1", "source_file": "c.csv", "Known": "2024-02-01 00:00:00"},
    ]
    rows = clean_rows(
        frame(spark, lines), raw=raw_model(batches="files"), clean=clean_model(key=["line_id"]), zone="UTC", batch=None
    )
    found = {row.source_file: (row.source_batch, row.status, row.status_batch) for row in rows.collect()}
    assert found == {
        "a.csv": ("a.csv", "superseded", "c.csv"),
        "b.csv": ("b.csv", "duplicate", "a.csv"),
        "c.csv": ("c.csv", "clean", "c.csv"),
    }


@pytest.mark.spark
def test_values_of_columns_that_are_not_mapped_are_kept_where_the_policy_adds_them(spark: SparkSession) -> None:
    given = frame(spark, [{"Line": "1"}, {"Line": "2"}]).selectExpr(
        "*", "CASE WHEN Line = '1' THEN 'red' END AS Colour"
    )
    rows = clean_rows(given, raw=raw_model(drift={"new": "add"}), clean=clean_model(), zone="UTC", batch="b")
    assert {row.line_id: row.others for row in rows.collect()} == {"1": {"Colour": "red"}, "2": {}}
