"""A line's own values → what cleaning says of them: fixes, reasons and flags; plain Python, nothing of the library."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html.entities import name2codepoint
from typing import Any

from clean.fuzz.conditions import Condition
from clean.fuzz.reading import IDS, NEEDED, read, read_id, trimmed
from ringmill.config.clean import Clean
from ringmill.config.raw import Raw
from ringmill.config.rules import Rule

ENTITY = re.compile(r"&(?:#([0-9]+)|#[xX]([0-9a-fA-F]+)|([A-Za-z0-9]+));")


class AmbiguousOrder(Exception):
    """Two different lines are ordered by nothing but their hash, which this reference cannot know."""


@dataclass
class Line:
    """A raw line: its cells by their names in the file, its file, and how it came to be there."""

    cells: dict[str, str | None]
    file: str
    torn: str | None = None
    repaired: bool = False


@dataclass(frozen=True)
class Setting:
    """What cleaning is told: the configuration, the statistics that were fitted, tables that rules refer to."""

    raw: Raw
    clean: Clean
    zone: str
    fitted: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    conditions: Mapping[str, Condition] = field(default_factory=dict)


@dataclass
class Judged:
    """A line with its values, and with the reasons and flags that they give."""

    line: Line
    cells: dict[str, str | None]
    values: dict[str, Any]
    unread: set[str]
    read: dict[str, Any]
    fixed: set[str] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)

    @property
    def is_unreadable(self) -> bool:
        return any(name == "torn_line" or name.startswith("unreadable_") for name in self.reasons)

    @property
    def content(self) -> tuple[Any, ...]:
        """What exact copies share."""
        return (self.line.torn, *sorted((name, text) for name, text in self.cells.items() if text is not None))


def judge(lines: Sequence[Line], setting: Setting) -> list[Judged]:
    """Lines → the same lines, in their order, with everything that their own values say (and, of forward fills, the
    values of lines known before)."""
    judged = []
    for line in lines:
        cells: dict[str, str | None] = dict.fromkeys(line.cells) if line.torn is not None else dict(line.cells)
        values, unread = read(cells, setting.raw, setting.zone)
        judged.append(Judged(line, cells, values, unread, dict(values)))
    rules = [rule for rule in setting.clean.rules if rule.action == "fix"]
    for each in judged:
        for rule in rules:
            if rule.fill != "forward" and each.line.torn is None:
                _fix(each, rule, setting)
    for group in dict.fromkeys(rule.group for rule in rules if rule.fill == "forward"):
        _fill_forward(judged, [rule for rule in rules if rule.fill == "forward" and rule.group == group])
    for each in judged:
        _derive(each, setting.clean)
        each.reasons, each.flags = list(_reasons(each, setting)), list(_flags(each, setting))
    return judged


def _fix(each: Judged, rule: Rule, setting: Setting) -> None:
    column = str(rule.column)
    value = each.values[column]
    if rule.text:
        better = stepped(value, rule)
        broken = value is not None and better != value
    else:
        better = _replacement(each, rule, setting)
        broken = better is not None and violates(each, rule, setting)
    if broken:
        each.values[column] = better
        each.fixed.add(rule.name)


def _replacement(each: Judged, rule: Rule, setting: Setting) -> Any:
    column = str(rule.column)
    value, is_double = each.values[column], column in doubles(setting.raw)
    if rule.constant is not None:
        return float(rule.constant) if is_double else rule.constant
    if rule.fill is not None:
        return fit_of(each, rule, setting)
    bounds = fit_of(each, rule, setting) if rule.outlier is not None else (rule.minimum, rule.maximum)
    if value is None or bounds is None:
        return value
    low, high = bounds
    if low is not None and value < low:
        value = float(low) if is_double else math.ceil(low)
    if high is not None and value > high:
        value = float(high) if is_double else math.floor(high)
    return value


def doubles(raw: Raw) -> set[str]:
    return {"unit_price"} | {name for name, extra in raw.extras.items() if extra.type == "double"}


def fit_of(each: Judged, rule: Rule, setting: Setting) -> Any:
    """The statistic of the line's group, by the values as they were read."""
    group = [each.read[name] for name in rule.group]
    return next((value for of, value in setting.fitted[rule.name]["groups"] if list(of) == group), None)


def _fill_forward(judged: Sequence[Judged], rules: Sequence[Rule]) -> None:
    taking = [each for each in judged if each.line.torn is None and each.values["known_at"] is not None]
    ordered = sorted(taking, key=order_of)
    check_order(ordered, group=lambda each: tuple(each.values[name] for name in rules[0].group))
    last: dict[tuple[Any, ...], Any] = {}
    for each in ordered:
        group = tuple(each.values[name] for name in rules[0].group)
        # Rules of one group see each other's columns as they were before.
        before = {rule.name: each.values[str(rule.column)] for rule in rules}
        for rule in rules:
            column, place = str(rule.column), (rule.name, *group)
            if before[rule.name] is not None:
                last[place] = before[rule.name]
            elif column not in each.unread and place in last:
                each.values[column] = last[place]
                each.fixed.add(rule.name)


