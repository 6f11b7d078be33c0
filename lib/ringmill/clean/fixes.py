"""Rules with action 'fix': the value that a violating row gets instead."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.clean.forward import with_forward_fills
from ringmill.clean.rules import violated
from ringmill.clean.texts import normalised
from ringmill.config.rules import Rule


def fixing(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules that change values, in their order."""
    return tuple(rule for rule in rules if rule.action == "fix")


def with_fixes(rows: DataFrame, rules: Iterable[Rule]) -> DataFrame:
    """Replace values that violate fixing rules, one rule after the other, forward fills after all others; add
    `_fixed_NAME` for each, never null.

    A rule without a replacement for a row (a group that has no value) leaves the value, and is not marked. Nothing is
    fixed in a line that could not be parsed. Needs the columns of `with_statistics`.
    """
    fixes = fixing(rules)
    for rule in fixes:
        if rule.fill == "forward":
            continue
        if rule.text:
            # Staged, so that the steps are taken once a row, not in the check and in the fix.
            rows = rows.withColumn(f"_text_of_{rule.name}", normalised(rule))
            better = F.col(f"_text_of_{rule.name}")
            broken = F.col(str(rule.column)).isNotNull() & ~better.eqNullSafe(F.col(str(rule.column)))
        else:
            better = replacement(rule, dict(rows.dtypes)[str(rule.column)])
            broken = violated(rule) & better.isNotNull()
        rows = rows.withColumn(f"_fixed_{rule.name}", broken & F.col("_torn").isNull())
        value = F.when(F.col(f"_fixed_{rule.name}"), better).otherwise(F.col(str(rule.column)))
        rows = rows.withColumn(str(rule.column), value)
    return with_forward_fills(rows, fixes)


def replacement(rule: Rule, kind: str) -> Column:
    """What a violating row gets in its column of type `kind`: the constant, the fitted statistic, or the bound that is
    nearer to the value.
    """
    value = F.col(str(rule.column))
    if rule.constant is not None:
        return F.lit(rule.constant).cast(kind)
    if rule.fill is not None:
        return F.col(f"_fit_{rule.name}")
    if rule.outlier is not None:
        bounds = F.col(f"_fit_{rule.name}")
        low, high = (bounds[place].cast(kind) for place in (0, 1))
        return _clipped(value, low, high)
    return _clipped(value, *(None if bound is None else F.lit(bound) for bound in _bounds(rule, kind)))


def _bounds(rule: Rule, kind: str) -> tuple[float | None, float | None]:
    """Of whole numbers: a bound between two means the one inside it."""
    if kind != "bigint":
        return rule.minimum, rule.maximum
    low = None if rule.minimum is None else math.ceil(rule.minimum)
    return low, None if rule.maximum is None else math.floor(rule.maximum)


def _clipped(value: Column, low: Column | None, high: Column | None) -> Column:
    # greatest and least pass over nulls, and a null is not to become a bound.
    if low is not None:
        value = F.when(value < low, low).otherwise(value)
    return value if high is None else F.when(value > high, high).otherwise(value)
