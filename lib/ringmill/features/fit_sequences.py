"""The train split's lists of numbers → parts that scale and pad them: one grouped aggregate for all entries."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.config.text import Sequence as SequenceEntry
from ringmill.features.fit_boxcox import column_of
from ringmill.features.fit_numbers import repeatable
from ringmill.features.sequences import Sequence as SequencePart
from ringmill.features.state import Part


def fit_sequences(train: DataFrame, entries: Sequence[SequenceEntry]) -> list[Sequence[Part]]:
    """One action, none where no entry is scaled. Null items have no part in mean and deviation.

    A column without spread keeps deviation 1, so that it is encoded as 0; one without items keeps mean 0.
    """
    keys = [(place, name) for place, entry in enumerate(entries) if entry.scale == "zscore" for name in entry.columns]
    found: dict[tuple[int, str], tuple[float, float]] = {}
    if keys:
        pairs = []
        for of, (place, name) in enumerate(keys):
            items = column_of(name).cast("array<double>")
            items = F.transform(items, _logarithm) if entries[place].log1p else items
            pairs.append(F.struct(F.lit(of).alias("of"), items.alias("items")))
        stacked = train.select(F.explode(F.array(*pairs)).alias("pair")).select("pair.of", F.explode("pair.items"))
        means = stacked.groupBy("of").agg(F.avg("col").alias("mean"), F.stddev_pop("col").alias("deviation"))
        for row in means.collect():
            mean, deviation = repeatable(row["mean"] or 0.0, row["deviation"] or 0.0)
            found[keys[row["of"]]] = mean, deviation or 1.0
    parts: list[Sequence[Part]] = []
    for place, entry in enumerate(entries):
        scales = [found.get((place, name), (0.0, 1.0)) for name in entry.columns]
        part = SequencePart(
            columns=entry.columns,
            name=entry.name,
            length=entry.length,
            truncate=entry.truncate,
            pad=entry.pad,
            log1p=entry.log1p,
            means=tuple(mean for mean, _ in scales),
            deviations=tuple(deviation for _, deviation in scales),
            null=entry.null,
            mask=entry.mask,
        )
        parts.append([part])
    return parts


def _logarithm(item: Column) -> Column:
    # `greatest` passes over null.
    return F.when(item.isNotNull(), F.log1p(F.greatest(item, F.lit(0.0))))
