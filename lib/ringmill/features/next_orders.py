"""Order lines → one row per (customer, cutoff): the orders seen as lists, and the next order; one shuffle.

An order is what one order_id sells of products to a known customer. It counts as seen as of a cutoff if a line of it
had happened, was known and was not superseded before the cutoff's local midnight (law 2, `columns.is_seen`), with those
lines alone. The next order is the first that begins in [cutoff, cutoff + horizon_days), in its last version; one that
began before the cutoff and was not known then is neither. Its group is that in which it spends most, of equal ones the
first by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ringmill.columns import is_sale, is_seen, local_date, sum_money, was_customer_line
from ringmill.config.sequences import Sequences
from ringmill.features.order_state import LISTS, OTHER, OrderState
from ringmill.windows import horizon

KEYS = ("customer_id", "cutoff")
TIMES = ("ordered_at", "known_at", "superseded_at")
SEEN = ("last_seen_at", "days_since_last_order", "order_count", "own_gap_days", "last_group", "own_group")
NEXT = ("next_group", "days", "first_label_at", "last_label_at")


def filter_order_lines(rows: DataFrame, *, code_characters: int) -> DataFrame:
    """Lines of clean/rows → those that sell a product to a known customer, or did so until a later version was known.

    Columns out: customer_id, order_id, group (the product's), line_total, status and the three times.
    """
    sales = rows.where(was_customer_line() & is_sale() & F.col("is_product"))
    group = F.upper(F.substring("product_id", 1, code_characters)).alias("group")
    return sales.select("customer_id", "order_id", group, "line_total", "status", *TIMES)


def summarise_sequences(
    lines: DataFrame, cutoffs: Sequence[date], *, horizon_days: int | None, history: int, zone: str
) -> DataFrame:
    """Order lines → one row per (customer, cutoff) with an order seen; `horizon_days=None` (scoring): without labels.

    Columns out: customer_id, cutoff; of the last `history` orders the lists that order_state.py reads; of all orders
    seen last_seen_at, days_since_last_order (double), order_count, own_gap_days (mean days between days with orders;
    null where there is one), last_group, own_group (of most orders, of as many the one that was there last); and of the
    next order next_group, days (double, from the cutoff), first_label_at and last_label_at, null where there is none.
    """
    frame = _cutoff_table(lines.sparkSession, cutoffs, horizon_days, zone)
    # One shuffle: all groupings below hold whole customers in one partition.
    alike = lines.repartition("customer_id").transform(_summarise_lines)
    crossed = alike.crossJoin(F.broadcast(frame)).where(F.col("ordered_at") < F.col("label_end"))
    gathered = crossed.transform(_summarise_orders).transform(_summarise_customers, zone)
    return gathered.withColumns(_of_orders(history)).select(*KEYS, *LISTS, *SEEN, *NEXT)


def _summarise_lines(lines: DataFrame) -> DataFrame:
    """Lines of one order and group that are seen or not seen alike → one: what is crossed with cutoffs is less."""
    alike = lines.groupBy("customer_id", "order_id", "group", "status", *TIMES)
    return alike.agg(sum_money(F.col("line_total")).alias("line_total"), F.count(F.lit(1)).alias("lines"))


def _summarise_orders(crossed: DataFrame) -> DataFrame:
    """Lines by cutoff → one row per (customer, cutoff, order): what is seen of it, and what follows of it."""
    seen = is_seen(F.col("cutoff_at"))
    follows = (F.col("status") == "clean") & (F.col("ordered_at") >= F.col("cutoff_at"))
    by_group = crossed.groupBy(*KEYS, "order_id", "group").agg(
        F.min("ordered_at").alias("began_at"),
        F.first("cutoff_at").alias("cutoff_at"),
        F.sum(F.when(seen, F.col("lines"))).alias("lines"),
        *_times("seen", seen),
        *_times("next", follows),
        sum_money(F.when(seen, F.col("line_total"))).alias("seen_spend"),
        sum_money(F.when(follows, F.col("line_total"))).alias("next_spend"),
    )
    return by_group.groupBy(*KEYS, "order_id").agg(
        F.min("began_at").alias("began_at"),
        F.first("cutoff_at").alias("cutoff_at"),
        F.sum("lines").cast("double").alias("lines"),
        sum_money(F.col("seen_spend")).alias("spend"),
        *(each(f"{side}_{end}").alias(f"{side}_{end}") for side in ("seen", "next") for each, end in _ENDS),
        *(_largest(f"{side}_spend").alias(f"{side}_group") for side in ("seen", "next")),
    )


_ENDS = ((F.min, "first"), (F.max, "last"))


def _times(side: str, counts: Column) -> list[Column]:
    return [each(F.when(counts, F.col("ordered_at"))).alias(f"{side}_{end}") for each, end in _ENDS]


def _largest(spend: str) -> Column:
    """Aggregate of an order's groups: the one with the largest spend, of equal ones the first; null where none has."""
    return F.min(F.when(F.col(spend).isNotNull(), F.struct((-F.col(spend)).alias("less"), "group"))).getField("group")


def _summarise_customers(orders: DataFrame, zone: str) -> DataFrame:
    """One row per (customer, cutoff) with an order seen: `orders` seen, by their first instant, and the next one."""
    day = local_date(F.col("seen_first"), zone).alias("day")
    one = F.struct("seen_first", "order_id", day, F.col("seen_group").alias("group"), "spend", "lines")
    following = F.struct("next_first", "order_id", "next_group", "next_last")
    begins = F.col("next_first").isNotNull() & (F.col("began_at") >= F.col("cutoff_at"))
    gathered = orders.groupBy(*KEYS).agg(
        F.array_sort(F.collect_list(F.when(F.col("seen_first").isNotNull(), one))).alias("orders"),
        F.max("seen_last").alias("last_seen_at"),
        F.min(F.when(begins, following)).alias("next"),
    )
    next_at = F.col("next.next_first")
    return gathered.where(F.size("orders") > 0).withColumns(
        {
            "next_group": F.col("next.next_group"),
            "days": F.date_diff(local_date(next_at, zone), F.col("cutoff")).cast("double"),
            "first_label_at": next_at,
            "last_label_at": F.col("next.next_last"),
        }
    )


def _of_orders(history: int) -> dict[str, Column]:
    """What is said of the orders seen, an array by time: the lists of the last ones, and columns of all."""
    orders = F.col("orders")
    days = F.transform(orders, lambda order: order["day"])
    groups = F.transform(orders, lambda order: order["group"])
    before = F.concat(F.array(F.lit(None).cast("date")), days)
    gaps = F.zip_with(orders, before, lambda order, day: F.date_diff(order["day"], day).cast("double"))
    lists = (
        groups,
        # The list of days before is longer by one, and what it says of no order comes last.
        F.slice(gaps, 1, F.size(orders)),
        F.transform(days, lambda day: F.date_diff(F.col("cutoff"), day).cast("double")),
        F.transform(orders, lambda order: order["spend"]),
        F.transform(orders, lambda order: order["lines"]),
    )
    start = F.greatest(F.size(orders) - (history - 1), F.lit(1))
    first_day, last_day, with_orders = F.element_at(days, 1), F.element_at(days, -1), F.size(F.array_distinct(days))
    counted = F.transform(
        F.array_distinct(groups),
        lambda group: F.struct(
            F.size(F.filter(groups, lambda other: other == group)).alias("orders"),
            # Counted from the end, so that the latest is the greatest.
            (-F.array_position(F.reverse(groups), group)).alias("latest"),
            group.alias("group"),
        ),
    )
    return {
        **{name: F.slice(found, start, F.lit(history)) for name, found in zip(LISTS, lists, strict=True)},
        "days_since_last_order": F.date_diff(F.col("cutoff"), last_day).cast("double"),
        "order_count": F.size(orders).cast("bigint"),
        "own_gap_days": F.when(with_orders > 1, F.date_diff(last_day, first_day) / (with_orders - 1)),
        "last_group": F.element_at(groups, -1),
        "own_group": F.array_max(counted).getField("group"),
    }


def with_labels(customers: DataFrame, state: OrderState, section: Sequences) -> DataFrame:
    """Rows of `summarise_sequences` → with row_id, split, comes, category, last_category and own_category instead of
    the groups; a next order of a group that is none of the state's categories has a null category."""
    split = F.lit(None).cast("string")
    for name, cutoffs in section.cutoffs_by_split.items():
        split = F.when(F.col("cutoff").isin(*cutoffs), name).otherwise(split)
    known = F.lit(OTHER) if state.others else F.lit(None).cast("string")

    def category(group: str, otherwise: Column) -> Column:
        return F.when(F.col(group).isin(*state.groups), F.col(group)).when(F.col(group).isNotNull(), otherwise)

    return customers.withColumns(
        {
            "row_id": F.xxhash64("customer_id", F.col("cutoff").cast("string")),
            "split": split,
            "comes": F.when(F.col("first_label_at").isNotNull(), "yes").otherwise("no"),
            "category": category("next_group", known),
            "last_category": category("last_group", F.lit(OTHER)),
            "own_category": category("own_group", F.lit(OTHER)),
        }
    ).drop("next_group", "last_group", "own_group")


def _cutoff_table(spark: SparkSession, cutoffs: Sequence[date], horizon_days: int | None, zone: str) -> DataFrame:
    """One row per cutoff: its instant, and the label window's end."""
    rows: list[tuple[date, datetime, datetime]] = []
    for cutoff in cutoffs:
        labels = horizon(cutoff, horizon_days or 0, zone)
        rows.append((cutoff, labels.start, labels.end))
    # Literals, not createDataFrame: no Python worker is started for a handful of constants.
    names = ("cutoff", "cutoff_at", "label_end")
    parts = [spark.range(1).select(*(F.lit(v).alias(n) for n, v in zip(names, row, strict=True))) for row in rows]
    return reduce(DataFrame.unionAll, parts)
