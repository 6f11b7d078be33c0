"""Order lines → one row per customer as of a cutoff."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ringmill.columns import is_sale, is_seen, local_date, sum_money, was_customer_line
from ringmill.windows import midnight


def filter_seen(rows: DataFrame, cutoff: date, *, zone: str) -> DataFrame:
    """Keep customers' lines as they were known before the cutoff's local midnight (law 2)."""
    return rows.where(was_customer_line() & is_seen(F.lit(midnight(cutoff, zone))))


def summarise_customers(rows: DataFrame, cutoff: date, *, zone: str) -> DataFrame:
    """Lines of clean/rows → one row per customer with at least one sales line before `cutoff`.

    Orders are counted by distinct `order_id`. Days are local calendar days: an order on the day before the cutoff is
    one day ago. Cancellation lines count in `cancelled_total`; `spend_total` is gross of them, the convention of the
    published figures for UCI Online Retail, and `spend_net` is what remains: an order of 74,215 pieces that was
    cancelled minutes later is worth nothing. A cancellation of an order from before the data cannot make it negative.

    Columns out: customer_id, cutoff, first_ordered_at, last_ordered_at, days_since_last_order (days), tenure_days
    (days), order_count, repeat_order_count, spend_total (currency), spend_mean (currency per order), cancelled_total
    (currency), spend_net (currency), country (null where the last line has none).

    Source: Hughes, Strategic Database Marketing (1994), for recency, frequency and monetary value.
    """
    seen = rows.transform(filter_seen, cutoff, zone=zone)
    sale = is_sale()
    sale_at = F.when(sale, F.col("ordered_at"))
    grouped = (
        seen.groupBy("customer_id")
        .agg(
            F.min(sale_at).alias("first_ordered_at"),
            F.max(sale_at).alias("last_ordered_at"),
            F.count_distinct(F.when(sale, F.col("order_id"))).alias("order_count"),
            sum_money(F.when(sale, F.col("line_total"))).alias("spend_total"),
            F.coalesce(sum_money(F.abs(F.when(F.col("is_cancellation"), F.col("line_total")))), F.lit(0.0)).alias(
                "cancelled_total"
            ),
            # Of lines at the same instant the alphabetically last country: any fixed rule, so that reruns agree.
            F.max(F.when(sale, F.struct("ordered_at", "country"))).getField("country").alias("country"),
        )
        .where("order_count > 0")
    )
    day = F.lit(cutoff)
    return grouped.select(
        "customer_id",
        day.alias("cutoff"),
        "first_ordered_at",
        "last_ordered_at",
        F.date_diff(day, local_date(F.col("last_ordered_at"), zone)).alias("days_since_last_order"),
        F.date_diff(day, local_date(F.col("first_ordered_at"), zone)).alias("tenure_days"),
        "order_count",
        (F.col("order_count") - 1).alias("repeat_order_count"),
        "spend_total",
        (F.col("spend_total") / F.col("order_count")).alias("spend_mean"),
        "cancelled_total",
        F.greatest(F.lit(0.0), F.col("spend_total") - F.col("cancelled_total")).alias("spend_net"),
        "country",
    )
