"""The columns that rules may name: ours that are mapped, and the extras, each with its type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringmill.config.personal import check_personal
from ringmill.config.rules import NEEDED, NUMBER_TYPES, NUMBERS, OWN_MARKS, OWN_TYPES, Rule, check_type
from ringmill.errors import ConfigError

if TYPE_CHECKING:
    from ringmill.config.clean import Clean
    from ringmill.config.raw import Raw


def types_of(raw: Raw) -> dict[str, str]:
    """By column its Spark type, as the DDL has it."""
    own = {name: kind for name, kind in OWN_TYPES.items() if name in raw.columns or name == "known_at"}
    return own | {name: extra.type for name, extra in raw.extras.items()}


def check_columns(raw: Raw, clean: Clean) -> None:
    """Check that every column that the section `clean` names is there and of a type that fits.

    Raises:
        ConfigError: a rule or the key names a column that is neither mapped nor an extra (the nearest is given), or a
            check does not fit its column's type; a gate names a column or a rule that is not there; or what is said of
            personal data cannot be.
    """
    types = types_of(raw)
    for rule in clean.rules:
        _check_rule(rule, types, raw)
    for name in clean.key:
        if name not in raw.columns:
            raise ConfigError.unknown_column("clean.key", name, raw.columns)
    _check_gates(clean, types, raw)
    check_personal(clean, types)
    _check_unique(clean)
    if raw.batches == "files":
        _check_batches(clean)


def _check_gates(clean: Clean, types: dict[str, str], raw: Raw) -> None:
    unreadable = (f"unreadable_{name}" for name in (*NEEDED, *raw.extras))
    marks = {*(rule.name for rule in clean.rules), *OWN_MARKS, *unreadable}
    for place, gate in enumerate(clean.gates):
        if gate.column is not None and gate.column not in types and gate.column != "line_total":
            raise ConfigError.unknown_column(f"clean.gates.{place}.column", gate.column, types)
        if gate.rule is not None and gate.rule not in marks:
            key = f"clean.gates.{place}.rule"
            raise ConfigError.bad_value(key, key, f"one of {', '.join(sorted(marks))}", gate.rule)


def _check_unique(clean: Clean) -> None:
    """Values are compared as the table holds them: only a hash keeps apart what was apart."""
    blurred = {each.column for each in clean.personal if each.action != "hash"}
    for rule in clean.rules:
        if shared := sorted(blurred & set(rule.unique)):
            key = f"clean.rules.{rule.name}.unique"
            raise ConfigError.bad_value(key, key, "columns that clean.personal leaves or hashes", ", ".join(shared))


def _check_batches(clean: Clean) -> None:
    """What cannot be the same in whatever order batches come is refused by name."""
    for rule in clean.rules:
        if not rule.is_order_free:
            key = f"clean.rules.{rule.name}"
            expected = "a rule that does not depend on the order in which batches come, or raw.batches: whole"
            raise ConfigError.bad_value(key, key, expected, "fill: forward")
    if clean.personal and clean.personal_key is None:
        expected = "a key, by which lines of other batches are found again without their clear values"
        raise ConfigError.bad_value("clean.personal_key", "clean.personal_key", expected, None)


def _check_rule(rule: Rule, types: dict[str, str], raw: Raw) -> None:
    key = f"clean.rules.{rule.name}"
    named = {
        "column": [rule.column] if rule.column is not None else [],
        "group": list(rule.group),
        "unique": list(rule.unique),
    }
    for field, names in named.items():
        for name in names:
            if name not in types:
                raise ConfigError.unknown_column(f"{key}.{field}", name, types)
    if rule.column is None:
        return
    kind = types[rule.column]
    if rule.is_bound and kind not in NUMBER_TYPES:
        numbers = [*NUMBERS, *(name for name, extra in raw.extras.items() if extra.type in NUMBER_TYPES)]
        raise ConfigError.bad_value(key, f"{key}.column", f"a bound on one of {', '.join(numbers)}", rule.column)
    if rule.column in raw.extras:
        try:
            check_type(rule, kind)
        except ValueError as error:
            raise ConfigError.bad_value(key, key, str(error), f"{rule.column}, a {kind}") from error
