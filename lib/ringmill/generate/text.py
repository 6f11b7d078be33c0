"""Rows → lines of CSV as bytes, and the list of what was planted; Arrow kernels throughout, no loop over lines."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringmill.generate.catalogue import catalogue, countries
from ringmill.generate.customers import Ints
from ringmill.generate.defects import KINDS, LETTER, LOWER, OTHER, SPACE, Bools, Rows

HEADER = (
    b"line_id",
    b"order_id",
    b"product_id",
    b"description",
    b"quantity",
    b"unit_price",
    b"customer_id",
    b"country",
    b"ordered_at",
    b"known_at",
)
WRITE_OFFS = (
    b"damaged",
    b"?? missing",
    b"thrown away",
    b"wet/rusty",
    b"lost in the warehouse?",
    b"sold as set on dotcom",
)
NO_DATES = (b"2024-13-45 10:00:00", b"yesterday", b"31/31/2024", b"0000-00-00 00:00:00", b"#VALUE!")
NO_QUANTITIES = (b"six", b"12 pcs", b"--", b"1O", b"2.5")
NO_PRICES = (b'"4,99"', b"n/a", b"GBP 3", b"#N/A", b"1.2.3")
NO_COUNTRIES = (b"Unspecified", b"Untied Kingdom", b"XX", b"European Community")
PLANTED = pa.schema([("kind", pa.string()), ("line_id", pa.string()), ("copies", pa.int32())])


def csv_lines(rng: np.random.Generator, rows: Rows) -> pa.Array:
    """One binary value per row, without its line end; lines of kind 'mixed_encoding' are in Windows-1252."""
    lines, goods = rows.lines, catalogue()
    cp1252 = rows.has("mixed_encoding")
    number = rng.random(len(rows.kind)) < 0.5
    bad_quantity, bad_price = rows.has("unreadable_number") & number, rows.has("unreadable_number") & ~number
    names = pa.chunked_array([goods.name_utf8, goods.name_cp1252]).combine_chunks()
    described = names.take(pa.array(lines.product + len(goods.name_utf8) * cp1252))
    price = _where(rows.has("write_off"), pa.scalar(b"0.00", pa.binary()), goods.price.take(pa.array(lines.product)))
    customer = _where(
        rows.has("missing_customer") | rows.has("write_off"), pa.scalar(b"", pa.binary()), _number(lines.customer)
    )
    cells = (
        _line_ids(rows),
        _joined(_where(rows.added & rows.has("cancellation"), _one(b"C"), _same(b"", rows)), _number(lines.order)),
        goods.code.take(pa.array(lines.product)),
        _one_of(rng, WRITE_OFFS, rows.has("write_off"), described),
        _one_of(rng, NO_QUANTITIES, bad_quantity, _number(lines.quantity)),
        _one_of(rng, NO_PRICES, bad_price, price),
        customer,
        _one_of(rng, NO_COUNTRIES, rows.has("unknown_country"), countries()[0].take(pa.array(lines.country))),
        _one_of(rng, NO_DATES, rows.has("unreadable_date"), _clock(lines.ordered)),
        _clock(lines.known),
    )
    return pc.binary_join_element_wise(*_unrepeated(rows, cells), _one(b","))


def planted_lines(rows: Rows) -> pa.RecordBatch:
    """What was planted: its kind, the id of the line it belongs to, and how many rows have it."""
    counted = {
        "exact_duplicate": rows.added,
        "cancellation": rows.added,
        **dict.fromkeys(("key_duplicate", "near_duplicate_key"), rows.added),
    }
    ids = _number_text(rows.lines.line, "L")
    parts = []
    for name in KINDS:
        where = rows.has(name) & counted.get(name, True)
        parts.append(_counted(name, ids.filter(pa.array(where))))
        if name == "write_off":  # stock is written off without a customer
            parts.append(_counted("missing_customer", ids.filter(pa.array(where))))
    return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]


def _counted(kind: str, ids: pa.Array) -> pa.RecordBatch:
    counts = pc.value_counts(ids)
    kinds = pa.array([kind] * len(counts), pa.string())
    return pa.record_batch([kinds, counts.field("values"), counts.field("counts").cast(pa.int32())], schema=PLANTED)


def _unrepeated(rows: Rows, cells: tuple[pa.Array, ...]) -> list[pa.Array]:
    """Exact duplicates are drawn once: their rows take every cell of the line that they copy."""
    source = np.arange(len(rows.kind))
    source = np.maximum.accumulate(np.where(rows.added & rows.has("exact_duplicate"), 0, source))
    return [cell.take(pa.array(source)) for cell in cells]


def _line_ids(rows: Rows) -> pa.Array:
    """'L' and nine digits; near duplicates in lower case, with a space, with a letter for a digit, or another's."""
    number = np.where(rows.near == OTHER, rows.other, rows.lines.line)
    small = (rows.near == LOWER) | (rows.near == OTHER)
    digits = _number_text(number, "")
    typed = pc.replace_substring(digits, "0", "O", max_replacements=1)
    digits = _where(rows.near == LETTER, typed, digits)
    prefix = _where(small, pa.scalar("l"), pa.array(["L"] * len(number)))
    suffix = _where(rows.near == SPACE, pa.scalar(" "), pa.array([""] * len(number)))
    return pc.binary_join_element_wise(prefix, digits, suffix, "").cast(pa.binary())


def _number_text(numbers: Ints, prefix: str) -> pa.Array:
    padded = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 9, "0")
    return pc.binary_join_element_wise(pa.scalar(prefix), padded, "")


def _number(numbers: Ints) -> pa.Array:
    return pa.array(numbers).cast(pa.string()).cast(pa.binary())


def _clock(seconds: Ints) -> pa.Array:
    """'yyyy-MM-dd HH:mm:ss' of local clock times."""
    return pa.array(seconds).cast(pa.timestamp("s")).cast(pa.string()).cast(pa.binary())


def _one_of(rng: np.random.Generator, texts: tuple[bytes, ...], where: Bools, otherwise: pa.Array) -> pa.Array:
    drawn = pa.array(texts, pa.binary()).take(pa.array(rng.integers(0, len(texts), len(where))))
    return _where(where, drawn, otherwise)


def _where(condition: Bools, then: pa.Array | pa.Scalar, otherwise: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(condition), then, otherwise)


def _joined(left: pa.Array, right: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(left, right, _one(b""))


def _one(value: bytes) -> pa.Scalar:
    return pa.scalar(value, pa.binary())


def _same(value: bytes, rows: Rows) -> pa.Array:
    return pa.array([value], pa.binary()).take(pa.array(np.zeros(len(rows.kind), np.int64)))
