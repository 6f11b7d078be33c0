"""Order lines → one row of measures per (customer, cutoff), with the labels that followed; one pass, one shuffle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ringmill.columns import MONEY_SCALE, is_sale, is_seen, local_date, sum_money, was_customer_line
from ringmill.features.last_orders import LISTS, first_product, gathered_orders, last_order_lists
from ringmill.windows import horizon, look_back

KEYS = ("customer_id", "cutoff")
LINE = ("customer_id", "order_id", "product_id", "country", "line_total", "sells", "status")
TIMES = ("ordered_at", "known_at", "superseded_at")
BASE = (
    "days_since_last_order",
    "tenure_days",
    "order_count",
    "active_days",
    "gap_days_mean",
    "gap_days_trend",
    "gap_days_last",
    "gap_days_std",
    "spend_total",
    "spend_mean",
    "product_count",
    "basket_products_mean",
    "returns_share",
)


def measure_names(windows_days: Sequence[int], more: Sequence[str] = ()) -> tuple[str, ...]:
    """The measures' columns, in the order in which tables hold them; `more` as `summarise_measures` takes it."""
    windowed = [f"{measure}_{days}d" for days in windows_days for measure in ("order_count", "spend_total")]
    return (*BASE, *windowed, *more)


def summarise_measures(
    rows: DataFrame,
    cutoffs: Sequence[date],
    *,
    windows_days: Sequence[int],
    horizon_days: int | None,
    zone: str,
    last_orders: int = 0,
    more: Sequence[str] = (),
) -> DataFrame:
    """Clean lines → one row per (customer, cutoff) with a sales line before the cutoff.

    A line is seen by a cutoff when it happened and was known before the cutoff's local midnight, in the version that
    was known then; labels look only at [cutoff, cutoff + horizon_days), in the last version (law 2). With
    `horizon_days=None` (scoring) the labels are null.

    Columns out: customer_id, cutoff, the measures of `measure_names` (double; the gaps between days with orders are
    null below two such days, and gap_days_std is of the population), with `more` repeat_value_mean (currency: the mean
    over the days with orders after the first; null where there is none), country (null where the last line has none),
    with `last_orders` above 0 the lists of that many last orders (features/last_orders.py),
    label_buy (0/1), label_spend (currency), and last_seen_at, first_label_at, last_label_at: the instants that prove
    law 2.
    """
    lines = rows.where(was_customer_line()).withColumn("sells", is_sale()).select(*LINE, *TIMES)
    frame = _cutoff_table(rows.sparkSession, cutoffs, windows_days, horizon_days, zone)
    seen = is_seen(F.col("cutoff_at"))
    sale = seen & F.col("sells")
    follows = (F.col("ordered_at") >= F.col("cutoff_at")) & (F.col("ordered_at") < F.col("label_end"))
    label = F.col("sells") & (F.col("status") == "clean") & follows
    crossed = lines.crossJoin(F.broadcast(frame)).where(seen | label)
    # One shuffle: both groupings below hold whole customers in one partition.
    orders = (
        crossed.repartition("customer_id")
        .groupBy(*KEYS, "order_id")
        .agg(
            F.min(F.when(sale, local_date(F.col("ordered_at"), zone))).alias("day"),
            F.min(F.when(sale, F.col("ordered_at"))).alias("first_at"),
            F.max(F.when(sale, F.col("ordered_at"))).alias("last_at"),
            F.max(F.when(sale, F.struct("ordered_at", "country"))).alias("last_line"),
            F.collect_set(F.when(sale, F.col("product_id"))).alias("products"),
            *([first_product(sale).alias("first_product")] if last_orders else []),
            *(
                sum_money(F.when(sale & (F.col("ordered_at") >= F.col(f"start_{days}")), F.col("line_total"))).alias(
                    f"spend_{days}"
                )
                for days in windows_days
            ),
            sum_money(F.when(sale, F.col("line_total"))).alias("spend"),
            sum_money(F.abs(F.when(seen & ~F.col("sells"), F.col("line_total")))).alias("cancelled"),
            sum_money(F.when(label, F.col("line_total"))).alias("label_spend"),
            F.min(F.when(label, F.col("ordered_at"))).alias("first_label_at"),
            F.max(F.when(label, F.col("ordered_at"))).alias("last_label_at"),
        )
    )
    return _summarise_orders(orders, windows_days, last_orders, more).transform(_with_labels, horizon_days)


