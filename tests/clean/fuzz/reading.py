"""Texts → values in plain Python, as the documentation of cleaning has it; nothing of the library's code is used.

A text is None where the file has no value. A reader gives None for what cannot be read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from ringmill.config.extras import Extra
from ringmill.config.formats import NumberFormat, TimestampFormat
from ringmill.config.raw import Raw

TEXTS = ("line_id", "order_id", "product_id", "description", "customer_id", "country")
IDS = ("line_id", "order_id", "product_id", "customer_id")
NEEDED = ("quantity", "unit_price", "ordered_at", "known_at")
BLANKS = "\t\n\v\f\r\x85" + "".join(filter(lambda sign: unicodedata.category(sign)[0] == "Z", map(chr, range(0x3001))))
SPACES = " \u00a0\u202f"
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
FIELDS = {"yyyy": r"(?P<year>\d{4})", "MM": r"(?P<month>\d\d)", "dd": r"(?P<day>\d\d)", "HH": r"(?P<hour>\d\d)"} | {
    "mm": r"(?P<minute>\d\d)",
    "ss": r"(?P<second>\d\d)",
    "XXX": r"(?P<offset>Z|[+-]\d\d:\d\d)",
}
PART = re.compile(r"'([^']*)'|(yyyy|MM|dd|HH|mm|ss|XXX)|(.)")
AS_READ = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d{1,6})?(Z?)")


def trimmed(text: str | None) -> str | None:
    """Without white space at the ends; None where nothing is left."""
    return (text or "").strip(BLANKS) or None


def read_id(text: str) -> str:
    head, _, tail = text.partition(".")
    return head if tail == "0" and head.isascii() and head.isdigit() else text


def read_whole(text: str) -> int | None:
    if not NUMBER.fullmatch(text):
        return None
    amount = Decimal(text)
    return int(amount) if amount == amount.to_integral_value() and -(2**63) <= amount < 2**63 else None


def read_number(text: str) -> float | None:
    return float(text) if NUMBER.fullmatch(text) and abs(Decimal(text)) < Decimal(10) ** 20 else None


def plain_number(text: str, form: NumberFormat) -> str | None:
    """'€ -1.234,5' → '-1234.5', sign by sign; None for what the format does not write."""
    minus, rest = _sign(text)
    for currency in sorted(form.currency, key=len, reverse=True):
        if rest.startswith(currency):
            second, rest = _sign(rest[len(currency) :].lstrip(SPACES))
            if minus and second:
                return None
            minus = minus or second
            break
    for currency in sorted(form.currency, key=len, reverse=True):
        if rest.endswith(currency):
            rest = rest[: -len(currency)].rstrip(SPACES)
            break
    whole, point, part = rest.partition(form.decimal)
    if point and not _digits(part):
        return None
    separators = SPACES if form.thousands == " " else form.thousands
    first, *groups = re.split(f"[{re.escape(separators)}]", whole) if separators else [whole]
    if not _digits(first) or any(not _digits(group) or len(group) != 3 for group in groups):
        return None
    if groups and len(first) > 3:
        return None
    return f"{minus}{first}{''.join(groups)}{'.' if point else ''}{part}"


def _sign(text: str) -> tuple[str, str]:
    return (text[0], text[1:]) if text[:1] in ("+", "-") else ("", text)


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def read_instant(text: str, formats: Sequence[str | TimestampFormat], zone: str) -> datetime | None:
    """A naive UTC datetime by the first format that fits; what a typed reader writes is always read."""
    for form in formats:
        letters, of = (form, zone) if isinstance(form, str) else (form.format, form.zone)
        if (found := by_format(text, letters, of)) is not None:
            return found
    match = AS_READ.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        return None
    try:
        local = datetime.fromisoformat(match[1])
    except ValueError:
        return None
    local += timedelta(microseconds=int((match[2] or ".0")[1:].ljust(6, "0")))
    return local if match[3] else _to_utc(local, zone)


def by_format(text: str, letters: str, zone: str) -> datetime | None:
    pieces = [FIELDS[field] if field else re.escape(quoted or other) for quoted, field, other in PART.findall(letters)]
    match = re.fullmatch("".join(pieces), text, re.ASCII)
    if match is None:
        return None
    found = match.groupdict()
    numbers = [int(found.get(name, default)) for name, default in zip(_NAMES, (1970, 1, 1, 0, 0, 0), strict=True)]
    try:
        local = datetime(*numbers)  # type: ignore[arg-type]
    except ValueError:
        return None
    offset = found.get("offset")
    if offset is None:
        return _to_utc(local, zone)
    hours, minutes = ("00", "00") if offset == "Z" else offset[1:].split(":")
    ahead = timedelta(hours=int(hours), minutes=int(minutes))
    return local + ahead if offset[0] == "-" else local - ahead


_NAMES = ("year", "month", "day", "hour", "minute", "second")


def _to_utc(local: datetime, zone: str) -> datetime:
    """A skipped time moves forward by the gap, one that occurs twice is its first occurrence."""
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC).replace(tzinfo=None)


def read_extra(text: str, extra: Extra, raw: Raw, zone: str) -> Any:
    def number(read: Callable[[str], Any]) -> Any:
        plain = text if extra.number is None else plain_number(text, extra.number)
        return None if plain is None else read(plain)

    match extra.type:
        case "boolean":
            words = {
                word.strip().upper(): truth for truth in (True, False) for word in (extra.false, extra.true)[truth]
            }
            return words.get(text.upper())
        case "bigint":
            return number(read_whole)
        case "double":
            return number(read_number)
        case "timestamp":
            return read_instant(text, extra.formats or raw.timestamp_formats, zone)
        case "date":
            forms = [form for form in extra.formats or ("yyyy-MM-dd",) if isinstance(form, str)]
            days = [found.date() for form in forms if (found := by_format(text, form, "UTC")) is not None]
            return _first(days)
    return text


def _first(days: Sequence[date]) -> date | None:
    return days[0] if days else None


def read(cells: Mapping[str, str | None], raw: Raw, zone: str) -> tuple[dict[str, Any], set[str]]:
    """A line's cells by their names in the file → values by our names, and the names of what cannot be read."""
    texts = {ours: trimmed(cells.get(theirs)) for ours, theirs in raw.mapped.items()}
    values: dict[str, Any] = dict.fromkeys((*TEXTS, *NEEDED, *raw.extras))
    for name, text in texts.items():
        if text is not None:
            values[name] = _value(name, text, raw, zone)
    unread = {name for name, text in texts.items() if text is not None and values[name] is None}
    if "known_at" not in texts:
        values["known_at"] = values["ordered_at"]
    return values, unread


def _value(name: str, text: str, raw: Raw, zone: str) -> Any:
    if name in raw.extras:
        return read_extra(text, raw.extras[name], raw, zone)
    if name in ("ordered_at", "known_at"):
        return read_instant(text, raw.timestamp_formats, zone)
    if name in ("quantity", "unit_price"):
        form = raw.number_formats.get(name)
        plain = text if form is None else plain_number(text, form)
        if plain is None:
            return None
        return read_whole(plain) if name == "quantity" else read_number(plain)
    text = read_id(text) if name in IDS else text
    return text.upper() if name == "product_id" else text
