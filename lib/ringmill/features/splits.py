"""Customers → train, validation or test, and folds of train: by hashes, so that added rows move nobody."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

BUCKETS = 10_000


def bucket_of(customer: Column, *, salt: str, buckets: int = BUCKETS) -> Column:
    """From 0 to buckets − 1: the first 60 bits of SHA-256 of 'salt:customer', modulo `buckets`."""
    head = F.substring(F.sha2(F.concat(F.lit(f"{salt}:"), customer), 256), 1, 15)
    return F.conv(head, 16, 10).cast("bigint") % buckets


def split_of(customer: Column, shares: tuple[float, float, float], *, seed: int) -> Column:
    """The split of a customer: the same in every run and for every cutoff.

    The customer's bucket of 10,000 is compared with the cumulated shares.
    """
    bucket = bucket_of(customer, salt=str(seed))
    train, validation = round(shares[0] * BUCKETS), round((shares[0] + shares[1]) * BUCKETS)
    return F.when(bucket < train, "train").when(bucket < validation, "validation").otherwise("test")


def with_fold(customers: DataFrame, folds: int, *, seed: int) -> DataFrame:
    """Add `fold` (int) to rows of the train split: one for all rows of a customer; null in other splits."""
    fold = bucket_of(F.col("customer_id"), salt=f"fold:{seed}", buckets=folds).cast("int")
    return customers.withColumn("fold", F.when(F.col("split") == "train", fold))
