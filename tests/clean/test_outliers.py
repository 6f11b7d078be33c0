"""Outliers by z-score, quartiles and percentiles, of all lines and per group; bounds derivable by eye."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from raw_lines import COLUMNS, Lines, frame, raw_model
from ringmill.clean import clean_rows, fitted_of, read_values, summarise_statistics
from ringmill.config.clean import Clean

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RAW = raw_model(COLUMNS | {"country": "Country"})


def model(*rules: dict[str, Any]) -> Clean:
    return Clean.model_validate({"rules": [{"column": "quantity", "action": "flag"} | rule for rule in rules]})


def lines_of(*pairs: tuple[str | None, Any]) -> Lines:
    return [
        {"source_file": f"{place:02d}", "Country": country, "Quantity": None if pieces is None else str(pieces)}
        for place, (country, pieces) in enumerate(pairs)
    ]


def fitted(spark: SparkSession, lines: Lines, clean: Clean) -> dict[str, Any]:
    values = read_values(frame(spark, lines, RAW), raw=RAW, zone="UTC")
    return fitted_of(summarise_statistics(values, clean.rules, None).collect(), clean.rules, None)


ALL = model(
    {"name": "z", "outlier": {"by": "zscore", "factor": 2}},
    {"name": "q", "outlier": {"by": "iqr"}},
    {"name": "p", "outlier": {"by": "percentile", "low": 0, "high": 0.75}},
    {"name": "by_country", "outlier": {"by": "iqr"}, "group": ["country"]},
    {"name": "price", "outlier": {"by": "zscore"}, "column": "unit_price"},
)


@pytest.mark.spark
def test_bounds_are_those_of_the_definition_and_no_spread_means_no_bounds(spark: SparkSession) -> None:
    lines = lines_of(("A", 2), ("A", 4), ("B", 4), (None, 4), (None, 5), ("C", 5), ("C", 7), ("A", 9), ("D", None))
    found = fitted(spark, lines, ALL)
    assert {name: state["groups"] for name, state in found.items()} == {
        "z": [[[], [1, 9]]],  # mean 5, deviation 2
        "q": [[[], [1, 8]]],  # quartiles 4 and 5.5: 1.75 to 7.75, outward
        "p": [[[], [2, 6]]],  # minimum 2, upper quartile 5.5
        # A: quartiles 3 and 6.5; B: one row; C: 5.5 and 6.5; D: no value; null: 4.25 and 4.75
        "by_country": [
            [["A"], [-3, 12]],
            [["B"], None],
            [["C"], [4, 8]],
            [["D"], None],
            [[None], [3, 6]],
        ],
        "price": [[[], None]],  # all are 2.55
    }


@pytest.mark.spark
def test_a_value_on_a_bound_is_inside_and_each_action_does_what_it_says(spark: SparkSession) -> None:
    clean = model(
        {"name": "clipped", "action": "fix", "outlier": {"by": "iqr"}, "group": ["country"]},
        {"name": "dear", "action": "reject", "column": "unit_price", "outlier": {"by": "zscore", "factor": 1}},
    )
    kept = {
        "clipped": {"groups": [[["A"], [-3, 12]], [["B"], None], [[None], [3, 6]]]},
        "dear": {"groups": [[[], [1.5, 2.55]]]},
    }
    lines = lines_of(("A", -3), ("A", -4), ("A", 13), ("B", 99), ("new", 99), (None, 7), ("A", None))
    lines[0]["Price"] = "2.56"
    frames = clean_rows(frame(spark, lines, RAW), raw=RAW, clean=clean, zone="UTC", batch="b", fitted=kept)
    rows = sorted(frames.collect(), key=lambda row: row.source_file)
    assert [row.quantity for row in rows] == [-3, -3, 12, 99, 99, 6, None]
    assert [row.flags for row in rows] == [[], ["clipped"], ["clipped"], [], [], ["clipped"], []]
    assert [row.reasons for row in rows] == [["dear"], [], [], [], [], [], ["missing_quantity"]]
    assert rows[1].raw["Quantity"] == "-4"


@pytest.mark.parametrize("kind", ["bigint", "double"])
def test_bounds_by_deviation_are_the_same_in_whatever_order_the_values_were_summed(kind: str) -> None:
    (rule,) = model({"name": "z", "outlier": {"by": "zscore", "factor": 2}}).rules

    def bounds(mean: float, deviation: float) -> Any:
        row = {"_set": 0, "_group": [], "z": [mean, deviation], "_values_z": 9}
        types = {"quantity": kind}
        return fitted_of([row], [rule], None, types=types)["z"]["groups"][0][1]  # type: ignore[list-item]

    # 1 and 9 lie on the bounds, 0 too where the mean is twice the deviation; equal values have no spread.
    assert bounds(5.000000000000002, 2.0000000000000004) == bounds(4.999999999999999, 1.9999999999999996) == [1, 9]
    assert bounds(0.6000000000000001, 0.3) == bounds(0.6, 0.30000000000000004) == [0, 2 if kind == "bigint" else 1.2]
    assert bounds(2.55, 4e-16) is None


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"outlier": {"by": "iqr", "low": 0.1}}, "without 'low'"),
        ({"outlier": {"by": "percentile", "factor": 2}}, "without 'factor'"),
        ({"outlier": {"by": "percentile", "low": 0.9, "high": 0.1}}, "below its 'high'"),
        ({"outlier": {"by": "iqr"}, "column": "country"}, "one of quantity, unit_price"),
        ({"outlier": {"by": "iqr"}, "action": "fix", "constant": 3}, "its bounds"),
        ({"outlier": {"by": "iqr"}, "minimum": 3}, "one check"),
    ],
)
def test_an_outlier_that_says_too_little_or_too_much_is_refused(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        model({"name": "bad", **rule})