def _summarise_orders(
    orders: DataFrame, windows_days: Sequence[int], last_orders: int, more: Sequence[str]
) -> DataFrame:
    is_order = F.col("first_at").isNotNull()
    per_customer = orders.groupBy(*KEYS).agg(
        F.min("first_at").alias("first_at"),
        F.max("last_at").alias("last_seen_at"),
        F.max("last_line").getField("country").alias("country"),
        F.count_if(is_order).cast("double").alias("order_count"),
        *([gathered_orders(is_order).alias("orders")] if last_orders else []),
        F.array_sort(F.collect_set("day")).alias("days"),
        *([F.collect_list(F.struct("day", _units("spend"))).alias("spent")] if more else []),
        sum_money(F.col("spend")).alias("spend_total"),
        F.coalesce(sum_money(F.col("cancelled")), F.lit(0.0)).alias("cancelled_total"),
        F.size(F.array_distinct(F.flatten(F.collect_list("products")))).cast("double").alias("product_count"),
        F.avg(F.when(is_order, F.size("products").cast("double"))).alias("basket_products_mean"),
        *(
            F.coalesce(sum_money(F.col(f"spend_{days}")), F.lit(0.0)).alias(f"spend_total_{days}d")
            for days in windows_days
        ),
        *(
            F.count_if(F.col(f"spend_{days}").isNotNull()).cast("double").alias(f"order_count_{days}d")
            for days in windows_days
        ),
        sum_money(F.col("label_spend")).alias("label_spend"),
        F.min("first_label_at").alias("first_label_at"),
        F.max("last_label_at").alias("last_label_at"),
    )
    history = per_customer.where("order_count > 0")
    day_count = F.size("days")
    first_day, last_day = F.element_at("days", 1), F.element_at("days", -1)
    gap_mean = F.when(day_count > 1, F.date_diff(last_day, first_day) / (day_count - 1))
    earlier, later = (F.slice("days", first, day_count - 1) for first in (1, 2))
    gaps = F.zip_with(earlier, later, lambda one, next_one: F.date_diff(next_one, one))
    squares = F.aggregate(gaps, F.lit(0).cast("bigint"), lambda total, gap: total + gap * gap)
    # n Σ g² − (Σ g)² in whole numbers is exact, and 0 for equal gaps.
    spread = (day_count - 1) * squares - F.pow(F.date_diff(last_day, first_day), F.lit(2))
    last_gap = F.when(day_count > 1, F.date_diff(last_day, F.try_element_at("days", F.lit(-2))))
    return history.withColumns(
        {
            "days_since_last_order": F.date_diff(F.col("cutoff"), last_day).cast("double"),
            "tenure_days": F.date_diff(F.col("cutoff"), first_day).cast("double"),
            "active_days": day_count.cast("double"),
            "gap_days_mean": gap_mean,
            # Above 1: the customer slows down; below 1: buys ever more often.
            "gap_days_trend": last_gap / gap_mean,
            "gap_days_last": last_gap.cast("double"),
            "gap_days_std": F.when(day_count > 1, F.sqrt(spread) / (day_count - 1)),
            "spend_mean": F.col("spend_total") / F.col("order_count"),
            # Spend below a ten-thousandth sums to 0: whoever cancels then cancels all of it.
            "returns_share": F.coalesce(
                F.least(F.lit(1.0), F.try_divide(F.col("cancelled_total"), F.col("spend_total"))),
                (F.col("cancelled_total") > 0).cast("double"),
            ),
            **({"repeat_value_mean": _repeat_value_mean(first_day, day_count)} if more else {}),
            **(last_order_lists(F.col("orders"), last_orders) if last_orders else {}),
        }
    ).select(
        *KEYS,
        *measure_names(windows_days, more),
        "country",
        *(LISTS if last_orders else ()),
        "label_spend",
        "last_seen_at",
        "first_label_at",
        "last_label_at",
    )


def _units(amount: str) -> Column:
    """Whole ten-thousandths: their sum does not depend on its order."""
    return F.round(F.col(amount) * MONEY_SCALE).cast("bigint").alias("units")


def _repeat_value_mean(first_day: Column, day_count: Column) -> Column:
    after = F.filter("spent", lambda order: order["day"] > first_day)
    units = F.aggregate(after, F.lit(0).cast("bigint"), lambda total, order: total + order["units"])
    return F.when(day_count > 1, units / F.lit(float(MONEY_SCALE)) / (day_count - 1))


def _with_labels(customers: DataFrame, horizon_days: int | None) -> DataFrame:
    if horizon_days is None:
        return customers.withColumns(
            {"label_buy": F.lit(None).cast("double"), "label_spend": F.lit(None).cast("double")}
        )
    return customers.withColumns(
        {
            "label_buy": F.col("first_label_at").isNotNull().cast("double"),
            "label_spend": F.coalesce("label_spend", F.lit(0.0)),
        }
    )


def _cutoff_table(
    spark: SparkSession, cutoffs: Sequence[date], windows_days: Sequence[int], horizon_days: int | None, zone: str
) -> DataFrame:
    """One row per cutoff: its instant, each look-back's start and the label window's end."""
    columns = ["cutoff date", "cutoff_at timestamp", "label_end timestamp"]
    columns += [f"start_{days} timestamp" for days in windows_days]
    rows: list[tuple[date | datetime, ...]] = []
    for cutoff in cutoffs:
        labels = horizon(cutoff, horizon_days or 0, zone)
        starts = (look_back(cutoff, days, zone).start for days in windows_days)
        rows.append((cutoff, labels.start, labels.end, *starts))
    # Literals, not createDataFrame: no Python worker is started for a handful of constants.
    parts = [
        spark.range(1).select(*(F.lit(v).alias(c.split()[0]) for v, c in zip(r, columns, strict=True))) for r in rows
    ]
    return reduce(DataFrame.unionAll, parts)


def with_row_id(customers: DataFrame) -> DataFrame:
    """Add `row_id`, a 64-bit hash of (customer, cutoff) that does not depend on partitions or ranks."""
    return customers.withColumn("row_id", F.xxhash64("customer_id", F.col("cutoff").cast("string")))
