"""Rules over texts: each step on a text it changes, one it leaves, an empty one and a null; lengths at their bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from pyspark.sql import functions as F

from raw_lines import COLUMNS, frame, raw_model
from ringmill.clean import clean_rows
from ringmill.clean.texts import normalised
from ringmill.config.clean import Clean
from ringmill.config.rules import Rule

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RAW = raw_model(COLUMNS | {"description": "Words"})
STEPS: dict[str, list[tuple[str | None, str | None]]] = {
    "whitespace": [(" a \t b\u00a0\u2003c ", "a b c"), ("a b", "a b"), (" \u00a0", None)],
    "nfc": [("e\u0301", "é"), ("\ufb01\u2460", "\ufb01\u2460"), ("\u1100\u1161", "가")],
    "nfkc": [("e\u0301", "é"), ("\ufb01\u2460", "fi1"), ("\uff21", "A")],
    "html": [
        ("R&amp;D &eacute;&#233;&#x20AC; &lt;b&gt;", "R&D éé€ <b>"),
        ("a & b &nosuch;", "a & b &nosuch;"),
        ("a &#9999999; &amp; b", "a &#9999999; &amp; b"),  # beyond Unicode's last number
        ("&#x110000;", "&#x110000;"),
        ("&#x10FFFF;", "\U0010ffff"),
        ("&#99999999999; &#; &#x;", "&#99999999999; &#; &#x;"),
        ("a&#0;b", "a\0b"),
        ("a&#55296;b", "a?b"),  # half of a surrogate pair is written so
        ("&#55357;&#56832;", "\U0001f600"),
    ],
    "lower": [("ÉA", "éa"), ("a", "a")],
    "upper": [("éa", "ÉA")],
    "punctuation": [("T-light, (red)!", "T light red"), ("5 €", "5 €"), ("...", None)],
    "stop_words": [("The box of THE others", "box others"), ("theory", "theory"), ("the", None)],
}


def rule(step: str) -> Rule:
    words = ("the", "Of") if step == "stop_words" else ()
    return Rule.model_validate({"name": step, "column": "description", "text": [step], "stop_words": words})


@pytest.mark.spark
def test_each_step_does_what_it_says_and_a_null_stays_null(spark: SparkSession) -> None:
    cases = [(step, before, after) for step, pairs in STEPS.items() for before, after in [*pairs, (None, None)]]
    texts = spark.createDataFrame([(step, before) for step, before, _ in cases], "step string, description string")
    results = texts.select("*", *(normalised(rule(step)).alias(f"_{step}") for step in STEPS)).collect()
    assert [row[f"_{row.step}"] for row in results] == [after for _, _, after in cases]


@pytest.mark.spark
def test_every_step_is_taken_though_the_next_seems_to_undo_it(spark: SparkSession) -> None:
    texts = spark.createDataFrame([("ﬁne Straße",)], "description string")
    both = Rule.model_validate({"name": "both", "column": "description", "text": ["upper", "lower"]})
    shouted = texts.select(F.upper("description").alias("description"))
    found = [texts.select(normalised(both)).first(), shouted.select(normalised(rule("lower"))).first()]
    assert found == [("fine strasse",)] * 2


@pytest.mark.spark
def test_a_text_rule_flags_what_is_not_yet_so_and_as_a_fix_makes_it_so(spark: SparkSession) -> None:
    rules: list[dict[str, Any]] = [
        {"name": "spaced", "action": "fix", "column": "description", "text": ["html", "whitespace", "lower"]},
        {"name": "shouts", "action": "flag", "column": "order_id", "text": ["lower"]},
        {"name": "length", "column": "description", "min_length": 2, "max_length": 4},
        {"name": "cut", "action": "fix", "column": "line_id", "max_length": 2, "constant": "?"},
    ]
    lines = [
        {"source_file": "1", "Words": "A&amp;B", "Line": "12"},
        {"source_file": "2", "Words": "cup", "Invoice": "X1", "Line": "123"},
        {"source_file": "3", "Words": "a  bowl"},
        {"source_file": "4", "Words": "x"},
        {"source_file": "5", "Words": None, "Line": None},
        {"source_file": "6", "Words": "&nbsp;"},
    ]
    clean = Clean.model_validate({"rules": rules})
    frames = clean_rows(frame(spark, lines, RAW), raw=RAW, clean=clean, zone="UTC", batch="b")
    rows = (
        frames.orderBy("source_file").select("description", "line_id", "flags", "reasons", F.col("raw.Words")).collect()
    )
    assert rows == [
        ("a&b", "12", ["spaced"], [], "A&amp;B"),
        ("cup", "?", ["shouts", "cut"], [], "cup"),
        ("a bowl", "L1", ["spaced"], ["length"], "a  bowl"),
        ("x", "L1", [], ["length"], "x"),
        (None, None, [], [], None),
        (None, "L1", ["spaced"], [], "&nbsp;"),
    ]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"column": "quantity", "text": ["lower"]}, "column of texts"),
        ({"column": "country", "text": ["stop_words"]}, "a list of that name"),
        ({"column": "country", "text": ["lower"], "stop_words": ["a"]}, "a list of that name"),
        ({"column": "country", "text": ["lower"], "action": "fix", "constant": "a"}, "its bounds or steps"),
        ({"column": "country", "text": ["tidy"]}, "whitespace"),
    ],
)
def test_a_text_rule_that_cannot_be_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Rule.model_validate({"name": "bad", **values})
