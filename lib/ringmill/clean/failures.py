"""What Spark says of a rule that fails only when it runs → an error that names the rule (law 10)."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.errors import PySparkException
from pyspark.errors.exceptions.base import QueryContextType
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from ringmill.config.clean import Clean
from ringmill.config.raw import Raw
from ringmill.errors import ConfigError


def check_patterns(spark: SparkSession, raw: Raw, clean: Clean) -> None:
    """Compile every regular expression and date format, by one job over one row of nothing; the input is not read.

    Raises:
        ConfigError: one cannot be used; the message names its key.
    """
    tried = list(_patterns(raw, clean))
    # One job for all of them; which one is wrong matters only if one is.
    if tried and _problem(spark, [column for _, _, column in tried]) is not None:
        for key, text, column in tried:
            if (problem := _problem(spark, [column])) is not None:
                expected = "a Java date format" if key.endswith("formats") else "a Java regular expression"
                raise ConfigError.bad_value(key, key, expected, f"{text} ({problem})")


def _patterns(raw: Raw, clean: Clean) -> Iterator[tuple[str, str, Column]]:
    for rule in clean.rules:
        if rule.pattern is not None:
            yield f"clean.rules.{rule.name}.pattern", rule.pattern, F.lit("").rlike(f"^(?:{rule.pattern})$")
    if (codes := clean.non_product_pattern) is not None:
        yield "clean.non_product_pattern", codes, F.lit("").rlike(f"^(?:{codes})$")
    formats = {"raw.timestamp_formats": raw.timestamp_formats} | {
        f"raw.extras.{name}.formats": extra.formats for name, extra in raw.extras.items()
    }
    for key, forms in formats.items():
        for form in forms:
            letters = form if isinstance(form, str) else form.format
            yield key, letters, F.try_to_timestamp(F.lit("?"), F.lit(letters))


def _problem(spark: SparkSession, columns: list[Column]) -> str | None:
    try:
        spark.sql("SELECT 1").select(*columns).collect()
    except PySparkException as error:
        return first_line(error)
    return None


def blamed(error: PySparkException, clean: Clean) -> ConfigError | None:
    """The error of the condition that Spark could not evaluate on some row; None where it is none of them.

    Spark's sentence may show the value, so it is left out where values are personal.
    """
    problem = str(error.getCondition()) if clean.personal else first_line(error)
    conditions = {"clean.cancellation": clean.cancellation} | {
        f"clean.rules.{rule.name}.violated_when": rule.violated_when for rule in clean.rules if rule.violated_when
    }
    for fragment in _fragments(error):
        for key, text in conditions.items():
            if fragment in text:
                expected = "a condition that can be evaluated on every row (try_divide, try_cast … give null instead)"
                return ConfigError.bad_value(key, key, expected, f"{text} ({problem})")
    return None


def _fragments(error: PySparkException) -> Iterator[str]:
    """The parts of SQL texts that an error points at, longest first: the whole condition is the surest."""
    contexts = [context for context in error.getQueryContext() if context.contextType() == QueryContextType.SQL]
    yield from sorted((context.fragment() for context in contexts), key=len, reverse=True)


def first_line(error: PySparkException) -> str:
    """Spark's own sentence, without its error class and state."""
    line = str(error).splitlines()[0].partition("] ")[2] or str(error).splitlines()[0]
    return line.partition(" SQLSTATE")[0]
