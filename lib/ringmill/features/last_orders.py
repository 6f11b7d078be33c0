"""A customer's last orders as lists of equal length, oldest first: what a cutoff sees of them (law 2)."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

GAP_DAYS, SPEND, PRODUCT = "last_orders_gap_days", "last_orders_spend", "last_orders_product"
LISTS = (GAP_DAYS, SPEND, PRODUCT)


def first_product(sale: Column) -> Column:
    """Aggregate of an order's lines: the product of the line that sold for most, of equal ones the lowest code."""
    return F.min(F.when(sale, F.struct((-F.col("line_total")).alias("less"), "product_id"))).getField("product_id")


def gathered_orders(is_order: Column) -> Column:
    """Aggregate of a customer's orders: all of them with what the lists hold, by their first instant."""
    order = F.struct("first_at", "order_id", "day", "spend", "first_product")
    return F.array_sort(F.collect_list(F.when(is_order, order)))


def last_order_lists(orders: Column, most: int) -> dict[str, Column]:
    """What `gathered_orders` gathered → the columns of LISTS, of the last `most` orders.

    last_orders_gap_days (array<double>): local days since the order before, which may lie before the list; null for
    the customer's first. last_orders_spend (array<double>): currency. last_orders_product (array<string>).
    """
    before = F.concat(F.array(F.lit(None).cast("date")), F.transform(orders, lambda order: order["day"]))
    gaps = F.zip_with(orders, before, lambda order, day: F.date_diff(order["day"], day).cast("double"))
    lists = {
        # The list of days before is longer by one, and what it says of no order comes last.
        GAP_DAYS: F.slice(gaps, 1, F.size(orders)),
        SPEND: F.transform(orders, lambda order: order["spend"]),
        PRODUCT: F.transform(orders, lambda order: order["first_product"]),
    }
    start = F.greatest(F.size(orders) - (most - 1), F.lit(1))
    return {name: F.slice(found, start, F.lit(most)) for name, found in lists.items()}
