"""The train split's categories → parts with their vocabularies: one grouped count for all entries."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ringmill.config.features import OneHot
from ringmill.features.categories import OneHot as OneHotPart
from ringmill.features.columns_of import SEPARATOR
from ringmill.features.state import Part


def fit_categories(train: DataFrame, entries: Sequence[OneHot]) -> list[Sequence[Part]]:
    """One action. Values come by frequency, the most frequent first, equally frequent ones by their code points."""
    wanted = [(place, name) for place, entry in enumerate(entries) for name in entry.columns]
    found = _top_values(train, [((name,), entries[place].most) for place, name in wanted])
    parts: list[list[Part]] = [[] for _ in entries]
    for (place, name), values in zip(wanted, found, strict=True):
        entry = entries[place]
        parts[place].append(OneHotPart((name,), entry.name_of(name), values, entry.other))
    return list(parts)


def _top_values(train: DataFrame, wanted: Sequence[tuple[tuple[str, ...], int | None]]) -> list[tuple[str, ...]]:
    """Of each combination of columns its values in the train split, at most so many."""
    pairs = [F.struct(F.lit(place).alias("of"), _text(names).alias("value")) for place, (names, _) in enumerate(wanted)]
    stacked = train.select(F.explode(F.array(*pairs)).alias("pair")).select("pair.*").where("value IS NOT NULL")
    counted = stacked.groupBy("of", "value").count()
    rank = F.row_number().over(Window.partitionBy("of").orderBy(F.desc("count"), "value"))
    most = F.create_map(
        *(F.lit(n) for place, (_, many) in enumerate(wanted) for n in (place, -1 if many is None else many))
    )
    limited = counted.withColumns({"rank": rank, "most": most[F.col("of")]}).where("most < 0 OR rank <= most")
    values: list[list[str]] = [[] for _ in wanted]
    for row in limited.orderBy("of", "rank").collect():
        values[row["of"]].append(row["value"])
    return [tuple(each) for each in values]


def _text(names: Sequence[str]) -> Column:
    texts = [F.col(f"`{name}`").cast("string") for name in names]
    known = F.lit(True)
    for text in texts:
        known = known & text.isNotNull()
    return F.when(known, F.concat_ws(SEPARATOR, *texts))
