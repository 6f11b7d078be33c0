"""Order lines → one row per order and span of cutoffs, as these knew it; lines are read once for all cutoffs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ringmill.columns import MONEY_SCALE, is_sale, sells_or_gives
from ringmill.config.rfm import FreeOrders
from ringmill.windows import midnight

KEYS = ("customer_id", "order_id")
SPAN = ("first_seen", "end_seen")


def summarise_versions(
    rows: DataFrame,
    cutoffs: Sequence[date],
    *,
    zone: str,
    free_orders: FreeOrders = "leave out",
    links: DataFrame | None = None,
) -> DataFrame:
    """Lines of clean/rows → one row per customer, order, country and run of cutoffs that see the same lines.

    A line is seen by the cutoffs number `first_seen` to `end_seen` − 1, counted in the order of their dates: those
    after it happened and was known, until a later version of it was known (law 2; `columns.is_seen` says the same of
    one cutoff). Nearly every order has one such row, so that what follows grows with orders and not with lines. Rows
    and links have order ids that no two orders of a customer share (`columns.with_order_keys`). A line free of charge
    sells nothing, unless `free_orders` is "count", as lifetimes counts orders of no value. `links`
    (clean/cancellations) add rows.

    Columns out: customer_id, order_id, country, first_seen, end_seen, first_at and last_at (of sales lines; null where
    there is none), pieces, taken_pieces (what links take back), and spend, cancelled, taken_spend in whole
    ten-thousandths of the currency: sums are exact, and cheap from here on; latest_at, the latest instant at which one
    of its lines or links happened or became known.
    """
    instants = [midnight(cutoff, zone) for cutoff in sorted(cutoffs)]
    sale = is_sale() if free_orders == "leave out" else sells_or_gives()
    of_customer = F.col("status").isin("clean", "superseded") & F.col("customer_id").isNotNull()
    dated = F.col("ordered_at").isNotNull() & F.col("known_at").isNotNull()
    lines = rows.where(of_customer & dated & (F.col("is_cancellation") | sale)).withColumns(
        {
            "first_seen": _passed(instants, F.greatest("ordered_at", "known_at")),
            "end_seen": F.coalesce(_passed(instants, F.col("superseded_at")), F.lit(len(instants))),
        }
    )
    found = (
        lines.where("first_seen < end_seen")
        .groupBy(*KEYS, "country", *SPAN)
        .agg(
            F.min(F.when(sale, F.col("ordered_at"))).alias("first_at"),
            F.max(F.when(sale, F.col("ordered_at"))).alias("last_at"),
            F.sum(F.when(sale, F.col("quantity"))).alias("pieces"),
            _units(F.when(sale, F.col("line_total"))).alias("spend"),
            _units(F.abs(F.when(F.col("is_cancellation"), F.col("line_total")))).alias("cancelled"),
            F.lit(None).cast("bigint").alias("taken_pieces"),
            F.lit(None).cast("bigint").alias("taken_spend"),
            F.max(F.greatest("ordered_at", "known_at")).alias("latest_at"),
        )
    )
    if links is None:
        return found
    of_sales = links if free_orders == "count" else links.where("order_price > 0")
    return found.unionByName(_taken_back(of_sales, instants), allowMissingColumns=True)


def summarise_orders(versions: DataFrame, cutoffs: Sequence[date], *, with_links: bool) -> DataFrame:
    """Rows of `summarise_versions` → one row per order and span of these cutoffs that see the same of its customer.

    A span is the cutoffs number `first_seen` to `end_seen` − 1, the same for all orders of a customer (a cancellation's
    own id among them): of who buys twice a year, twelve month ends have two or three. `stands` is true for an order
    with a sales line of which, `with_links`, not all pieces had been taken back by then; `value` is what its sales
    lines come to, less what was taken back of them, at least 0. All rows of a customer lie in one partition.

    Columns out: customer_id, first_seen, end_seen, order_id, first_at, last_at, spend, cancelled, value
    (ten-thousandths of the currency), stands, last_country (struct of the last line's instant and country; of lines at
    one instant the alphabetically last country, so that reruns agree).
    """
    own = versions.repartition("customer_id")
    # Of one cutoff every run is its whole span already: no customer need be sorted to find bounds.
    orders = (
        (own.transform(_with_spans) if len(cutoffs) > 1 else own)
        .groupBy("customer_id", *SPAN, "order_id")
        .agg(
            F.min("first_at").alias("first_at"),
            F.max("last_at").alias("last_at"),
            F.sum("pieces").alias("pieces"),
            F.sum("spend").alias("spend"),
            F.sum("cancelled").alias("cancelled"),
            F.sum("taken_pieces").alias("taken_pieces"),
            F.sum("taken_spend").alias("taken_spend"),
            F.max(F.when(F.col("last_at").isNotNull(), F.struct("last_at", "country"))).alias("last_country"),
        )
    )
    has_sale = F.col("first_at").isNotNull()
    left = F.col("pieces") > F.coalesce("taken_pieces", F.lit(0))
    value = F.greatest(F.lit(0), F.col("spend") - F.coalesce("taken_spend", F.lit(0)))
    return orders.withColumns(
        {
            "stands": has_sale & left if with_links else has_sale,
            "value": F.when(has_sale, value) if with_links else F.col("spend"),
        }
    ).drop("pieces", "taken_pieces", "taken_spend")


def seen_as_of(versions: DataFrame, cutoffs: Sequence[date], cutoff: date) -> DataFrame:
    """Rows of `summarise_versions` of these cutoffs → those that one of them sees, as they are of it alone."""
    number = sorted(cutoffs).index(cutoff)
    seen = versions.where((F.col("first_seen") <= number) & (F.col("end_seen") > number))
    return seen.withColumns({"first_seen": F.lit(0), "end_seen": F.lit(1)})


def with_cutoffs(spans: DataFrame, cutoffs: Sequence[date]) -> DataFrame:
    """Rows of spans of these cutoffs → a row for each cutoff of each, with the column `cutoff` instead of the span."""
    days = F.array(*(F.lit(cutoff) for cutoff in sorted(cutoffs)))
    number = F.explode(F.sequence("first_seen", F.col("end_seen") - 1))
    return spans.withColumn("cutoff", number).withColumn("cutoff", F.get(days, F.col("cutoff"))).drop(*SPAN)


def latest_by_cutoff(versions: DataFrame, cutoffs: Sequence[date]) -> dict[date, str]:
    """By cutoff the latest instant (UTC) at which anything that it sees happened or became known (one action)."""
    spans = versions.groupBy(*SPAN).agg(F.max("latest_at").alias("latest_at"))
    latest = F.max("latest_at").cast("timestamp_ntz").cast("string")
    return dict(with_cutoffs(spans, cutoffs).groupBy("cutoff").agg(latest).collect())


def _with_spans(versions: DataFrame) -> DataFrame:
    """Each row as often as spans of its customer's lie in its run of cutoffs, `first_seen` and `end_seen` the span's.

    Nothing of a customer begins or ends to be seen within a span.
    """
    own = Window.partitionBy("customer_id")
    bounds = F.sort_array(F.array_union(*(F.collect_set(bound).over(own) for bound in SPAN)))
    begins, ends = (F.array_position("bounds", F.col(bound)) for bound in SPAN)
    spread = versions.withColumn("bounds", bounds).withColumn("span", F.explode(F.sequence(begins, ends - 1)))
    bounded = {bound: F.get("bounds", F.col("span") - 1 + place) for place, bound in enumerate(SPAN)}
    return spread.withColumns(bounded).drop("bounds", "span")


def _units(amount: Column) -> Column:
    """The exact sum of an amount, in whole ten-thousandths; null where no amount is there."""
    return F.sum(F.round(amount * MONEY_SCALE).cast("bigint"))


def _passed(instants: Sequence[datetime], instant: Column) -> Column:
    """How many cutoffs lie at or before an instant; null for a null."""
    return reduce(Column.__add__, ((F.lit(cutoff) <= instant).cast("int") for cutoff in instants))


def _taken_back(links: DataFrame, instants: Sequence[datetime]) -> DataFrame:
    """Links → rows like those of lines, with what each order's cancellations take back, by the cutoffs that see it.

    A link is seen after it happened and was known, and until it was superseded.
    """
    seen = links.where(F.col("order_id").isNotNull()).withColumns(
        {
            "first_seen": _passed(instants, F.greatest("cancelled_at", "known_at")),
            "end_seen": F.coalesce(_passed(instants, F.col("superseded_at")), F.lit(len(instants))),
            "country": F.lit(None).cast("string"),
        }
    )
    return (
        seen.where("first_seen < end_seen")
        .groupBy(*KEYS, "country", *SPAN)
        .agg(
            F.sum("pieces").alias("taken_pieces"),
            _units(F.col("pieces") * F.col("order_price")).alias("taken_spend"),
            F.max(F.greatest("cancelled_at", "known_at")).alias("latest_at"),
        )
    )
