"""Rules of the configuration → columns that are true where a row violates the rule."""

from __future__ import annotations

import re
from functools import reduce
from typing import Any

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.clean.parse import TEXTS
from ringmill.clean.references import unknown
from ringmill.clean.texts import normalised
from ringmill.config.clean import Clean
from ringmill.config.rules import Rule
from ringmill.errors import ConfigError

# Texts that Spark takes for the present time where it makes a time of them; behind a type's name, when it is parsed.
_NOW = re.compile(r"\s*(now|today|tomorrow|yesterday)\s*", re.IGNORECASE)
_TYPED_NOW = re.compile(rf"""\b(date|timestamp\w*)\s*(['"]){_NOW.pattern}\2""", re.IGNORECASE)


def violated(rule: Rule) -> Column:
    """True where the row violates the rule; never null.

    A value that was there and could not be read is not missing: it has a reason of its own.
    """
    if rule.violated_when is not None:
        return _true(F.expr(rule.violated_when))
    value = F.col(str(rule.column))
    if rule.required:
        return value.isNull() if rule.column in TEXTS else value.isNull() & ~F.col(f"_unreadable_{rule.column}")
    if rule.pattern is not None:
        return _true(~value.rlike(f"^(?:{rule.pattern})$"))
    if rule.allowed:
        return _true(~F.upper(value).isin(*_upper(rule.allowed)))
    if rule.forbidden:
        return _true(F.upper(value).isin(*_upper(rule.forbidden)))
    if rule.text:
        return value.isNotNull() & ~value.eqNullSafe(normalised(rule))
    if rule.references is not None:
        return unknown(rule)
    if rule.has_length:
        short = F.char_length(value) < rule.min_length if rule.min_length is not None else F.lit(False)
        long = F.char_length(value) > rule.max_length if rule.max_length is not None else F.lit(False)
        return _true(short | long)
    if rule.outlier is not None:
        bounds = F.col(f"_fit_{rule.name}")
        return _true((value < bounds[0]) | (value > bounds[1]))
    below = value < rule.minimum if rule.minimum is not None else F.lit(False)
    above = value > rule.maximum if rule.maximum is not None else F.lit(False)
    return _true(below | above)


def is_product(clean: Clean) -> Column:
    """False for the codes that are no products; true where there is no code."""
    code = F.col("product_id")
    checks = []
    if clean.non_products:
        checks.append(code.isin(*_upper(clean.non_products)))
    if clean.non_product_pattern is not None:
        checks.append(code.rlike(f"^(?:{clean.non_product_pattern})$"))
    return ~_true(reduce(lambda one, other: one | other, checks, F.lit(False)))


def with_cancellation(rows: DataFrame, clean: Clean) -> DataFrame:
    """Add `is_cancellation`: true on a line that takes back an earlier one, false where that cannot be told.

    Raises:
        ConfigError: the expression cannot be used.
    """
    _check_condition(rows, "clean.cancellation", clean.cancellation)
    return rows.withColumn("is_cancellation", _true(F.expr(clean.cancellation)))


def check_conditions(rows: DataFrame, clean: Clean) -> None:
    """Resolve every expression against the typed columns; no job runs.

    Raises:
        ConfigError: an expression cannot be parsed, names a column that is not there, is no condition, or hangs on more
            than the values of its row: on other rows, another table, chance or the present time.
    """
    for rule in clean.rules:
        if rule.violated_when is not None:
            _check_condition(rows, f"clean.rules.{rule.name}.violated_when", rule.violated_when)


def _check_condition(rows: DataFrame, key: str, text: str) -> None:
    try:
        resolved = rows.select(F.expr(text).alias("condition"))
        kind = resolved.schema["condition"].dataType.simpleString()
    except (ParseException, AnalysisException) as error:
        # Spark's own suggestions name columns that only exist inside the stage.
        problem = re.split(r" SQLSTATE| Did you mean", str(error).splitlines()[0].partition("] ")[2] or str(error))[0]
        raise ConfigError.bad_value(key, key, _condition(rows), f"{text} ({problem})") from error
    if kind not in ("boolean", "void"):
        raise ConfigError.bad_value(key, key, _condition(rows), f"{text} (a {kind})")
    if (beyond := _beyond_the_row(resolved, rows, text)) is not None:
        raise ConfigError.beyond_the_row(key, text, beyond)


def _beyond_the_row(resolved: DataFrame, rows: DataFrame, text: str) -> str | None:
    """What the condition uses besides the values of its row, in words; None where it uses nothing else.

    Such a condition would hold or not by the batch that a row came in, or by the run that judged it.
    """
    plan = resolved._jdf.queryExecution().analyzed()
    # Windows, aggregates and generators are taken out of the projection when it is resolved.
    if plan.nodeName() != "Project" or not plan.children().apply(0).equals(rows._jdf.queryExecution().analyzed()):
        return "it looks at other rows, or makes rows"
    condition, jvm = plan.expressions().apply(0), rows.sparkSession._jvm
    patterns = jvm.org.apache.spark.sql.catalyst.trees.TreePattern  # type: ignore[union-attr]
    if condition.containsPattern(patterns.PLAN_EXPRESSION()):
        return "it looks at another table"
    # Functions that are written in terms of others, as to_timestamp is of a cast.
    plain = jvm.org.apache.spark.sql.catalyst.optimizer.ReplaceExpressions.apply(plan)  # type: ignore[union-attr]
    makes_now = _TYPED_NOW.search(text) or _makes_now(plain.expressions().apply(0))
    if condition.containsPattern(patterns.CURRENT_LIKE()) or makes_now:
        return "it is another one at another time, or for another user"
    return None if condition.deterministic() else "it may be another one each time it is asked"


def _makes_now(expression: Any, *, of_time: bool = False) -> bool:
    """Whether a time is made of a text that means the present one; `of_time`: it is part of what becomes a time.

    Spark takes such words for times where all of the text is known before it looks at a row.
    """
    name = expression.nodeName()
    if name == "Literal":
        return of_time and _NOW.fullmatch(str(expression.value())) is not None
    if name == "Cast":
        to_time = expression.dataType().typeName() in ("date", "timestamp", "timestamp_ntz")
        of_time = of_time or (to_time and expression.child().foldable())
    children = expression.children()
    return any(_makes_now(children.apply(place), of_time=of_time) for place in range(children.size()))


def _condition(rows: DataFrame) -> str:
    return "a condition in Spark SQL over " + ", ".join(name for name in rows.columns if not name.startswith("_"))


def _true(condition: Column) -> Column:
    return F.coalesce(condition, F.lit(False))


def _upper(values: tuple[str, ...]) -> list[str]:
    return [value.strip().upper() for value in values]
