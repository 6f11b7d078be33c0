"""The train split's categories → parts with their vocabularies: one grouped count for all, one for all targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ringmill.config.features import Cross, Frequency, Hashed, OneHot, Ordinal
from ringmill.errors import InputError
from ringmill.features.categories import Frequency as FrequencyPart
from ringmill.features.categories import Hashed as HashedPart
from ringmill.features.categories import OneHot as OneHotPart
from ringmill.features.categories import Ordinal as OrdinalPart
from ringmill.features.columns_of import SEPARATOR
from ringmill.features.fit_boxcox import column_of
from ringmill.features.fit_numbers import rounded
from ringmill.features.state import Part

# A column's values in one state, so that it fits the driver and every process that applies it, however many rows.
MOST_VALUES = 100_000
Category = OneHot | Ordinal | Hashed | Frequency | Cross


@dataclass(frozen=True)
class Counted:
    """Values of one category, the most frequent first (equal ones by their code points), with their rows."""

    values: tuple[str, ...]
    rows: tuple[int, ...]
    missing: int
    total: int


def fit_categories(train: DataFrame, entries: Sequence[Category]) -> list[Sequence[Part]]:
    """One action, none where nothing but hashes is asked for.

    Raises:
        InputError: an entry would keep more than MOST_VALUES values.
    """
    keys = [(place, names) for place, entry in enumerate(entries) for names in _categories(entry)]
    counted = _count(train, {key: entries[key[0]] for key in keys if _is_fitted(entries[key[0]])})
    numbers = {name for name, kind in train.dtypes if kind not in ("string", "boolean")}
    parts: list[list[Part]] = [[] for _ in entries]
    for place, names in keys:
        found = counted.get((place, names), Counted((), (), 0, 0))
        parts[place].append(_part(entries[place], names, found, of_numbers=names[0] in numbers))
    return list(parts)


def _categories(entry: Category) -> list[tuple[str, ...]]:
    return [entry.columns] if isinstance(entry, Cross) else [(name,) for name in entry.columns]


def _is_fitted(entry: Category) -> bool:
    if isinstance(entry, Ordinal):
        return not entry.order
    return not isinstance(entry, Hashed) and not (isinstance(entry, Cross) and entry.encoding == "hashed")


def _part(entry: Category, names: tuple[str, ...], found: Counted, *, of_numbers: bool) -> Part:
    if isinstance(entry, Cross):
        name = entry.name or " × ".join(names)
        if entry.encoding == "hashed":
            return HashedPart(names, name, entry.buckets, entry.seed, "columns")
        return OneHotPart(names, name, found.values, entry.other)
    name = entry.name_of(names[0])
    if isinstance(entry, Hashed):
        return HashedPart(names, name, entry.buckets, entry.seed, entry.output)
    if isinstance(entry, Ordinal):
        in_order = sorted(found.values, key=int) if of_numbers else sorted(found.values)
        return OrdinalPart(names, name, entry.order or tuple(in_order))
    if isinstance(entry, Frequency):
        total = max(found.total, 1)
        shares = tuple(rounded(rows / total) for rows in found.rows)
        return FrequencyPart(names, name, found.values, shares, rounded(found.missing / total))
    return OneHotPart(names, name, found.values, entry.other)


Key = tuple[int, tuple[str, ...]]


def _count(train: DataFrame, wanted: Mapping[Key, Category]) -> dict[Key, Counted]:
    """Of each category its values within its entry's bounds, and the rows without one."""
    if not wanted:
        return {}
    keys = list(wanted)
    bounds = [
        (-1 if (most := getattr(entry, "most", None)) is None else most, getattr(entry, "minimum", 1))
        for entry in wanted.values()
    ]
    pairs = [F.struct(F.lit(of).alias("of"), text(names).alias("value")) for of, (_, names) in enumerate(keys)]
    stacked = train.select(F.explode(F.array(*pairs)).alias("pair")).select("pair.*")
    per_value = stacked.groupBy("of", "value").agg(F.count("*").alias("rows"))
    of_category = Window.partitionBy("of")
    # The row of null, if there is one, comes last and within no bound.
    in_order = of_category.orderBy(F.col("value").isNull(), F.desc("rows"), "value")
    most, least = (lookup([bound[place] for bound in bounds]) for place in (0, 1))
    ranked = per_value.withColumns(
        {"rank": F.row_number().over(in_order), "total": F.sum("rows").over(of_category), "most": most, "least": least}
    )
    kept = f"rows >= least AND (most < 0 OR rank <= most) AND rank <= {MOST_VALUES + 1}"
    inside = ranked.where(f"value IS NULL OR ({kept})")
    found: dict[int, list[tuple[str | None, int, int]]] = {}
    for row in inside.orderBy("of", "rank").collect():
        found.setdefault(row["of"], []).append((row["value"], row["rows"], row["total"]))
    counted = {key: _counted(found.get(of, [])) for of, key in enumerate(keys)}
    for key, each in counted.items():
        hashed = "`encoding: hashed`" if isinstance(wanted[key], Cross) else "kind hashed"
        refuse_many(key[1], len(each.values), f"state `most` or a higher `minimum`, or encode it with {hashed}")
    return counted


def refuse_many(names: Sequence[str], values: int, todo: str) -> None:
    if values > MOST_VALUES:
        where = f"features.set, column {' × '.join(names)}"
        raise InputError.unfit(where, f"{MOST_VALUES:,} values at most in the train split", "more values", todo)


def _counted(found: Sequence[tuple[str | None, int, int]]) -> Counted:
    known = [(value, rows) for value, rows, _ in found if value is not None]
    missing = sum(rows for value, rows, _ in found if value is None)
    total = found[0][2] if found else 0
    return Counted(tuple(value for value, _ in known), tuple(rows for _, rows in known), missing, total)


def lookup(values: Sequence[int]) -> Column:
    return F.element_at(F.array(*map(F.lit, values)), F.col("of") + 1)


def text(names: Sequence[str]) -> Column:
    """Columns as the category that `Columns.texts` makes of them; whole numbers that are doubles lose their point."""
    texts = [column_of(name) for name in names]
    known = F.lit(True)
    for each in texts:
        known = known & each.isNotNull()
    written = [
        F.when(F.typeof(each).isin("double", "float"), each.cast("bigint").cast("string")).otherwise(
            each.cast("string")
        )
        for each in texts
    ]
    return F.when(known, F.concat_ws(SEPARATOR, *written))
