"""Numbers and times as a file's columns write them: what is stated is read, and nothing is guessed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from raw_lines import frame, raw_model
from ringmill.clean import read_values
from ringmill.config.formats import NumberFormat

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EURO = {"decimal": ",", "thousands": ".", "currency": ["€", "EUR"]}
SWISS = {"thousands": "'", "currency": ["Fr."]}
SPACED = {"decimal": ",", "thousands": " "}
PRICES: list[tuple[dict[str, Any], str | None, float | None]] = [
    (EURO, "1.234,56 €", 1234.56),
    (EURO, "€1.234.567", 1234567.0),
    (EURO, "-EUR 12,5", -12.5),
    (EURO, "€ -0,99", -0.99),
    (EURO, "1234,5", 1234.5),
    (EURO, "2.55", None),  # a decimal point where a comma is stated is not taken for one, nor for thousands
    (EURO, "1.2345,0", None),
    (EURO, "12,5 $", None),
    (EURO, "€", None),
    (EURO, "--5", None),
    (EURO, None, None),
    (SWISS, "Fr. 1'234.50", 1234.5),
    (SWISS, "1,5", None),
    (SPACED, "1\u00a0234\u202f567,5", 1234567.5),
    (SPACED, "1 23,5", None),
    (SPACED, "12,5 €", None),
]


@pytest.mark.spark
@pytest.mark.parametrize("form", [EURO, SWISS, SPACED], ids=["euro", "swiss", "spaced"])
def test_a_number_is_read_as_its_column_writes_it_and_not_otherwise(spark: SparkSession, form: dict[str, Any]) -> None:
    cases = [(text, value) for of, text, value in PRICES if of is form]
    raw = raw_model(number_formats={"unit_price": form})
    lines = [{"Price": text, "source_file": f"{place:02d}", "Quantity": "6.0"} for place, (text, _) in enumerate(cases)]
    rows = sorted(read_values(frame(spark, lines), raw=raw, zone="UTC").collect(), key=lambda row: row.source_file)
    assert [row.unit_price for row in rows] == [value for _, value in cases]
    assert [row._unreadable_unit_price for row in rows] == [bool(text) and value is None for text, value in cases]
    assert {row.quantity for row in rows} == {6}  # without a format of its own a column is read as ever


@pytest.mark.spark
def test_pieces_with_a_fraction_however_small_cannot_be_read(spark: SparkSession) -> None:
    texts = ["6.0000001", "6.000000000000001", "6.000", "-9223372036854775808.0", "9223372036854775808.0", "1e3"]
    lines = [{"Quantity": text, "source_file": str(place)} for place, text in enumerate(texts)]
    rows = sorted(
        read_values(frame(spark, lines), raw=raw_model(), zone="UTC").collect(), key=lambda row: row.source_file
    )
    assert [row.quantity for row in rows] == [None, None, 6, -(2**63), None, 1000]


@pytest.mark.spark
def test_a_timestamp_format_may_have_a_zone_of_its_own(spark: SparkSession) -> None:
    formats = ["yyyy-MM-dd HH:mm:ss", {"format": "dd.MM.yyyy HH:mm", "zone": "Europe/Berlin"}]
    lines = [{"Date": "2024-07-01 10:00:00", "Known": "01.07.2024 10:00"}, {"Date": "31.03.2024 02:30"}]
    rows = read_values(frame(spark, lines), raw=raw_model(timestamp_formats=formats), zone="Europe/London").collect()
    assert [(row.ordered_at, row.known_at) for row in rows] == [
        (datetime(2024, 7, 1, 9), datetime(2024, 7, 1, 8)),
        (datetime(2024, 3, 31, 1, 30), datetime(2024, 1, 5, 11)),  # skipped in Berlin: moves forward
    ]


@pytest.mark.parametrize(
    "values", [{"decimal": ",", "thousands": ","}, {"decimal": ";"}, {"currency": [" "]}, {"thousands": "_"}]
)
def test_a_number_format_that_cannot_be_told_apart_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NumberFormat.model_validate(values)


def test_a_zone_for_a_format_with_an_offset_is_refused() -> None:
    with pytest.raises(ValidationError, match="offset of its own"):
        raw_model(timestamp_formats=[{"format": "yyyy-MM-dd HH:mm:ssXXX", "zone": "UTC"}])
