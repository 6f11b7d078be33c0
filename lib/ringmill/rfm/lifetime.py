"""A snapshot of customers → the two models of lifetime value, and what they foresee for each customer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.config.rfm import Lifetime, Period
from ringmill.contracts import rfm_lifetime
from ringmill.rfm import bgnbd, gamma_gamma
from ringmill.rfm.bgnbd import BetaGeo, Histories
from ringmill.rfm.gamma_gamma import GammaGamma, Partial, Totals
from ringmill.rfm.likelihood import Fitted

HISTORY = ("repeat_period_count", "recency_age_periods", "age_periods")
# Days of a period; and periods of a month of lifetime value, as lifetimes counts them.
DAYS = {"day": 1.0, "week": 7.0, "month": 30.4375}
MONTH = {"day": 30.0, "week": 4.345, "month": 1.0}
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


def fit_models(customers: DataFrame, section: Lifetime) -> Models:
    """Customers of one cutoff → BG/NBD and Gamma-Gamma (about eight actions).

    BG/NBD is fitted on the distinct histories with counts. Gamma-Gamma is fitted on customers with a repeat purchase
    and a mean value above 0; of them only sums by frequency reach the driver.
    """
    histories = read_histories(customers)
    again = float(histories.customers[histories.frequency > 0].sum())
    if again < section.least_repeat_customers:
        return Models(None, None, f"{again:.0f} customers came again, {section.least_repeat_customers} are needed")
    purchases = bgnbd.fit(histories)
    if not purchases.converged:
        return Models(None, None, "the likelihood of BG/NBD has no maximum that could be found")
    buyers = customers.where("repeat_period_count > 0 AND repeat_value_mean > 0")
    buyers = buyers.select(F.col("repeat_period_count").alias("x"), F.col("repeat_value_mean").alias("m")).persist()
    totals = _totals(buyers)
    values = None
    if totals.customers.sum() >= section.least_repeat_customers:
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


def foresee(
    purchases: BetaGeo, values: GammaGamma | None, section: Lifetime, period: Period
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A function for `mapInArrow`: batches of customer_id, cutoff, HISTORY and repeat_value_mean → what is foreseen."""

    def foreseen(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            x, recency, age = (batch.column(name).to_numpy().astype(np.float64) for name in HISTORY)
            mean = batch.column("repeat_value_mean").fill_null(0.0).to_numpy(zero_copy_only=False)
            columns = foresee_columns(purchases, values, section, period, (x, recency, age, mean))
            none = pa.nulls(len(x), pa.float64())
            arrays = [none if column is None else pa.array(column) for column in columns.values()]
            kept = [batch.column("customer_id"), batch.column("cutoff")]
            yield pa.RecordBatch.from_arrays([*kept, *arrays], names=["customer_id", "cutoff", *columns])

    return foreseen


def foresee_columns(
    purchases: BetaGeo,
    values: GammaGamma | None,
    section: Lifetime,
    period: Period,
    history: tuple[bgnbd.Floats, bgnbd.Floats, bgnbd.Floats, bgnbd.Floats],
) -> Mapping[str, bgnbd.Floats | None]:
    """(rows) of frequency, recency, T and mean value → the columns of rfm/lifetime; None where no value model is.

    Lifetime value is that of lifetimes' customer_lifetime_value: the purchases expected in each month ahead × the value
    of one, divided by (1 + discount) to the power of the month's number.
    """
    x, recency, age, mean = history
    found: dict[str, bgnbd.Floats | None] = {"alive_probability": purchases.alive(x, recency, age)}
    for days in section.horizons_days:
        found[f"expected_purchases_{days}d"] = purchases.expected(days / DAYS[period], x, recency, age)
    if values is None:
        return found | {"expected_value": None, "lifetime_value": None}
    # A mean of 0, of gifts alone, was left out of the fit: it tells as little of the value as no repeat purchase.
    worth = values.expected(np.where(mean > 0, x, 0.0), mean)
    discounted, before = np.zeros_like(x), np.zeros_like(x)
    for month in range(1, section.months + 1):
        until = purchases.expected(month * MONTH[period], x, recency, age)
        discounted += (until - before) / (1.0 + section.discount_per_month) ** month
        before = until
    return found | {"expected_value": worth, "lifetime_value": discounted * worth}


def summarise_lifetime(customers: DataFrame, models: Models, section: Lifetime, period: Period) -> DataFrame:
    """Customers of one cutoff of whom an order stands → rows of rfm/lifetime; none where nothing was fitted."""
    names = rfm_lifetime(section.horizons_days).names
    known = customers.where(F.col("repeat_period_count").isNotNull())
    history = known.select("customer_id", "cutoff", *HISTORY, "repeat_value_mean")
    schema = "customer_id string, cutoff date, " + ", ".join(f"{name} double" for name in names[2:])
    if models.purchases is None:
        nothing = (F.lit(None).cast("double").alias(name) for name in names[2:])
        return history.where("false").select("customer_id", "cutoff", *nothing)
    return history.mapInArrow(foresee(BetaGeo(**models.purchases.values), models.worth, section, period), schema)


def foresee_chances(
    customers: DataFrame, purchases: BetaGeo, values: GammaGamma | None, *, ahead_days: int
) -> pa.Table:
    """Customers with a row_id and histories in days → row_id, bgnbd_probability, bgnbd_spend: collected (an action).

    The probability of at least one purchase in the days ahead, and the spend that is expected of them (currency; null
    without a model of values).
    """
    table = customers.select("row_id", *HISTORY, "repeat_value_mean").toArrow()
    x, recency, age = (table[name].to_numpy().astype(np.float64) for name in HISTORY)
    spend = pa.nulls(table.num_rows, pa.float64())
    if values is not None:
        mean = table["repeat_value_mean"].fill_null(0.0).to_numpy()
        worth = values.expected(np.where(mean > 0, x, 0.0), mean)
        spend = pa.array(purchases.expected(ahead_days, x, recency, age) * worth)
    probability = purchases.buys(ahead_days, x, recency, age)
    return pa.table({"row_id": table["row_id"], "bgnbd_probability": probability, "bgnbd_spend": spend})
