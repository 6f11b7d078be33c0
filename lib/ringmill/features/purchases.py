"""Order lines → who bought which product first when; the rows that are learnt from, and what each customer has bought.

A line counts as of an instant if it happened, was known and was not superseded before it (law 2, `columns.is_seen`).
"""

from __future__ import annotations

import json
from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.columns import is_sale, is_seen, was_customer_line
from ringmill.config.recommend import Recommend
from ringmill.errors import InputError
from ringmill.features.products import FIRST, ProductState
from ringmill.windows import Window

KEYS = ("customer_id", "product_id")
TIMES = ("ordered_at", "known_at", "superseded_at")


def filter_sales(rows: DataFrame) -> DataFrame:
    """Lines of clean/rows → those that sell a product to a known customer, or did so until a later version was known,
    with what the functions below read."""
    sales = rows.where(was_customer_line() & is_sale() & F.col("is_product"))
    return sales.select(*KEYS, "order_id", *TIMES, "status")


def summarise_purchases(sales: DataFrame, before: datetime) -> DataFrame:
    """Sales → one row per customer and product that a sale was seen of before the instant.

    Columns out: customer_id, product_id, first_at and last_at (of the product's sales), orders (how many had it).
    """
    return _summarise(sales.where(is_seen(F.lit(before))))


def summarise_window(sales: DataFrame, span: Window) -> DataFrame:
    """Sales, in their last version → as `summarise_purchases`, of sales within the window."""
    within = (F.col("ordered_at") >= F.lit(span.start)) & (F.col("ordered_at") < F.lit(span.end))
    return _summarise(sales.where((F.col("status") == "clean") & within))


def _summarise(lines: DataFrame) -> DataFrame:
    return lines.groupBy(*KEYS).agg(
        F.min("ordered_at").alias("first_at"),
        F.max("ordered_at").alias("last_at"),
        F.count_distinct("order_id").alias("orders"),
    )


def fit_products(purchases: DataFrame, section: Recommend) -> ProductState:
    """The train split's purchases → the products that enough customers bought.

    Raises:
        InputError: there are fewer than two such products.
    """
    counts = purchases.groupBy("product_id").agg(F.count(F.lit(1)).alias("customers"))
    found = counts.where(F.col("customers") >= section.least_customers).orderBy(F.desc("customers"), "product_id")
    rows = found.collect()
    if len(rows) < 2:
        where = "the purchases before recommend.validation_cutoff"
        expected = f"at least 2 products that {section.least_customers} customers or more bought"
        todo = "give more orders, a later recommend.validation_cutoff or a smaller recommend.least_customers"
        raise InputError.unfit(where, expected, f"{len(rows)}", todo)
    return ProductState(
        tuple(row["product_id"] for row in rows), tuple(row["customers"] for row in rows), section.history
    )


def with_product(purchases: DataFrame, state: ProductState) -> DataFrame:
    """Add `product`, the product's id; rows of products without one are left out."""
    # One literal: code for an array of thousands of them takes longer than the join.
    products = F.from_json(F.lit(json.dumps(state.products)), "array<string>")
    names = purchases.sparkSession.range(1).select(F.posexplode(products).alias("place", "product_id"))
    ids = names.select("product_id", (F.col("place") + FIRST).cast("int").alias("product"))
    return purchases.join(F.broadcast(ids), "product_id")


def summarise_customers(purchases: DataFrame) -> DataFrame:
    """Purchases with ids → one row per customer.

    Columns out, arrays of ids: past (by the first purchase, the latest first, of one instant the lowest id first), and
    favourites (those in most orders first, of as many the one bought last, then the lowest id).
    """
    past = F.struct(-F.unix_micros("first_at"), "product")
    favourites = F.struct((-F.col("orders")).alias("orders"), -F.unix_micros("last_at"), "product")
    return purchases.groupBy("customer_id").agg(
        *(_ordered(by).alias(name) for name, by in (("past", past), ("favourites", favourites)))
    )


def _ordered(by: Column) -> Column:
    return F.transform(F.array_sort(F.collect_list(by)), lambda each: each["product"])


def train_rows(purchases: DataFrame, state: ProductState, *, cutoff: datetime) -> DataFrame:
    """Purchases with ids before the cutoff → the train split's rows: each sees its customer's other products.

    All of them lie before the cutoff, so none of it is in a later split. A row that saw its own past alone would hide
    what is bought together, and a customer's first order would teach nothing.
    """
    customers = summarise_customers(purchases).select("customer_id", "past")
    others = F.slice(F.array_remove("past", F.col("product")), 1, state.history)
    return _rows(purchases.join(customers, "customer_id"), others, state, seen_before=F.lit(cutoff), split="train")


def later_rows(bought: DataFrame, before: DataFrame, state: ProductState, *, cutoff: datetime, split: str) -> DataFrame:
    """Purchases with ids of a window, and those before its cutoff → the rows of a later split.

    A row is a product that a customer of before buys for the first time; it sees what was bought before the cutoff.
    """
    customers = summarise_customers(before).select("customer_id", "past")
    rows = bought.join(before, list(KEYS), "left_anti").join(customers, "customer_id")
    return _rows(rows, F.slice("past", 1, state.history), state, seen_before=F.lit(cutoff), split=split)


def _rows(rows: DataFrame, before: Column, state: ProductState, *, seen_before: Column, split: str) -> DataFrame:
    none = F.array_repeat(F.lit(0), state.history)
    x = F.slice(F.concat(F.array("product"), before, none), 1, state.length)
    return rows.select(
        F.xxhash64(*KEYS).alias("row_id"),
        *KEYS,
        F.col("first_at").alias("bought_at"),
        seen_before.alias("seen_before"),
        "product",
        x.alias("x"),
        F.lit(split).alias("split"),
    )


def summarise_tests(bought: DataFrame, before: DataFrame) -> DataFrame:
    """Purchases with ids of the test window, and those before it → one row per customer who is in both.

    Columns out: customer_id, past and favourites as `summarise_customers`, bought (array of ids, ascending).
    """
    window = bought.groupBy("customer_id").agg(F.array_sort(F.collect_list("product")).alias("bought"))
    return summarise_customers(before).join(window, "customer_id")
