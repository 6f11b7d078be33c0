"""Evidence on raw columns → which of them is which of ours, and in which formats they are written. No Spark here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from ringmill.clean.evidence import TIMESTAMP_FORMATS, Evidence

# Names that exports use, the surest first; compared without case, spaces and signs.
NAMES: Mapping[str, tuple[str, ...]] = {
    "line_id": ("lineid", "rowid", "lineno", "linenumber", "orderlineid", "orderitemid", "line"),
    "ordered_at": (
        "orderedat",
        "invoicedate",
        "orderdate",
        "purchasedate",
        "saledate",
        "date",
        "datetime",
        "timestamp",
    ),
    "known_at": ("knownat", "loadedat", "ingestedat", "receivedat", "updatedat", "known"),
    "quantity": ("quantity", "qty", "pieces", "units", "itemcount"),
    "unit_price": ("unitprice", "price", "priceeach", "itemprice", "unitcost"),
    "order_id": ("orderid", "invoiceno", "invoice", "invoiceid", "orderno", "order", "receipt", "transactionid"),
    "product_id": ("productid", "stockcode", "sku", "productcode", "articleno", "article", "itemid", "code", "product"),
    "customer_id": ("customerid", "customerno", "customer", "clientid", "client", "userid", "buyerid", "accountid"),
    "description": ("description", "productname", "itemname", "desc", "name", "title"),
    "country": ("country", "land", "market", "region"),
}
NEEDED = ("order_id", "product_id", "quantity", "unit_price", "customer_id", "ordered_at")
# A content that a column must have to be taken for one of ours, as a share of its texts.
LIKELY = 0.8
MOST_FORMATS = 4
_SIGNS = "€$£¥"


@dataclass(frozen=True)
class Guess:
    """A column of the input taken for one of ours, and why."""

    theirs: str
    why: str


def guess_columns(evidence: Mapping[str, Evidence]) -> dict[str, Guess]:
    """By our name the input's column that is most like it, by name and then by content; each is taken once."""
    scored = sorted(
        (
            (-_likeness(ours, name), place, ours, name)
            for ours in NAMES
            for place, (name, of) in enumerate(evidence.items())
            if _may_be(ours, of) and _likeness(ours, name) >= 0.75
        ),
    )
    found: dict[str, Guess] = {}
    for likeness, _, ours, name in scored:
        if ours not in found and name not in {guess.theirs for guess in found.values()}:
            found[ours] = Guess(name, f"by its name, likeness {-likeness:.0%}")
    for ours, content in (("ordered_at", "dates"), ("unit_price", "numbers"), ("quantity", "numbers")):
        free = [of for name, of in evidence.items() if name not in {guess.theirs for guess in found.values()}]
        likely = [of for of in free if of.count and getattr(of, content) >= LIKELY * of.count and _may_be(ours, of)]
        if ours not in found and likely:
            best = likely[0]
            found[ours] = Guess(
                best.name, f"by its content, {getattr(best, content):,} of {best.count:,} are {content}"
            )
    return {ours: found[ours] for ours in NAMES if ours in found}


def guess_timestamp_formats(columns: Sequence[Evidence]) -> list[tuple[str, str]]:
    """The fewest formats that read the most sampled texts, each with the evidence; at most `MOST_FORMATS`."""
    masks = Counter[int]()
    for of in columns:
        masks.update(of.formats or {})
    total = sum(masks.values())
    chosen: list[tuple[str, str]] = []
    while len(chosen) < MOST_FORMATS:
        gains = [sum(n for mask, n in masks.items() if mask >> bit & 1) for bit in range(len(TIMESTAMP_FORMATS))]
        best = max(range(len(gains)), key=lambda bit: (gains[bit], -bit))
        if not gains[best]:
            break
        chosen.append((TIMESTAMP_FORMATS[best], f"reads {gains[best]:,} of {total:,} sampled texts"))
        masks = Counter({mask: n for mask, n in masks.items() if not mask >> best & 1})
    return chosen


def guess_number_format(of: Evidence) -> tuple[dict[str, Any], str] | None:
    """How a column writes numbers, from the shapes of its sampled texts; None for plain digits with a point."""
    signs, decimals, thousands = Counter[str](), Counter[str](), Counter[str]()
    for shape, lines in (of.shapes or {}).items():
        for sign in set(shape) & set(_SIGNS):
            signs[sign] += lines
        digits = re.sub(r"[^9.,' \u00a0\u202f]", "", shape).strip()
        # A group of other than three digits behind the last sign is a fraction; an earlier sign parts thousands.
        if parts := re.search(r"^9+(?:([.,' \u00a0\u202f])999)*(?:([.,])(9|99|9999+))?$", digits):
            if parts[1]:
                thousands[" " if parts[1].isspace() else parts[1]] += lines
            if parts[2]:
                decimals[parts[2]] += lines
    decimal = decimals.most_common(1)[0][0] if decimals else "."
    parted = [sign for sign, _ in thousands.most_common() if sign != decimal]
    found: dict[str, Any] = {"decimal": decimal}
    if parted:
        found["thousands"] = parted[0]
    if signs:
        found["currency"] = [sign for sign, _ in signs.most_common()]
    if found == {"decimal": "."}:
        return None
    seen = [f"{n:,} with decimal '{sign}'" for sign, n in decimals.items()]
    seen += [f"{n:,} with thousands '{sign}'" for sign, n in thousands.items()]
    seen += [f"{n:,} with '{sign}'" for sign, n in signs.items()]
    return found, f"of {of.sampled:,} sampled texts {', '.join(seen)}"


def guess_pattern(of: Evidence) -> tuple[str, str] | None:
    """A pattern of ids that fits all their common shapes; None where they have too many. In upper case too."""
    shapes = sorted((of.shapes or {}).items(), key=lambda item: (-item[1], item[0]))
    some, kept = 0, list[str]()
    for shape, lines in shapes:
        if some >= 0.99 * of.sampled:
            break
        kept.append(_pattern(shape))
        some += lines
    kept = list(dict.fromkeys(kept))
    if not kept or len(kept) > 4:
        return None
    return "|".join(kept), f"{some:,} of {of.sampled:,} sampled ids ({some / of.sampled:.1%})"


def _pattern(shape: str) -> str:
    """'A9999' → '[A-Za-z]\\d{4}'."""
    parts = []
    for run in re.finditer(r"9+|A+|[^9A]+", shape):
        text, length = run[0], len(run[0])
        each = {"9": r"\d", "A": "[A-Za-z]"}.get(text[0])
        parts.append(re.escape(text) if each is None else each if length == 1 else f"{each}{{{length}}}")
    return "".join(parts)


def _likeness(ours: str, theirs: str) -> float:
    plain = re.sub(r"[^a-z0-9]", "", theirs.lower())
    names = NAMES[ours]
    if plain in names:
        return 1.0 - 0.001 * names.index(plain)
    return max(SequenceMatcher(None, plain, name).ratio() for name in names) * 0.95


def _may_be(ours: str, of: Evidence) -> bool:
    """Whether the content does not speak against it."""
    if not of.count:
        return False
    if ours in ("quantity", "unit_price"):
        return of.numbers >= LIKELY * of.count and of.dates < LIKELY * of.count
    if ours in ("ordered_at", "known_at"):
        return of.dates >= LIKELY * of.count
    return True
