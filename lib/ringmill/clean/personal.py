"""Personal columns → what clean/rows may hold of them; after all rules, which judge clear values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.clean.keyed import hash_texts
from ringmill.config.clean import Clean
from ringmill.config.columns import types_of
from ringmill.config.personal import Personal, PersonalKey
from ringmill.config.raw import Raw

WITHHELD = "(withheld)"
MASK = "***"


def with_protected(
    rows: DataFrame,
    *,
    raw: Raw,
    clean: Clean,
    cells: Mapping[str, str],
    zone: str,
    keeps_raw: Column,
    fingerprint: str | None,
) -> DataFrame:
    """The same rows with personal values replaced: in their columns, in the cells that they came in, in torn lines.

    `cells` holds by the source's column the name of its cell. Where `keeps_raw`, a cell of a personal column becomes
    the keyed hash of its text, or, where the column has another action, a word that says that it is withheld; elsewhere
    it is not needed and becomes null. The whole text of a torn line may hold personal values, so it is hashed too, or
    withheld without a key. `fingerprint` is that of the driver's key; None: workers do not compare theirs.
    """
    if not clean.personal:
        return rows
    hashed = keyed_hash(clean.personal_key, fingerprint)
    types = types_of(raw)
    columns = {each.column: protected(each, types[each.column], hashed, zone=zone) for each in clean.personal}
    of_cell: dict[str, str] = {raw.mapped[each.column]: each.action for each in clean.personal}
    for theirs, action in of_cell.items():
        text = F.when(keeps_raw, F.col(cells[theirs]))
        columns[cells[theirs]] = hashed(text) if action == "hash" else _withheld(text)
    columns["_torn"] = hashed(F.col("_torn")) if clean.personal_key else _withheld(F.col("_torn"))
    return rows.withColumns(columns)


def protected(personal: Personal, kind: str, hashed: Callable[[Column], Column], *, zone: str) -> Column:
    """What stands in the place of the personal column's value, which is of type `kind`."""
    value = F.col(personal.column)
    if personal.action == "hash":
        return hashed(value)
    if personal.action == "drop":
        return F.lit(None).cast(kind)
    if personal.action == "mask":
        return _masked(value, personal.first or 0, personal.last or 0)
    if personal.width is not None:
        if kind == "bigint":  # exact beyond what a double holds
            return value - F.pmod(value, F.lit(int(personal.width)))
        return F.floor(value / F.lit(personal.width)) * F.lit(personal.width)
    if personal.first is not None:
        return F.substring(value, 1, personal.first)
    if kind == "date":
        return F.trunc(value, str(personal.to))
    return F.to_utc_timestamp(F.date_trunc(str(personal.to), F.from_utc_timestamp(value, zone)), zone)


def keyed_hash(place: PersonalKey | None, fingerprint: str | None) -> Callable[[Column], Column]:
    """A function that hashes a column of texts under the key at `place`; without a key it withholds them.

    A Python function: Spark's own would need the key as a literal of the plan. Only the texts to be hashed leave the
    JVM, as Arrow batches, and each worker reads the key itself; what is sent to it is the key's place, and its
    fingerprint, by which a worker that has another key says so.
    """
    if place is None:
        return _withheld
    there = (
        place
        if place.file is None
        else place.model_copy(update={"file": str(Path(place.file).expanduser().absolute())})
    )

    def keyed(texts: pa.Array) -> pa.Array:
        return hash_texts(texts, there, fingerprint)

    hashed: Callable[[Column], Column] = F.arrow_udf(keyed, "string")  # type: ignore[attr-defined]  # not in its stubs
    return hashed


def _masked(text: Column, first: int, last: int) -> Column:
    end = F.substring(text, -last, last) if last else F.lit("")
    shown = F.concat(F.substring(text, 1, first), F.lit(MASK), end)
    return F.when(F.char_length(text) > first + last, shown).when(text.isNotNull(), F.lit(MASK))


def _withheld(text: Column) -> Column:
    return F.when(text.isNotNull(), F.lit(WITHHELD))
