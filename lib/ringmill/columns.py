"""Column expressions that several stages share, so that a sale, a sum of money and a local day mean one thing."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

# Money is summed as whole ten-thousandths: the sum is exact, so it does not depend on the order of partitions.
MONEY_SCALE = 10_000
# Between parts of a key; the unit separator of ASCII, which texts do not hold.
APART = "\x1f"


def sum_money(amount: Column) -> Column:
    """Exact, order-independent sum of an amount to four decimals; null where no amount is there."""
    return F.sum(F.round(amount * MONEY_SCALE).cast("bigint")) / F.lit(float(MONEY_SCALE))


def local_date(instant: Column, zone: str) -> Column:
    """The calendar date of a UTC instant in `zone`."""
    return F.to_date(F.from_utc_timestamp(instant, zone))


def is_sale() -> Column:
    """True on a line that sells: no cancellation, positive quantity and price. False where one of them is null."""
    return F.coalesce(F.expr("NOT is_cancellation AND quantity > 0 AND unit_price > 0"), F.lit(False))


def sells_or_gives() -> Column:
    """True on a line that sells or gives for nothing: as `is_sale`, with a price of 0 too."""
    return F.coalesce(F.expr("NOT is_cancellation AND quantity > 0 AND unit_price >= 0"), F.lit(False))


def with_order_keys(lines: DataFrame, zone: str) -> DataFrame:
    """Lines of clean/rows with an `order_id` that no two orders of a customer share.

    An id is unique within its store, where lines have a `store_id`; those without an id are one order per customer,
    store and local day.
    """
    nameless = F.concat(F.lit(APART), local_date(F.col("ordered_at"), zone).cast("string"))
    return within_store(lines.withColumn("order_id", F.coalesce("order_id", nameless)))


def within_store(frame: DataFrame) -> DataFrame:
    """The frame with an `order_id` that holds its store's too, where it has a `store_id`; null stays null."""
    if "store_id" not in frame.columns:
        return frame
    store = F.coalesce(F.col("store_id").cast("string"), F.lit(""))
    return frame.withColumn("order_id", F.concat("order_id", F.lit(APART), store))


def is_customer_line() -> Column:
    """True on a clean line of a known customer that sells or cancels."""
    return (F.col("status") == "clean") & _is_of_customer()


def was_customer_line() -> Column:
    """True on a line that is one, or was one until a later version of it became known."""
    return F.col("status").isin("clean", "superseded") & _is_of_customer()


def is_seen(cutoff: Column) -> Column:
    """True where a line had happened, was known, and was not yet superseded, at the instant `cutoff` (law 2).

    A correction that became known later must not take the line away from the past: what was known then is seen.
    """
    standing = F.col("superseded_at").isNull() | (F.col("superseded_at") >= cutoff)
    return (F.col("ordered_at") < cutoff) & (F.col("known_at") < cutoff) & standing


def _is_of_customer() -> Column:
    return F.col("customer_id").isNotNull() & (F.col("is_cancellation") | is_sale())
