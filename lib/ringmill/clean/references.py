"""Referential rules: whether a value is among those of another table; one join a rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.clean.parse import read_text, trimmed
from ringmill.config.rules import Reference, Rule


def with_references(rows: DataFrame, rules: Iterable[Rule], tables: Mapping[str, DataFrame]) -> DataFrame:
    """Add `_known_NAME` for each referential rule: true where the value is in the table, else null.

    `tables` holds by rule the other table with its columns as texts. A value that is there twice counts once, so no
    row is doubled (law 1); both sides are read in the same way and compared without case.
    """
    for rule in rules:
        if rule.references is None:
            continue
        known, value = f"_known_{rule.name}", F.upper(F.col(str(rule.column)))
        values = _values(tables[rule.name], rule, rule.references)
        found = values.where(F.col("_value").isNotNull()).distinct().withColumn(known, F.lit(True))
        rows = rows.withColumn("_value", value).join(found, "_value", "left").drop("_value")
    return rows


def unknown(rule: Rule) -> Column:
    """True where there is a value and the other table has no such one."""
    return F.col(str(rule.column)).isNotNull() & F.col(f"_known_{rule.name}").isNull()


def _values(table: DataFrame, rule: Rule, reference: Reference) -> DataFrame:
    text = trimmed(F.col("`" + reference.column.replace("`", "``") + "`"))
    return table.select(F.upper(read_text(str(rule.column), text)).alias("_value"))
