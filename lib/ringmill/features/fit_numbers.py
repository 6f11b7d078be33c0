"""The train split's numbers → parts that scale them: one aggregate row for all entries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.config.features import Scaling
from ringmill.features.scaling import Scaled
from ringmill.features.state import Part

# Sums in another partition order differ in the last bits; twelve digits make the state, and its hash, repeatable.
DIGITS = 12


def fit_numbers(train: DataFrame, entries: Sequence[Scaling]) -> list[Sequence[Part]]:
    """One action. A column without spread keeps scale 1, so it is encoded as 0; one without values keeps centre 0."""
    wanted: list[Column] = []
    for place, entry in enumerate(entries):
        for name in entry.columns:
            wanted += _statistics(f"{place}:{name}", entry, _shaped(name, entry))
    row = train.agg(*wanted).collect()[0].asDict()
    return [
        [_part(row, f"{place}:{name}", entry, name) for name in entry.columns] for place, entry in enumerate(entries)
    ]


def _statistics(key: str, entry: Scaling, value: Column) -> list[Column]:
    return [F.avg(value).alias(f"{key}:mean"), F.stddev_pop(value).alias(f"{key}:std")]


def _part(row: dict[str, Any], key: str, entry: Scaling, column: str) -> Part:
    centre, scale = rounded(row[f"{key}:mean"] or 0.0), rounded(row[f"{key}:std"] or 0.0) or 1.0
    return Scaled(column, entry.name_of(column), entry.log1p, centre, scale, entry.null)


def _shaped(name: str, entry: Scaling) -> Column:
    value = F.col(f"`{name}`").cast("double")
    return F.log1p(F.greatest(value, F.lit(0.0))) if entry.log1p else value


def rounded(value: float, digits: int = DIGITS) -> float:
    """To significant digits."""
    return float(f"{value:.{digits - 1}e}")
