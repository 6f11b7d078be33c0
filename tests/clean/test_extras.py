"""Columns beyond ours: each type with a value, a null and one that cannot be read; rules over them; refusals."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from pydantic import ValidationError

from raw_lines import COLUMNS, GOOD, Lines, raw_model
from ringmill.clean import (
    clean_rows,
    fitted_of,
    quality_of,
    read_values,
    summarise_quality,
    summarise_statistics,
)
from ringmill.clean.failures import check_patterns
from ringmill.clean.marks import MASK, mark_rows, summarise_examples
from ringmill.clean.personal import WITHHELD
from ringmill.config import load
from ringmill.config.clean import Clean
from ringmill.config.columns import types_of
from ringmill.config.raw import Raw
from ringmill.contracts import CLEAN_ROWS, clean_rows_table
from ringmill.errors import ConfigError, InputError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

EXTRAS = """
gift: {column: Gift, type: boolean, true: [yes, y, "1"], false: [no, n, "0"]}
pieces_left: {column: Left, type: bigint, unreadable: flag}
weight: {column: Weight, type: double, number: {decimal: ",", currency: [kg]}}
colour: {column: Colour, type: string}
packed_at: {column: Packed, type: timestamp, formats: ["dd.MM.yyyy HH:mm"]}
born: {column: Born, type: date, formats: [dd.MM.yyyy, yyyy-MM-dd]}
"""
NAMES = ["Gift", "Left", "Weight", "Colour", "Packed", "Born"]


def raw_of(extras: str = EXTRAS) -> Raw:
    return raw_model(COLUMNS, extras=yaml.safe_load(extras))


def frame(spark: SparkSession, lines: Lines) -> DataFrame:
    names = [*COLUMNS.values(), *NAMES, "source_file", "_torn"]
    values = [GOOD | {"source_file": f"{place:02d}"} | line for place, line in enumerate(lines)]
    schema = ", ".join(f"`{name}` string" for name in names)
    return spark.createDataFrame([[line.get(name) for name in names] for line in values], schema)


def cleaned(spark: SparkSession, lines: Lines, *rules: dict[str, Any], fitted: Any = None) -> DataFrame:
    clean = Clean.model_validate({"rules": rules})
    return clean_rows(frame(spark, lines), raw=raw_of(), clean=clean, zone="Europe/London", batch="b", fitted=fitted)


@pytest.mark.spark
def test_extras_become_typed_columns_behind_those_of_the_contract(spark: SparkSession) -> None:
    lines: Lines = [
        dict(zip(NAMES, [" Yes ", "7.0", "1,5 kg", " red ", "01.07.2024 10:00", "29.02.2024"], strict=True)),
        dict(zip(NAMES, ["0", "-3", "2", "", "31.12.2024 23:59", "2024-01-31"], strict=True)),
        {},
        dict(zip(NAMES, ["maybe", "many", "1.5", "x", "2024-07-01 10:00", "30.02.2024"], strict=True)),
        {"Gift": "on", "Left": "7.5", "_torn": "torn"},
    ]
    rows = cleaned(spark, lines)
    table = clean_rows_table({name: kind for name, kind in types_of(raw_of()).items() if name in raw_of().extras})
    assert rows.columns == list(table.names)
    assert [(field.name, field.dataType.simpleString()) for field in rows.schema][len(CLEAN_ROWS.columns) :] == [
        ("gift", "boolean"),
        ("pieces_left", "bigint"),
        ("weight", "double"),
        ("colour", "string"),
        ("packed_at", "timestamp"),
        ("born", "date"),
    ]
    found = rows.orderBy("source_file").collect()
    assert [tuple(row[name] for name in raw_of().extras) for row in found] == [
        (True, 7, 1.5, "red", datetime(2024, 7, 1, 9), date(2024, 2, 29)),
        (False, -3, 2.0, None, datetime(2024, 12, 31, 23, 59), date(2024, 1, 31)),
        (None,) * 6,
        (None, None, None, "x", None, None),
        (None,) * 6,
    ]
    assert [(row.status, row.reasons, row.flags) for row in found[:3]] == [("clean", [], [])] * 3
    unread = [f"unreadable_{name}" for name in ("gift", "weight", "packed_at", "born")]
    assert (found[3].status, found[3].reasons, found[3].flags) == ("rejected", unread, ["unreadable_pieces_left"])
    assert found[3].raw["Left"] == "many"
    assert (found[4].reasons, found[4].flags) == (["torn_line"], [])


@pytest.mark.spark
def test_what_could_not_be_read_of_an_extra_is_kept_and_shown_but_not_where_it_is_personal(spark: SparkSession) -> None:
    heavy = {"name": "heavy", "action": "fix", "column": "weight", "maximum": 9}
    lines: Lines = [{"Left": "many", "Weight": "2,5"}, {"Left": "7", "Weight": "10,5"}, {"Left": "8"}]
    hidden = [{"column": "pieces_left", "action": "drop"}]

    def found(personal: list[dict[str, str]]) -> tuple[list[Any], dict[str, list[str]]]:
        clean = Clean.model_validate({"rules": [heavy], "personal": personal})
        rows = clean_rows(frame(spark, lines), raw=raw_of(), clean=clean, zone="UTC", batch="b").cache()
        known = ["pieces_left", "weight"]
        (quality,) = quality_of(summarise_quality(rows).collect())
        examples = summarise_examples(rows, raw=raw_of(), columns=known).collect()
        names = [each.column for each in clean.personal]
        marks = mark_rows(quality, examples, clean=clean, known=known, personal=names)
        shown = {row["name"]: [each["shown"] for each in row["examples"]] for row in marks if row["examples"]}
        kept = [row.raw and (row.raw["Left"], row.raw["Weight"]) for row in rows.orderBy("source_file").collect()]
        return kept, shown

    kept, shown = found([])
    assert kept == [("many", "2,5"), ("7", "10,5"), None]
    assert shown == {"unreadable_pieces_left": ["pieces_left: many"], "heavy": ["weight: 10,5"]}
    kept, shown = found(hidden)
    assert kept == [(WITHHELD, "2,5"), (WITHHELD, "10,5"), None]
    assert shown == {"unreadable_pieces_left": [f"pieces_left: {MASK}"], "heavy": ["weight: 10,5"]}


@pytest.mark.spark
def test_rules_may_name_extras_wherever_their_type_fits(spark: SparkSession) -> None:
    rules: list[dict[str, Any]] = [
        {"name": "no_gift", "action": "fix", "column": "gift", "required": True, "constant": False},
        {"name": "heavy", "action": "fix", "column": "weight", "maximum": 9.5},
        {"name": "few_left", "action": "fix", "column": "pieces_left", "minimum": 0.5},
        {"name": "light", "action": "fix", "column": "weight", "required": True, "fill": "mean", "group": ["colour"]},
        {"name": "odd_colour", "column": "colour", "allowed": ["red", "blue"]},
        {"name": "long_colour", "action": "flag", "column": "colour", "max_length": 3},
        {"name": "none_left", "column": "pieces_left", "required": True},
        {"name": "packed_late", "violated_when": "packed_at > ordered_at + INTERVAL 1 DAY AND gift"},
    ]
    to_fit = [rule for rule in Clean.model_validate({"rules": rules}).rules if rule.is_fitted]
    lines: Lines = [
        {"Gift": "y", "Left": "0", "Weight": "10", "Colour": "red", "Packed": "07.01.2024 10:00"},
        {"Gift": None, "Left": "1", "Weight": "2", "Colour": "blue", "Packed": "07.01.2024 10:00"},
        {"Left": "many", "Weight": None, "Colour": "Blue"},
        {"Left": "2", "Weight": None, "Colour": "blue"},
        {"Left": None, "Weight": "1", "Colour": "green"},
    ]
    values = read_values(frame(spark, lines), raw=raw_of(), zone="UTC")
    found = summarise_statistics(values, to_fit, None).collect()
    fitted = fitted_of(found, to_fit, None, types=types_of(raw_of()))
    assert fitted["light"]["groups"] == [[["Blue"], None], [["blue"], 2.0], [["green"], 1.0], [["red"], 10.0]]
    rows = cleaned(spark, lines, *rules, fitted=fitted).orderBy("source_file").collect()
    assert [(row.gift, row.weight, row.pieces_left) for row in rows] == [
        (True, 9.5, 1),
        (False, 2.0, 1),
        (False, None, None),
        (False, 2.0, 2),
        (False, 1.0, None),
    ]
    assert [row.reasons for row in rows] == [["packed_late"], [], [], [], ["odd_colour", "none_left"]]
    assert [row.flags for row in rows] == [
        ["heavy", "few_left"],
        ["no_gift", "long_colour"],
        ["no_gift", "long_colour", "unreadable_pieces_left"],
        ["no_gift", "light", "long_colour"],
        ["no_gift", "long_colour"],
    ]


@pytest.mark.spark
def test_a_missing_column_and_a_format_that_is_none_are_named(spark: SparkSession) -> None:
    with pytest.raises(InputError, match="Colour"):
        clean_rows(frame(spark, []).drop("Colour"), raw=raw_of(), clean=Clean(), zone="UTC", batch="b")
    with pytest.raises(ConfigError, match=r"raw\.extras\.born\.formats"):
        check_patterns(spark, raw_of("born: {column: Born, type: date, formats: [nonsense]}"), Clean())


MINIMAL = """
pipeline: shop
warehouse: lake
raw:
  path: x
  columns: {order_id: o, product_id: p, quantity: q, unit_price: u, customer_id: c, ordered_at: t}
  extras:
    gift: {column: Gift, type: boolean, true: [yes, Y], false: [no]}
    weight: {column: Weight, type: double}
    born: {column: Born, type: date}
