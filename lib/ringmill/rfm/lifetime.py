"""A snapshot of customers → what the models of lifetime value foresee for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ringmill.config.rfm import Lifetime, Period
from ringmill.contracts import rfm_lifetime
from ringmill.lifetime.bgnbd import BetaGeo
from ringmill.lifetime.fit import HISTORY, Models
from ringmill.lifetime.foresee import Ahead, expected_value, foresee_columns
from ringmill.lifetime.gamma_gamma import GammaGamma


def foresee(
    purchases: BetaGeo, values: GammaGamma | None, ahead: Ahead
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """A function for `mapInArrow`: batches of customer_id, cutoff, HISTORY and repeat_value_mean → what is foreseen."""

    def foreseen(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            x, recency, age = (batch.column(name).to_numpy().astype(np.float64) for name in HISTORY)
            mean = batch.column("repeat_value_mean").fill_null(0.0).to_numpy(zero_copy_only=False)
            columns = foresee_columns(purchases, values, ahead, (x, recency, age, mean))
            none = pa.nulls(len(x), pa.float64())
            arrays = [none if column is None else pa.array(column) for column in columns.values()]
            kept = [batch.column("customer_id"), batch.column("cutoff")]
            yield pa.RecordBatch.from_arrays([*kept, *arrays], names=["customer_id", "cutoff", *columns])

    return foreseen


def summarise_lifetime(customers: DataFrame, models: Models, section: Lifetime, period: Period) -> DataFrame:
    """Customers of one cutoff of whom an order stands → rows of rfm/lifetime; none where nothing was fitted."""
    names = rfm_lifetime(section.horizons_days).names
    known = customers.where(F.col("repeat_period_count").isNotNull())
    history = known.select("customer_id", "cutoff", *HISTORY, "repeat_value_mean")
    schema = "customer_id string, cutoff date, " + ", ".join(f"{name} double" for name in names[2:])
    if models.purchases is None:
        nothing = (F.lit(None).cast("double").alias(name) for name in names[2:])
        return history.where("false").select("customer_id", "cutoff", *nothing)
    ahead = Ahead(section.horizons_days, section.months, section.discount_per_month, period)
    return history.mapInArrow(foresee(BetaGeo(**models.purchases.values), models.worth, ahead), schema)


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
        spend = pa.array(purchases.expected(ahead_days, x, recency, age) * expected_value(values, x, mean))
    probability = purchases.buys(ahead_days, x, recency, age)
    return pa.table({"row_id": table["row_id"], "bgnbd_probability": probability, "bgnbd_spend": spend})
