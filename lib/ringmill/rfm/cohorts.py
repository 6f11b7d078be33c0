"""Orders of one cutoff → cohorts by month of the first purchase, and what is left of each month after month."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ringmill.columns import MONEY_SCALE, local_date


def summarise_cohorts(orders: DataFrame, *, zone: str) -> DataFrame:
    """Orders of one cutoff, with it as a column, → one row per cohort and month with an order that stands.

    A customer's cohort is the local month of the first order that stands, month 0 of it; an order belongs to the month
    of its first sales line.

    Columns out: cutoff, cohort (the first day of its month), cohort_customers, months_since, customers (with an order
    in that month), orders, revenue (currency, of what stands).
    """
    standing = orders.where("stands").withColumn("month", _month(local_date(F.col("first_at"), zone)))
    first = F.min("month").over(Window.partitionBy("customer_id"))
    counted = (
        standing.withColumn("cohort_month", first)
        .groupBy("cutoff", "cohort_month", "month")
        .agg(
            F.count_distinct("customer_id").alias("customers"),
            F.count("*").alias("orders"),
            (F.sum("value") / F.lit(float(MONEY_SCALE))).alias("revenue"),
        )
    )
    # Everyone buys in month 0, so that its customers are the cohort's.
    whole = F.max("customers").over(Window.partitionBy("cutoff", "cohort_month"))
    return counted.select(
        "cutoff",
        F.make_date(F.floor(F.col("cohort_month") / 12).cast("int"), F.col("cohort_month") % 12 + 1, F.lit(1)).alias(
            "cohort"
        ),
        whole.alias("cohort_customers"),
        (F.col("month") - F.col("cohort_month")).alias("months_since"),
        "customers",
        "orders",
        "revenue",
    )


def _month(day: Column) -> Column:
    """Months since year 0."""
    return F.year(day) * 12 + F.month(day) - 1
