"""Text → typed values. A value that is there but cannot be read is null here and true in its `unreadable` column."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from ringmill.config.extras import Extra
from ringmill.config.formats import NumberFormat, TimestampFormat, has_offset
from ringmill.config.raw import Raw
from ringmill.config.rules import NUMBERS

Formats = tuple[str | TimestampFormat, ...]
TEXTS = ("line_id", "order_id", "product_id", "description", "customer_id", "country")
IDS = ("line_id", "order_id", "product_id", "customer_id")
# Unicode's property White_Space.
WHITE_SPACE = "\t\n\v\f\r \x85\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
# What the reader makes of typed timestamps: fractions of a second, and 'Z' behind an instant. No format is tried on
# them, nor are these on other texts: a format that does not fit costs an exception inside Spark.
WRITTEN_BY_READER = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?$"


def trimmed(text: Column) -> Column:
    """Text without white space at its ends, whichever of Unicode's; null where nothing is left."""
    last = F.substring(text, -1, 1)
    # With characters of its own to trim, Spark looks at the whole text: only what does not begin and end with a visible
    # sign of ASCII is worth that. On nearly every cell, three comparisons cost a third of it.
    either = (text < "!") | (text > "~") | (last < "!") | (last > "~")
    return F.nullif(F.when(either, F.trim(text, F.lit(WHITE_SPACE))).otherwise(text), F.lit(""))


def read_id(text: Column) -> Column:
    """An id as text. '13069.0' is 13069: pandas writes so what it holds as a double because one id is missing."""
    return F.when(text.endswith(".0"), F.regexp_replace(text, r"^(\d+)\.0$", "$1")).otherwise(text)


def read_text(name: str, text: Column) -> Column:
    """A trimmed text as the value of column `name`: ids normalised, product codes in upper case."""
    if name == "product_id":
        return F.upper(read_id(text))
    return read_id(text) if name in IDS else text


def read_quantity(text: Column) -> Column:
    """Whole pieces; '6.0' is 6, and '6.5' cannot be read."""
    # What a decimal has no place for is rounded away: with six decimals 6.0000001 would be 6.
    amount = text.try_cast("decimal(38,18)")
    whole = F.when(amount == F.floor(amount), amount.try_cast("bigint"))
    return F.coalesce(text.try_cast("bigint"), whole)


def read_price(text: Column) -> Column:
    """A finite decimal number. Java's doubles also know 'NaN', 'Infinity' and '1d', which are no prices."""
    return F.when(text.try_cast("decimal(38,18)").isNotNull(), text.try_cast("double"))


def plain_number(text: Column, form: NumberFormat) -> Column:
    """A number as `form` writes it → digits with a decimal point; null for anything else.

    One sign may stand before the number, or before or behind a currency sign in front of it.
    """
    between = re.escape(form.thousands) if form.thousands.strip() else r"[ \u00a0\u202f]"
    whole = rf"(?:\d{{1,3}}(?:{between}\d{{3}})+|\d+)" if form.thousands else r"\d+"
    number = rf"{whole}(?:{re.escape(form.decimal)}\d+)?"
    signs = "|".join(map(re.escape, sorted(form.currency, key=len, reverse=True)))
    sign = rf"(?:(?:{signs})[ \u00a0\u202f]*)?" if signs else ""
    behind = rf"(?:[ \u00a0\u202f]*(?:{signs}))?" if signs else ""
    written = rf"^([+-]?){sign}([+-]?)({number}){behind}$"
    parts = (F.regexp_extract(text, written, place) for place in (1, 2, 3))
    digits = F.translate(F.concat(*parts), form.decimal + "'., \u00a0\u202f".replace(form.decimal, ""), ".")
    return F.when(text.rlike(written), digits)


def read_instant(text: Column, formats: Formats, zone: str) -> Column:
    """A UTC instant by the first format that fits; local time in `zone`, or the format's own, unless the
    format has an offset.

    A local time that is skipped moves forward by the gap, one that occurs twice means its first occurrence
    (see `ringmill.windows`). Needs a session whose time zone is UTC.
    """
    instant = F.when(text.endswith("Z"), F.when(F.rtrim(text, F.lit("Z")).rlike(WRITTEN_BY_READER), text))
    local = F.when(text.contains("."), F.when(text.rlike(WRITTEN_BY_READER), text))
    return F.coalesce(
        *(_by_format(text, form, zone) for form in formats),
        instant.try_cast("timestamp"),
        F.to_utc_timestamp(local.try_cast("timestamp"), zone),
    )


def _by_format(text: Column, form: str | TimestampFormat, zone: str) -> Column:
    letters, zone = (form, zone) if isinstance(form, str) else (form.format, form.zone)
    parsed = F.try_to_timestamp(text, F.lit(letters))
    return parsed if has_offset(letters) else F.to_utc_timestamp(parsed, zone)


def typed(texts: Mapping[str, Column], *, raw: Raw, zone: str) -> dict[str, Column]:
    """Trimmed texts by our names → typed columns by our names; a name without a text is null."""
    missing = F.lit(None).cast("string")
    columns = {name: read_text(name, texts.get(name, missing)) for name in TEXTS}
    numbers: dict[str, Column] = {name: texts.get(name, missing) for name in NUMBERS}
    for number, form in raw.number_formats.items():
        numbers[number] = plain_number(numbers[number], form)
    columns["quantity"] = read_quantity(numbers["quantity"])
    columns["unit_price"] = read_price(numbers["unit_price"])
    for name in ("ordered_at", "known_at"):
        text = texts.get(name)
        columns[name] = missing.cast("timestamp") if text is None else read_instant(text, raw.timestamp_formats, zone)
    extras = {name: read_extra(texts[name], extra, raw=raw, zone=zone) for name, extra in raw.extras.items()}
    return columns | extras


def read_extra(text: Column, extra: Extra, *, raw: Raw, zone: str) -> Column:
    """A trimmed text as a value of the extra's type; null where it cannot be read."""
    match extra.type:
        case "boolean":
            word = F.upper(text)
            truth = F.when(word.isin(*_upper(extra.true)), F.lit(True))
            return truth.when(word.isin(*_upper(extra.false)), F.lit(False))
        case "bigint" | "double":
            number = text if extra.number is None else plain_number(text, extra.number)
            return read_quantity(number) if extra.type == "bigint" else read_price(number)
        case "timestamp":
            return read_instant(text, extra.formats or raw.timestamp_formats, zone)
        case "date":
            days = (F.try_to_timestamp(text, F.lit(form)) for form in extra.formats or ("yyyy-MM-dd",))
            return F.coalesce(*days).cast("date")
        case _:
            return text


def _upper(words: tuple[str, ...]) -> list[str]:
    return [word.strip().upper() for word in words]


def named(conditions: Mapping[str, Column]) -> Column:
    """The names whose condition is true, in their order, as an array; none gives an empty one."""
    if not conditions:
        return F.array().cast("array<string>")
    some = reduce(lambda one, other: one | other, conditions.values())
    # Names hold no space. Filtering an array instead would keep the whole projection out of code generation.
    joined = F.concat_ws(" ", *(F.when(holds, F.lit(name)) for name, holds in conditions.items()))
    return F.when(some, F.split(joined, " ")).otherwise(F.array().cast("array<string>"))
