"""Conditions of a small family: each as Spark SQL, and as a function of a row's values with SQL's three truths."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Truth = bool | None
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "<>": operator.ne,
}


@dataclass(frozen=True)
class Condition:
    """The same condition twice: as text for Spark, and as a function of values by column."""

    sql: str
    of: Callable[[Mapping[str, Any]], Truth]


def compared(column: str, sign: str, constant: float | str) -> Condition:
    written = repr(constant) if isinstance(constant, str) else str(constant)
    return Condition(f"{column} {sign} {written}", lambda row: _with(sign, row[column], constant))


def paired(column: str, sign: str, other: str) -> Condition:
    return Condition(f"{column} {sign} {other}", lambda row: _with(sign, row[column], row[other]))


def missing(column: str) -> Condition:
    return Condition(f"{column} IS NULL", lambda row: row[column] is None)


def truth(column: str) -> Condition:
    return Condition(column, lambda row: row[column])


def begins(column: str, start: str) -> Condition:
    return Condition(
        f"{column} LIKE '{start}%'", lambda row: None if row[column] is None else row[column].startswith(start)
    )


def among(column: str, values: Sequence[str]) -> Condition:
    listed = ", ".join(map(repr, values))
    return Condition(f"{column} IN ({listed})", lambda row: None if row[column] is None else row[column] in values)


def negated(one: Condition) -> Condition:
    return Condition(f"NOT ({one.sql})", lambda row: None if (found := one.of(row)) is None else not found)


def both(one: Condition, other: Condition) -> Condition:
    def of(row: Mapping[str, Any]) -> Truth:
        found = (one.of(row), other.of(row))
        return False if False in found else None if None in found else True

    return Condition(f"({one.sql}) AND ({other.sql})", of)


def either(one: Condition, other: Condition) -> Condition:
    def of(row: Mapping[str, Any]) -> Truth:
        found = (one.of(row), other.of(row))
        return True if True in found else None if None in found else False

    return Condition(f"({one.sql}) OR ({other.sql})", of)


def some_condition(rng: random.Random, types: Mapping[str, str], depth: int = 2) -> Condition:
    """A random condition over columns of these Spark types."""
    if depth and rng.random() < 0.5:
        one, other = (some_condition(rng, types, depth - 1) for _ in range(2))
        return rng.choice([both(one, other), either(one, other), negated(one)])
    column = rng.choice(sorted(types))
    if rng.random() < 0.15:
        return missing(column)
    sign = rng.choice(sorted(COMPARISONS))
    match types[column]:
        case "bigint":
            return compared(column, sign, rng.choice([0, 1, 2, 3, 2.5]))
        case "double":
            return compared(column, sign, rng.choice([0, 1.5, 2, 100]))
        case "boolean":
            return truth(column)
        case "timestamp":
            return paired("known_at", sign, "ordered_at")
        case "date":
            return missing(column)
    return rng.choice([begins(column, "C"), among(column, ("A", "1", "7")), compared(column, sign, "B")])


def _with(sign: str, one: Any, other: Any) -> Truth:
    return None if one is None or other is None else COMPARISONS[sign](one, other)