features: {train_cutoffs: [2024-05-01]}
"""


def loaded(tmp_path: Path, *settings: str) -> Any:
    path = tmp_path / "conf.yaml"
    path.write_text(MINIMAL, encoding="utf-8")
    return load(path, settings)


def test_words_that_yaml_takes_for_truth_values_stand_for_their_spellings(tmp_path: Path) -> None:
    gift = loaded(tmp_path).raw.extras["gift"]
    assert (gift.true, gift.false) == (("true", "yes", "on", "Y"), ("false", "no", "off"))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("{name: r, column: wieght, minimum: 1}", "r.column[\\s\\S]*did you mean 'weight'"),
        ("{name: r, column: country, required: true}", "does not map"),
        ("{name: r, action: fix, column: weight, required: true, fill: mean, group: [gifts]}", "mean 'gift'"),
        ("{name: r, column: born, minimum: 1}", "quantity, unit_price, weight"),
        ("{name: r, column: weight, min_length: 1}", "column of texts"),
        ("{name: r, column: gift, pattern: x}", "column of texts"),
        ("{name: r, action: fix, column: born, required: true, fill: mode}", "numbers or texts"),
        ("{name: r, action: fix, column: gift, required: true, fill: mean}", "that is a number"),
        ("{name: r, action: fix, column: gift, required: true, constant: x}", "true or false"),
        ("{name: r, action: fix, column: weight, required: true, constant: true}", "a number"),
    ],
)
def test_a_rule_over_a_column_that_is_not_there_or_does_not_fit_is_refused_when_the_file_is_read(
    tmp_path: Path, rule: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        loaded(tmp_path, f"clean.rules=[{rule}]")


@pytest.mark.parametrize(
    ("extras", "words"),
    [
        ("{status: {column: S, type: string}}", "unlike status"),
        ("{Weight: {column: S, type: string}}", "unlike 'Weight'"),
        ("{a: {column: S, type: number}}", "raw.extras.a.type"),
        ("{a: {colum: S, type: string}}", "did you mean 'column'"),
        ("{a: {column: S, type: string, true: [x]}}", "type: boolean"),
        ("{a: {column: S, type: boolean, true: [x], false: [X]}}", "both have \\['x'\\]"),
        ("{a: {column: S, type: string, number: {}}}", "bigint or double"),
        ("{a: {column: S, type: string, formats: [yyyy]}}", "timestamp or date"),
        ("{a: {column: S, type: date, formats: [yyyy-MM-ddXXX]}}", "neither zone nor offset"),
    ],
)
def test_an_extra_that_cannot_be_is_refused(tmp_path: Path, extras: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        loaded(tmp_path, f"raw.extras={extras}")


def test_an_extra_needs_no_file_to_be_checked() -> None:
    with pytest.raises(ValidationError, match="clean/rows has not"):
        raw_of("line_id: {column: X, type: string}")
