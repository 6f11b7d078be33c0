"""The train split's measures → the frozen state: one aggregate row for numbers, a small table per text column."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.features.state import Categories, Numeric, State

# Shares are bounded by 1; everything else is a count, a duration or money, with a long right tail.
LINEAR = frozenset({"returns_share"})
# Null for a customer with one day of orders: there will be such customers even if the train split has none.
MAY_BE_NULL = frozenset({"gap_days_mean", "gap_days_trend"})
# Sums in another partition order differ in the last bits; twelve digits make the state, and its hash, repeatable.
DIGITS = 12


def fit(train: DataFrame, measures: Sequence[str], *, top_countries: int) -> State:
    """Rows of the train split → state (two actions). A measure without spread keeps std 1, so it is encoded as 0."""
    return State(
        numeric=tuple(_fit_numeric(train, measures)),
        categories=(Categories("country", _top_values(train, "country", top_countries)),),
    )


def _fit_numeric(train: DataFrame, measures: Sequence[str]) -> list[Numeric]:
    statistics: list[Column] = []
    for name in measures:
        value = _transformed(name)
        statistics += [
            F.avg(value).alias(f"{name}:mean"),
            F.stddev_pop(value).alias(f"{name}:std"),
        ]
    row = train.agg(*statistics).collect()[0].asDict()
    return [
        Numeric(
            name,
            log=name not in LINEAR,
            mean=_rounded(row[f"{name}:mean"] or 0.0),
            std=_rounded(row[f"{name}:std"] or 0.0) or 1.0,
            indicator=name in MAY_BE_NULL,
        )
        for name in measures
    ]


def _transformed(name: str) -> Column:
    return F.col(name) if name in LINEAR else F.log1p(F.greatest(F.col(name), F.lit(0.0)))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS - 1}e}")


def _top_values(train: DataFrame, column: str, most: int) -> tuple[str, ...]:
    counted = train.where(F.col(column).isNotNull()).groupBy(column).count()
    rows = counted.orderBy(F.desc("count"), column).limit(most).collect()
    return tuple(row[column] for row in rows)
