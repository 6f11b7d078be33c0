"""Referential rules: a value is in the other table or it is not; no row is lost or doubled by the join."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from raw_lines import frame, raw_model
from ringmill.clean import clean_rows
from ringmill.config.clean import Clean
from ringmill.config.rules import Rule

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

RULES = [
    {"name": "unknown_product", "column": "product_id", "references": {"path": "p", "column": "my sku"}},
    {"name": "new_customer", "action": "flag", "column": "customer_id", "references": {"path": "c", "column": "id"}},
]


@pytest.mark.spark
@pytest.mark.parametrize("products", [[("85123A ",), ("85123a",), (None,), ("B",)], []], ids=["some", "none"])
def test_a_value_that_the_other_table_lacks_breaks_the_rule_and_a_null_does_not(
    spark: SparkSession, products: list[tuple[str | None]]
) -> None:
    lines = [
        {"source_file": "1", "Code": "85123a"},  # there twice, written in two ways: still one row
        {"source_file": "2", "Code": "C", "Customer ID": "8"},
        {"source_file": "3", "Code": None, "Customer ID": None},
    ]
    tables = {
        "unknown_product": spark.createDataFrame(products, "`my sku` string"),
        "new_customer": spark.createDataFrame([("13069.0",)], "id string"),
    }
    clean = Clean.model_validate({"rules": RULES})
    rows = clean_rows(frame(spark, lines), raw=raw_model(), clean=clean, zone="UTC", batch="b", tables=tables)
    found = sorted((row.source_file, row.reasons, row.flags) for row in rows.collect())
    assert found == [
        ("1", [] if products else ["unknown_product"], []),
        ("2", ["unknown_product"], ["new_customer"]),
        ("3", [], []),
    ]


@pytest.mark.parametrize(
    ("values", "words"),
    [({"column": "quantity"}, "column of texts"), ({"column": "country", "action": "fix", "constant": "x"}, "reject")],
)
def test_a_reference_that_cannot_be_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Rule.model_validate({"name": "bad", "references": {"path": "p", "column": "c"}, **values})
