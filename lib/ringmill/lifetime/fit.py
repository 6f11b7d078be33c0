"""Customers' histories in Spark → the two models of lifetime value; the driver's memory grows with them for neither."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.lifetime import bgnbd, gamma_gamma
from ringmill.lifetime.bgnbd import Histories
from ringmill.lifetime.gamma_gamma import GammaGamma, Partial, Totals
from ringmill.lifetime.likelihood import Fitted

HISTORY = ("repeat_period_count", "recency_age_periods", "age_periods")
# Terms of sums are whole billionths: sums are exact, so that neither their order nor the partitions matter.
EXACT = 1_000_000_000
# Distinct histories that the driver holds (32 MB): of more of them it gets sums, by a pass over Spark's partitions.
MOST_HISTORIES = 1_000_000


@dataclass(frozen=True)
class Models:
    """Both fits, or why there is none; plain data."""

    purchases: Fitted | None
    values: Fitted | None
    reason: str = ""

    @property
    def worth(self) -> GammaGamma | None:
        return GammaGamma(**self.values.values) if self.values else None

    def to_json(self) -> dict[str, Any]:
        fits = {"purchases": self.purchases, "values": self.values}
        return {name: fit.to_json() if fit else None for name, fit in fits.items()} | {"reason": self.reason}


def fit_models(customers: DataFrame, least: int) -> Models:
    """Customers' histories → BG/NBD and Gamma-Gamma (about nine actions; see `fit_purchases`).

    Columns in: HISTORY and repeat_value_mean (currency), null where nothing is known. Where fewer than `least` came
    again nothing is fitted. BG/NBD is fitted on the distinct histories with counts, Gamma-Gamma on customers with a
    repeat purchase and a mean value above 0; of them only sums by frequency reach the driver.
    """
    purchases = fit_purchases(customers, least)
    if isinstance(purchases, str):
        return Models(None, None, purchases)
    buyers = customers.where("repeat_period_count > 0 AND repeat_value_mean > 0")
    buyers = buyers.select(F.col("repeat_period_count").alias("x"), F.col("repeat_value_mean").alias("m")).persist()
    totals = _totals(buyers)
    values = None
    if totals.customers.sum() >= least:
        values = gamma_gamma.fit(totals, _pass_over(buyers, totals))
    buyers.unpersist()
    if values is None or not values.converged or values.values["q"] <= 1:
        return Models(purchases, None, "the mean of Gamma-Gamma is not finite on these values, or too few are known")
    return Models(purchases, values)


def fit_purchases(customers: DataFrame, least: int, *, most: int = MOST_HISTORIES) -> Fitted | str:
    """Customers of one cutoff → BG/NBD, or why there is none.

    Up to `most` distinct histories come to the driver, in a fixed order; of more of them it gets sums, by some forty
    jobs. Both give the same parameters but for rounding.
    """
    distinct = distinct_histories(customers).persist()
    try:
        counted, histories = _counted(distinct)
        again = float(counted.customers[counted.frequency > 0].sum())
        if again < least:
            return f"{again:.0f} customers came again, {least} are needed"
        if histories <= most:
            table = distinct.toArrow().sort_by([(name, "ascending") for name in HISTORY])
            passed = bgnbd.pass_in_memory(_histories(table), counted.unit)
        else:
            passed = _pass_over_histories(distinct, counted.unit)
        found = bgnbd.fit(counted, passed)
    finally:
        distinct.unpersist()
    return found if found.converged else "the likelihood of BG/NBD has no maximum that could be found"


def distinct_histories(customers: DataFrame) -> DataFrame:
    """Customers of one cutoff → a row for each history that is known, with its `customers`."""
    return customers.where(F.col(HISTORY[0]).isNotNull()).groupBy(*HISTORY).agg(F.count("*").alias("customers"))


def _counted(distinct: DataFrame) -> tuple[bgnbd.Counted, int]:
    """Customers by frequency, and how many distinct histories there are."""
    frequency = F.col(HISTORY[0])
    sums = F.sum("customers"), F.max(HISTORY[2]), F.count("*")
    rows = np.array(distinct.groupBy(frequency).agg(*sums).orderBy(frequency).collect(), dtype=np.float64)
    rows = rows.reshape(-1, 4)
    return bgnbd.Counted(rows[:, 0], rows[:, 1], float(rows[:, 2].max(initial=0.0))), int(rows[:, 3].sum())


def _histories(rows: pa.Table | pa.RecordBatch) -> Histories:
    return Histories(*(rows[name].to_numpy().astype(np.float64) for name in (*HISTORY, "customers")))


def _pass_over_histories(distinct: DataFrame, unit: float) -> bgnbd.Pass:
    names = ("value", *bgnbd.NAMES)

    def passed(values: Sequence[float]) -> NDArray[np.float64]:
        def summed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            whole = np.zeros(len(names), np.int64)
            for batch in batches:
                each = bgnbd.terms(_histories(batch).in_units(unit), values)
                whole += [np.rint(term * EXACT).astype(np.int64).sum() for term in each]
            yield pa.record_batch([pa.array([total]) for total in whole], names=names)

        rows = distinct.mapInArrow(summed, ", ".join(f"{name} bigint" for name in names)).collect()
        return np.array([sum(row[place] for row in rows) for place in range(len(names))], dtype=np.float64) / EXACT

    return passed


def _exact(term: Column) -> Column:
    return F.sum(F.round(term * EXACT).cast("bigint"))


def _totals(buyers: DataFrame) -> Totals:
    rows = buyers.groupBy("x").agg(F.count("*"), _exact(F.log("m"))).orderBy("x").collect()
    frequency, customers, log_value = (np.array([row[at] for row in rows], dtype=np.float64) for at in range(3))
    return Totals(frequency, customers, log_value / EXACT)


def _pass_over(buyers: DataFrame, totals: Totals) -> gamma_gamma.Pass:
    def passed(values: Sequence[float]) -> list[Partial]:
        # An array, not a literal per value: Spark then compiles one plan and uses it for every pass.
        spread = buyers.select("x", "m", F.posexplode(F.lit(list(values))).alias("at", "v"))
        total = F.col("x") * F.col("m") + F.col("v")
        summed = spread.groupBy("at", "x").agg(_exact(F.log(total)), _exact(F.col("v") / total))
        rows = np.array(sorted(tuple(row) for row in summed.collect()), dtype=np.float64)
        found = rows[:, 2:].reshape(len(values), len(totals.frequency), 2) / EXACT
        return [Partial(each[:, 0], each[:, 1]) for each in found]

    return passed
