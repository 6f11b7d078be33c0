"""Customers' histories in Spark → the two models of lifetime value; what reaches the driver does not grow with rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.lifetime import bgnbd, gamma_gamma
from ringmill.lifetime.bgnbd import Histories
from ringmill.lifetime.gamma_gamma import GammaGamma, Partial, Totals
from ringmill.lifetime.likelihood import Fitted

HISTORY = ("repeat_period_count", "recency_age_periods", "age_periods")
# Terms of sums are whole billionths: sums are exact, so that neither their order nor the partitions matter.
EXACT = 1_000_000_000


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
    """Customers' histories → BG/NBD and Gamma-Gamma (about eight actions).

    Columns in: HISTORY and repeat_value_mean (currency), null where nothing is known. Where fewer than `least` came
    again nothing is fitted. BG/NBD is fitted on the distinct histories with counts, Gamma-Gamma on customers with a
    repeat purchase and a mean value above 0; of them only sums by frequency reach the driver.
    """
    histories = read_histories(customers)
    again = float(histories.customers[histories.frequency > 0].sum())
    if again < least:
        return Models(None, None, f"{again:.0f} customers came again, {least} are needed")
    purchases = bgnbd.fit(histories)
    if not purchases.converged:
        return Models(None, None, "the likelihood of BG/NBD has no maximum that could be found")
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


def read_histories(customers: DataFrame) -> Histories:
    """Customers of one cutoff → their distinct histories with counts, in a fixed order (an action)."""
    known = customers.where(F.col("repeat_period_count").isNotNull())
    table = known.groupBy(*HISTORY).agg(F.count("*").alias("customers")).toArrow()
    table = table.sort_by([(name, "ascending") for name in HISTORY])
    return Histories(*(table[name].to_numpy().astype(np.float64) for name in (*HISTORY, "customers")))


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