def order_of(each: Judged) -> tuple[Any, ...]:
    """Known time, event time (a missing one first), file."""
    event = each.values["ordered_at"]
    return each.values["known_at"], event is not None, event or datetime.min, each.line.file


def check_order(ordered: Sequence[Judged], group: Any) -> None:
    """Refuse two neighbours of a group that differ only by their hash; copies are alike in whatever order."""
    last: dict[Any, Judged] = {}
    for each in ordered:
        before = last.get(group(each))
        if before and order_of(before) == order_of(each) and before.content != each.content:
            raise AmbiguousOrder
        last[group(each)] = each


def _derive(each: Judged, clean: Clean) -> None:
    values = each.values
    pieces, price, code = values["quantity"], values["unit_price"], values["product_id"]
    values["line_total"] = None if pieces is None or price is None else pieces * price
    codes = {name.strip().upper() for name in clean.non_products}
    pattern = clean.non_product_pattern
    is_other = code is not None and (code in codes or (pattern is not None and re.fullmatch(pattern, code)))
    values["is_product"] = not is_other


def _reasons(each: Judged, setting: Setting) -> Iterator[str]:
    clean, raw = setting.clean, setting.raw
    each.values["is_cancellation"] = setting.conditions["clean.cancellation"].of(each.values) is True
    if each.line.torn is not None:
        yield "torn_line"
        return
    for name in (*NEEDED, *raw.extras):
        if name in each.unread and (name in NEEDED or raw.extras[name].unreadable == "reject"):
            yield f"unreadable_{name}"
    for name in NEEDED:
        if each.values[name] is None and name not in each.unread and (name != "known_at" or "known_at" in raw.columns):
            yield f"missing_{name}"
    for rule in clean.rules:
        if rule.action == "reject" and not rule.unique and violates(each, rule, setting):
            yield rule.name


def _flags(each: Judged, setting: Setting) -> Iterator[str]:
    if each.line.torn is not None:
        return
    for rule in setting.clean.rules:
        if rule.action == "fix" and rule.name in each.fixed:
            yield rule.name
        if rule.action == "flag" and not rule.unique and violates(each, rule, setting):
            yield rule.name
    for name, extra in setting.raw.extras.items():
        if name in each.unread and extra.unreadable == "flag":
            yield f"unreadable_{name}"
    if not each.values["is_product"]:
        yield "non_product"
    if each.line.repaired:
        yield "repaired_encoding"
    known, event, days = each.values["known_at"], each.values["ordered_at"], setting.clean.late_after_days
    if days is not None and known is not None and event is not None and known - event > timedelta(days=days):
        yield "late_arrival"


def violates(each: Judged, rule: Rule, setting: Setting) -> bool:
    """Whether the line's values violate the rule; all but `required` and conditions hold for a missing value."""
    if rule.violated_when is not None:
        return setting.conditions[rule.name].of(each.values) is True
    value = each.values[str(rule.column)]
    if rule.required:
        return value is None and rule.column not in each.unread
    if value is None:
        return False
    if rule.pattern is not None:
        return re.fullmatch(rule.pattern, str(value)) is None
    if rule.allowed or rule.forbidden:
        listed = {name.strip().upper() for name in rule.allowed or rule.forbidden}
        return (str(value).upper() in listed) == bool(rule.forbidden)
    if rule.text:
        return stepped(value, rule) != value
    if rule.references is not None:
        return value.upper() not in set(_known(rule, setting))
    if rule.has_length:
        return not (rule.min_length or 0) <= len(value) <= (math.inf if rule.max_length is None else rule.max_length)
    bounds = fit_of(each, rule, setting) if rule.outlier is not None else (rule.minimum, rule.maximum)
    low, high = bounds or (None, None)
    return (low is not None and value < low) or (high is not None and value > high)


def _known(rule: Rule, setting: Setting) -> Iterator[str]:
    for text in setting.tables[rule.name]:
        if (word := trimmed(text)) is not None:
            yield (read_id(word) if rule.column in IDS else word).upper()


def stepped(text: str | None, rule: Rule) -> str | None:
    """The text after the rule's steps; None where nothing is left."""
    if text is None:
        return None
    for step in rule.text:
        match step:
            case "whitespace":
                text = _spaced(text)
            case "nfc" | "nfkc":
                text = unicodedata.normalize(step.upper(), text)  # type: ignore[arg-type]
            case "html":
                text = ENTITY.sub(_unescaped, text)
            case "lower":
                text = text.lower()
            case "upper":
                text = text.upper()
            case "punctuation":
                text = _spaced("".join(" " if unicodedata.category(sign)[0] == "P" else sign for sign in text))
            case "stop_words":
                dropped = {word.lower() for word in rule.stop_words}
                text = " ".join(word for word in text.split() if word.lower() not in dropped)
    return trimmed(text)


def _unescaped(entity: re.Match[str]) -> str:
    """HTML 4's names, which are told apart by case, and numbers."""
    decimal, hexadecimal, name = entity.groups()
    if name:
        return chr(name2codepoint[name]) if name in name2codepoint else entity[0]
    return chr(int(decimal) if decimal else int(hexadecimal, 16))


def _spaced(text: str) -> str:
    return " ".join(text.split())
