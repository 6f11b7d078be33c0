"""Order lines → one row per customer and cutoff: marketing's measures and the literature's, each under its own name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ringmill.columns import MONEY_SCALE, local_date
from ringmill.config.rfm import FreeOrders, Period
from ringmill.rfm.orders import SPAN, summarise_orders, summarise_versions, with_cutoffs

# 1970-01-01, day 0, was a Thursday; weeks begin on Monday, as pandas' and ISO's do.
MONDAY = 3


def summarise_customers(
    rows: DataFrame,
    cutoffs: Sequence[date],
    *,
    zone: str,
    period: Period = "day",
    free_orders: FreeOrders = "leave out",
    links: DataFrame | None = None,
) -> DataFrame:
    """Lines of clean/rows → one row per cutoff and customer with at least one sales line that the cutoff sees.

    `rows` hold amounts in one currency. With `links` (clean/cancellations) net columns leave out the pieces that had
    been taken back by the cutoff; without, which order a cancellation belongs to is not known: `spend_net` is then
    what spend is above cancellations, and order_count_net is null. See `summarise_history` for the columns.
    """
    versions = summarise_versions(rows, cutoffs, zone=zone, free_orders=free_orders, links=links)
    orders = summarise_orders(versions, cutoffs, with_links=links is not None)
    return summarise_history(orders, cutoffs, zone=zone, period=period, with_links=links is not None)


def summarise_history(
    orders: DataFrame, cutoffs: Sequence[date], *, zone: str, period: Period, with_links: bool
) -> DataFrame:
    """Rows of `summarise_orders` of these cutoffs → one row per customer and cutoff.

    Gross columns, the convention of the published figures for UCI Online Retail, count every order with a sales line:
    first_ordered_at, last_ordered_at, days_since_last_order, tenure_days (local calendar days: an order on the day
    before the cutoff is one day ago), order_count, repeat_order_count, spend_total, spend_mean (currency per order),
    country (of the last sales line; null where it has none). cancelled_total sums cancellation lines.

    Net columns count what stands: order_count_net, days_since_last_order_net (null where no order stands; both null
    without links), spend_net (currency). Gaps are calendar days between successive days with an order that stands:
    gap_days_mean, gap_days_std (of the population), gap_days_last; null below two such days.

    Of the literature, for orders that stand, in whole periods: repeat_period_count (periods with an order after the
    first: lifetimes' `frequency`), recency_age_periods (from the first to the last: `recency`), age_periods (from the
    first to the period of the day before the cutoff: `T`), and repeat_value_mean (value of the periods after the first
    ÷ their number: `monetary_value`; null where there is none, lifetimes writes 0). An order belongs to the period of
    its first sales line; orders of one period count as one purchase. All four are null where no order stands.

    Source: Hughes, Strategic Database Marketing (1994), for recency, frequency and monetary value; Fader, Hardie and
    Lee, Counting Your Customers the Easy Way (2005), for the literature's.
    """
    day = F.when(F.col("stands"), F.unix_date(local_date(F.col("first_at"), zone)))
    by_customer = Window.partitionBy("customer_id", *SPAN)
    in_time = by_customer.orderBy("stands", "first_at")
    timed = orders.withColumn("day", day).withColumn("period", _period(F.col("day"), period))
    placed = timed.withColumns(
        {
            # What does not stand sorts first and has no day, so the first that stands follows nothing.
            "gap_days": F.nullif(F.col("day") - F.lag("day").over(in_time), F.lit(0)),
            "is_new_period": F.col("period").isNotNull() & ~F.col("period").eqNullSafe(F.lag("period").over(in_time)),
            "is_repeat": F.col("period") > F.min("period").over(by_customer),
        }
    )
    sale, gap = F.col("first_at").isNotNull(), F.col("gap_days")
    grouped = placed.groupBy("customer_id", *SPAN).agg(
        F.min("first_at").alias("first_ordered_at"),
        F.max("last_at").alias("last_ordered_at"),
        F.count_if(sale).alias("order_count"),
        _money(F.col("spend")).alias("spend_total"),
        F.coalesce(_money(F.col("cancelled")), F.lit(0.0)).alias("cancelled_total"),
        F.max("last_country").getField("country").alias("country"),
        F.count_if("stands").alias("standing"),
        F.max(F.when(F.col("stands"), F.col("last_at"))).alias("last_standing_at"),
        F.coalesce(_money(F.when(F.col("stands"), F.col("value"))), F.lit(0.0)).alias("value"),
        F.count(gap).alias("gaps"),
        F.sum(gap).alias("gap_sum"),
        F.sum(gap.cast("bigint") * gap).alias("gap_squares"),
        F.max(F.when(gap.isNotNull(), F.struct("day", "gap_days"))).getField("gap_days").alias("gap_days_last"),
        F.min("period").alias("first_period"),
        F.max("period").alias("last_period"),
        F.count_if("is_new_period").alias("periods"),
        _money(F.when(F.col("is_repeat"), F.col("value"))).alias("repeat_value"),
    )
    seen = grouped.where("order_count > 0").transform(with_cutoffs, cutoffs)
    return _named(seen, zone=zone, period=period, with_links=with_links)


def _named(customers: DataFrame, *, zone: str, period: Period, with_links: bool) -> DataFrame:
    def days_since(instant: str) -> Column:
        return F.date_diff(F.col("cutoff"), local_date(F.col(instant), zone))

    gaps, gap_sum = F.col("gaps"), F.col("gap_sum")
    stands = F.col("standing") > 0
    last_seen_period = _period(F.unix_date(F.col("cutoff")) - 1, period)
    net = {
        "order_count_net": F.col("standing") if with_links else F.lit(None),
        "days_since_last_order_net": days_since("last_standing_at") if with_links else F.lit(None),
        "spend_net": F.col("value")
        if with_links
        else F.greatest(F.lit(0.0), F.col("spend_total") - F.col("cancelled_total")),
    }
    types = {"order_count_net": "bigint", "days_since_last_order_net": "int", "spend_net": "double"}
    return customers.select(
        "customer_id",
        "cutoff",
        "first_ordered_at",
        "last_ordered_at",
        days_since("last_ordered_at").alias("days_since_last_order"),
        days_since("first_ordered_at").alias("tenure_days"),
        "order_count",
        (F.col("order_count") - 1).alias("repeat_order_count"),
        "spend_total",
        (F.col("spend_total") / F.col("order_count")).alias("spend_mean"),
        "cancelled_total",
        *(value.cast(types[name]).alias(name) for name, value in net.items()),
        F.when(gaps > 0, gap_sum / gaps).alias("gap_days_mean"),
        F.when(gaps > 0, F.sqrt(gaps * F.col("gap_squares") - gap_sum * gap_sum) / gaps).alias("gap_days_std"),
        "gap_days_last",
        F.lit(period).alias("period"),
        F.when(stands, F.col("periods") - 1).cast("int").alias("repeat_period_count"),
        (F.col("last_period") - F.col("first_period")).alias("recency_age_periods"),
        (last_seen_period - F.col("first_period")).alias("age_periods"),
        F.when(F.col("periods") > 1, F.col("repeat_value") / (F.col("periods") - 1)).alias("repeat_value_mean"),
        "country",
    )


def _money(units: Column) -> Column:
    """The sum of ten-thousandths, as an amount."""
    return F.sum(units) / F.lit(float(MONEY_SCALE))


def _period(day: Column, period: Period) -> Column:
    """The number of the day, week (from Monday) or month that a day (counted from 1970-01-01) lies in."""
    if period == "day":
        return day
    if period == "week":
        return F.floor((day + MONDAY) / 7).cast("int")
    when = F.date_from_unix_date(day)
    return F.year(when) * 12 + F.month(when)
