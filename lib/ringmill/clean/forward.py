"""Rules with `fill: forward`: a missing value becomes the last one before it in its group; one shuffle per group."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ringmill.clean.rules import violated
from ringmill.config.rules import Rule

# Lines are in the order in which they became known, so that none takes a value of one that is known later (law 2).
ORDER = ("known_at", "ordered_at", "source_file", "identity.line_a", "identity.line_b")


def with_forward_fills(rows: DataFrame, rules: Iterable[Rule]) -> DataFrame:
    """Fill missing values of each forward rule's column; add `_fixed_NAME` for each, never null.

    A group is a combination of values of the rule's `group` columns, where null is a value like any other. Where no
    line before has a value, the value stays missing and is not marked. A line that could not be parsed, or of which
    nobody can say when it became known, gives no value and gets none. Rules of the same group share one shuffle.
    """
    forward = [rule for rule in rules if rule.fill == "forward"]
    for group in dict.fromkeys(rule.group for rule in forward):
        of_group = [rule for rule in forward if rule.group == group]
        before = Window.partitionBy(*group).orderBy(*ORDER).rowsBetween(Window.unboundedPreceding, -1)
        rows = rows.withColumns(
            {
                f"_last_{rule.name}": F.last(F.when(_takes_part(), F.col(str(rule.column))), ignorenulls=True).over(
                    before
                )
                for rule in of_group
            }
        )
        rows = rows.withColumns(
            {
                f"_fixed_{rule.name}": violated(rule) & _takes_part() & F.col(f"_last_{rule.name}").isNotNull()
                for rule in of_group
            }
        )
        for rule in of_group:
            value = F.when(F.col(f"_fixed_{rule.name}"), F.col(f"_last_{rule.name}")).otherwise(F.col(str(rule.column)))
            rows = rows.withColumn(str(rule.column), value)
    return rows


def _takes_part() -> Column:
    return F.col("_torn").isNull() & F.col("known_at").isNotNull()
