"""The train split's labels by category and fold → out-of-fold tables: one grouped sum for all entries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from ringmill.columns import sum_money
from ringmill.config.features import Target
from ringmill.features.categories import Target as TargetPart
from ringmill.features.fit_categories import MOST_VALUES, lookup, refuse_many, text
from ringmill.features.fit_numbers import number, rounded
from ringmill.features.state import Part

FOLD = "fold"
Sums = tuple[int, float]


def fit_targets(train: DataFrame, entries: Sequence[Target]) -> list[Sequence[Part]]:
    """One action. Every train row has its fold, from 0, in the column `fold`, and a label, which counts to four
    decimals, so that its sums are exact (a row without one has no part).

    Rows, categories × folds of them, come to the driver: the state holds as many. Values in fewer rows than their
    entry's minimum come as one.

    Raises:
        InputError: an entry would keep more than MOST_VALUES values.
    """
    keys = [(place, name) for place, entry in enumerate(entries) for name in entry.columns]
    of_each = [
        F.struct(F.lit(of).alias("of"), text((name,)).alias("value"), number(entries[place].label).alias("label"))
        for of, (place, name) in enumerate(keys)
    ]
    stacked = train.select(FOLD, F.explode(F.array(*of_each)).alias("pair")).select(FOLD, "pair.*")
    summed = (
        stacked.where("label IS NOT NULL")
        .groupBy("of", "value", FOLD)
        .agg(F.count("*").alias("rows"), sum_money(F.col("label")).alias("total"))
    )
    of_value = F.sum("rows").over(Window.partitionBy("of", "value"))
    frequent = of_value >= lookup([entries[place].minimum for place, _ in keys])
    in_order = Window.partitionBy("of").orderBy(F.col("value").isNull(), "value")
    inside = (
        summed.withColumn("value", F.when(frequent, F.col("value")))
        .groupBy("of", "value", FOLD)
        .agg(F.sum("rows").alias("rows"), sum_money(F.col("total")).alias("total"))
        .withColumn("rank", F.dense_rank().over(in_order))
        .where(F.col("rank") <= MOST_VALUES + 1)
    )
    sums: list[dict[tuple[str | None, int], Sums]] = [{} for _ in keys]
    for row in inside.collect():
        sums[row["of"]][row["value"], row[FOLD]] = (row["rows"], row["total"])
    for (_, name), found in zip(keys, sums, strict=True):
        values = len({value for value, _ in found if value is not None})
        refuse_many((name,), values, "state a higher `minimum`, or encode it with kind hashed")
    parts: list[list[Part]] = [[] for _ in entries]
    for (place, name), found in zip(keys, sums, strict=True):
        parts[place].append(target_part(entries[place], name, found))
    return list(parts)


def target_part(entry: Target, column: str, sums: Mapping[tuple[str | None, int], Sums]) -> TargetPart:
    """Rows and total of the label by (value, fold), value None for null → the out-of-fold tables."""
    rows: dict[str, int] = defaultdict(int)
    for (value, _), (count, _) in sums.items():
        if value is not None:
            rows[value] += count
    values = tuple(sorted(value for value, count in rows.items() if count >= entry.minimum))
    folds = range(1 + max((fold for _, fold in sums), default=-1))
    tables = tuple(_table(values, sums, entry.smoothing, without=fold) for fold in folds)
    return TargetPart((column,), entry.name_of(column), values, _table(values, sums, entry.smoothing), tables)


def _table(
    values: Sequence[str],
    sums: Mapping[tuple[str | None, int], Sums],
    smoothing: float,
    *,
    without: int | None = None,
) -> tuple[float, ...]:
    """(total + smoothing × mean of all) / (rows + smoothing) per value, and last the mean of all; a fold left out."""
    seen = sorted(((key, each) for key, each in sums.items() if key[1] != without), key=repr)
    rows, totals = defaultdict[str | None, int](int), defaultdict[str | None, float](float)
    for (value, _), (count, total) in seen:
        rows[value] += count
        totals[value] += total
    all_rows = sum(rows.values())
    mean = sum(totals.values()) / all_rows if all_rows else 0.0

    def of(value: str) -> float:
        weight = rows[value] + smoothing
        return (totals[value] + smoothing * mean) / weight if weight else mean

    return tuple(rounded(each) for each in (*(of(value) for value in values), mean))
