"""Statistics that rules need: fitted in one aggregate pass, kept as plain data, joined to rows as columns.

A rule's statistic is of its column's values as they were read, before any fix and before duplicates are found; a value
that is missing or cannot be read is not among them. A group is a combination of values of the rule's `group` columns,
where null is a value like any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from ringmill.config.clean import Clean
from ringmill.config.formats import NumberFormat
from ringmill.config.raw import Raw
from ringmill.config.rules import INSTANT_TYPES, INSTANTS, NUMBERS, OWN_TYPES, Outlier, Rule
from ringmill.errors import ConfigError

# A group is a row in the ledger's detail and in a broadcast table: this many are some megabytes.
MOST_GROUPS = 100_000
# Sums in another order differ behind so many digits.
DIGITS = 12
NOTHING: Mapping[str, Any] = {}


def reading_of(raw: Raw, zone: str) -> dict[str, Any]:
    """By column of ours what its values depend on as they are read from the files, as plain JSON values."""
    times = {"formats": raw.model_dump(mode="json", include={"timestamp_formats"})["timestamp_formats"], "zone": zone}
    numbers: dict[str, NumberFormat] = dict(raw.number_formats.items())
    found: dict[str, dict[str, Any]] = {str(name): {"column": column} for name, column in raw.columns.items()}
    for name in NUMBERS:
        found[name] |= {"number": numbers.get(name, NumberFormat()).model_dump(mode="json")}
    for name in set(INSTANTS) & set(found):
        found[name] |= times
    for name, extra in raw.extras.items():
        found[name] = extra.model_dump(mode="json", exclude={"unreadable"})
        if extra.type in INSTANT_TYPES:
            found[name] |= {"times": times}
    return found


def definition_of(rule: Rule, known_before: datetime | None, reading: Mapping[str, Any] = NOTHING) -> dict[str, Any]:
    """What a fitted value depends on, as plain JSON values: another definition has to be fitted anew.

    `reading` is that of `reading_of`: what was read otherwise gives other statistics.
    """
    until = known_before.isoformat() if known_before else None
    statistic = rule.outlier.model_dump(mode="json") if rule.outlier else rule.fill
    columns = [rule.column, *rule.group]
    if until is not None:
        columns.append("known_at" if "known_at" in reading else "ordered_at")
    read = {str(name): reading.get(str(name)) for name in columns}
    return {
        "column": rule.column,
        "statistic": statistic,
        "group": list(rule.group),
        "known_before": until,
        "read": read,
    }


def to_fit(
    clean: Clean, kept: Mapping[str, Any], known_before: datetime | None, reading: Mapping[str, Any] = NOTHING
) -> tuple[Rule, ...]:
    """The rules whose statistics are not kept, or not for what the rule says now; all of them for `clean.refit`."""
    return tuple(
        rule
        for rule in clean.rules
        if rule.is_fitted
        and (clean.refit or not _is_of(kept.get(rule.name, {}), definition_of(rule, known_before, reading)))
    )


def _is_of(state: Mapping[str, Any], definition: Mapping[str, Any]) -> bool:
    """Whether a kept statistic is the one defined; those of earlier releases do not say how their values were read."""
    known = state.get("definition", {})
    return bool(known == {name: value for name, value in definition.items() if name in known or name != "read"})


def of_nothing(fitted: Mapping[str, Any]) -> tuple[str, ...]:
    """The rules whose statistic is of no value at all: they leave every row as it is, until it can be fitted."""
    return tuple(name for name, state in fitted.items() if state.get("values") == 0)


def summarise_statistics(lines: DataFrame, rules: Sequence[Rule], known_before: datetime | None) -> DataFrame:
    """One row per group of each set of group columns, and one for all lines; in one pass and at most one shuffle.

    Columns out: `_set`, the place of the rule's group columns among those of all rules (0: all lines); `_group`, the
    group's values as texts; per rule its statistic, null in the rows of other sets, and `_values_NAME`, how many values
    that is of.
    """
    if known_before is not None:
        lines = lines.where(F.col("known_at") < F.lit(known_before))
    sets = _sets(rules)
    places = {group: place for place, group in enumerate(sets)}
    if len(sets) == 1:
        group = F.array().cast("array<string>")
        each = lines.select("*", F.lit(0).alias("_set"), group.alias("_group"))
        return each.groupBy("_set", "_group").agg(*_aggregates((rule, F.col(str(rule.column))) for rule in rules))
    # Each line once per set, so that one scan and one shuffle serve them all.
    of = [F.struct(F.lit(place).alias("_set"), _group(group).alias("_group")) for group, place in places.items()]
    needed = sorted({str(rule.column) for rule in rules})
    each = lines.select(*needed, F.explode(F.array(*of)).alias("_of")).select(*needed, "_of.*")
    values = ((rule, F.when(F.col("_set") == places[rule.group], F.col(str(rule.column)))) for rule in rules)
    return each.groupBy("_set", "_group").agg(*_aggregates(values))


def fitted_of(
    found: Sequence[Row],
    rules: Sequence[Rule],
    known_before: datetime | None,
    *,
    types: Mapping[str, str] = OWN_TYPES,
    reading: Mapping[str, Any] = NOTHING,
) -> dict[str, Any]:
    """Collected rows of `summarise_statistics` → by rule its definition, its groups' values and how many values those
    are of, as plain JSON values.

    `types` holds the columns' types, of which extras have their own; `reading` is that of `reading_of`.

    Raises:
        ConfigError: a rule has too many groups to keep.
    """
    sets = _sets(rules)
    fitted = {}
    for rule in rules:
        of_rule = [row for row in found if row["_set"] == sets.index(rule.group)]
        if len(of_rule) > MOST_GROUPS:
            key = f"clean.rules.{rule.name}.group"
            raise ConfigError.bad_value(key, key, f"at most {MOST_GROUPS:,} groups", f"{len(of_rule):,} groups")
        groups = [[list(row["_group"]), _plain(rule, row[rule.name], types[str(rule.column)])] for row in of_rule]
        fitted[rule.name] = {
            "definition": definition_of(rule, known_before, reading),
            "groups": sorted(groups, key=repr),
            "values": sum(row[f"_values_{rule.name}"] for row in of_rule),
        }
    return fitted


def with_statistics(rows: DataFrame, rules: Iterable[Rule], fitted: Mapping[str, Any]) -> DataFrame:
    """Add `_fit_NAME` for each rule that needs a statistic; null where its group has none.

    A statistic of all lines is a constant in the plan; all rules with the same group columns share one broadcast join.
    """
    needed = [rule for rule in rules if rule.is_fitted]
    kinds = dict(rows.dtypes)
    for group in _sets(needed):
        of_group = [rule for rule in needed if rule.group == group]
        values = {rule.name: _by_group(fitted[rule.name]["groups"]) for rule in of_group}
        if not group:
            rows = rows.withColumns(
                {f"_fit_{rule.name}": _constant(values[rule.name].get(()), _type(rule, kinds)) for rule in of_group}
            )
            continue
        keys = sorted({of for by_group in values.values() for of in by_group}, key=repr)
        schema = ", ".join(["_group array<string>", *(f"_fit_{rule.name} {_type(rule, kinds)}" for rule in of_group)])
        table = [(list(of), *(values[rule.name].get(of) for rule in of_group)) for of in keys]
        kept = F.broadcast(rows.sparkSession.createDataFrame(table, schema))
        rows = rows.withColumn("_group", _group(group)).join(kept, "_group", "left").drop("_group")
    return rows


def _sets(rules: Iterable[Rule]) -> list[tuple[Any, ...]]:
    """The distinct sets of group columns; the first is the empty one, all lines."""
    return list(dict.fromkeys([(), *(rule.group for rule in rules)]))


def _group(columns: Sequence[str]) -> Column:
    return F.array(*(F.col(name).cast("string") for name in columns)).cast("array<string>")


def _type(rule: Rule, kinds: Mapping[str, str]) -> str:
    return "array<double>" if rule.outlier is not None else kinds[str(rule.column)]


def _by_group(groups: Sequence[Any]) -> dict[tuple[str | None, ...], Any]:
    """By group its value; bounds of pieces as doubles too, as the column has them."""
    return {tuple(of): list(map(float, value)) if isinstance(value, list) else value for of, value in groups}


def _constant(value: Any, kind: str) -> Column:
    column = F.array(*map(F.lit, value)) if isinstance(value, list) else F.lit(value)
    return column.cast(kind)


def _aggregates(values: Iterable[tuple[Rule, Column]]) -> Iterator[Column]:
    for rule, value in values:
        yield _statistic(rule, value)
        yield F.count(value).alias(f"_values_{rule.name}")


def _statistic(rule: Rule, value: Column) -> Column:
    """An aggregate; for an outlier the two figures that its bounds are made of.

    Ties of the mode go to the lowest value. Quantiles are exact: prices and pieces repeat often, and Spark holds each
    distinct value once.
    """
    if rule.outlier is not None:
        return _of_bounds(rule.outlier, value).alias(rule.name)
    match rule.fill:
        case "mean":
            aggregate = F.avg(value)
        case "median":
            aggregate = F.percentile(value, F.lit(0.5))
        case _:
            aggregate = F.mode(value, deterministic=True)
    return aggregate.alias(rule.name)


def _of_bounds(outlier: Outlier, value: Column) -> Column:
    if outlier.by == "zscore":
        return F.array(F.avg(value), F.stddev_pop(value))
    return F.percentile(value, F.array(*(F.lit(share) for share in _shares(outlier))))


def _shares(outlier: Outlier) -> tuple[float, float]:
    return (0.25, 0.75) if outlier.by == "iqr" else (outlier.low, outlier.high)


def _plain(rule: Rule, value: Any, kind: str) -> Any:
    """Whole numbers where the column has them, halves up; prices to four decimals, as money is summed; others to the
    twelve digits that do not depend on the order of summing; an outlier's bounds, or None.
    """
    if rule.outlier is not None:
        return _bounds(rule.outlier, value, kind)
    if value is None or isinstance(value, str):
        return value
    if kind == "bigint":
        return math.floor(value + 0.5)
    return round(value, 4) if rule.column == "unit_price" else float(f"{value:.{DIGITS}g}")


def _bounds(outlier: Outlier, figures: Sequence[float | None] | None, kind: str) -> list[float] | None:
    one, other = figures or (None, None)
    if one is None or other is None:
        return None
    spread = other if outlier.by == "zscore" else other - one
    # The deviation of equal values is 0, or what is left of summing them in some order.
    if spread <= (abs(one) * 10**-DIGITS if outlier.by == "zscore" else 0):
        return None
    if outlier.by == "zscore":
        reach = (3.0 if outlier.factor is None else outlier.factor) * spread
        low, high = _steady(one, -reach), _steady(one, reach)
    else:
        # Quantiles depend on no order, and rounded ones would leave the values out that they are.
        reach = (1.5 if outlier.factor is None else outlier.factor) * spread if outlier.by == "iqr" else 0.0
        low, high = one - reach, other + reach
    # Between two whole numbers a bound would make each of them an outlier, or be no value to clip to.
    return [math.floor(low), math.ceil(high)] if kind == "bigint" else [low, high]


def _steady(mean: float, reach: float) -> float:
    """Their sum to those digits of the larger that no order of summing changes: what lies on a bound is inside in every
    partitioning."""
    return round(mean + reach, DIGITS - 1 - math.floor(math.log10(max(abs(mean), abs(reach)))))
