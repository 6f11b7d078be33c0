"""Customers and examples → train, validation or test, by hashes or by time, and folds of train.

Added rows move nobody where no split is stratified. Where one is, customers who come later move nobody, and an example
moves two others at most of each label that gains or loses it. More cannot be promised without a memory of earlier runs:
if no added row ever moved anybody, a customer's split would hang on that customer alone, and shares on chance.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ringmill.config.models import Features

BUCKETS = 10_000
GOLDEN = (5**0.5 - 1) / 2


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


def with_stratified_split(
    examples: DataFrame, key: str, label: str, shares: tuple[float, float, float], *, seed: int
) -> DataFrame:
    """Add `split`: the shares hold within each label to half a key.

    Rows with one `key`, a string, are one, under the first of their labels. The keys of a label stand in the order of
    a hash, and the first of them are train, the next validation. An added key moves one other at most over each of the
    two bounds of its label; so does a key that gets another label, in both.
    """
    drawn = bucket_of(F.col(key), salt=str(seed), buckets=2**53)
    within = Window.partitionBy("_stratum")
    numbered = examples.withColumn("_stratum", F.min(label).over(Window.partitionBy(key))).withColumn(
        "_number", F.dense_rank().over(within.orderBy(drawn, key))
    )
    place = (F.col("_number") - 0.5) / F.max("_number").over(within)
    split = F.when(place < shares[0], "train").when(place < shares[0] + shares[1], "validation").otherwise("test")
    return numbered.select(*examples.columns, split.alias("split"))


def with_split(customers: DataFrame, section: Features, *, seed: int) -> DataFrame:
    """Add `split` to rows of (customer, cutoff), by the kind that the section declares.

    `group`: the customer's, at every cutoff. `time`: the cutoff's, for every customer. `both`: where the two agree,
    else null, so that neither a customer nor an instant is in two splits.
    """
    by_time = F.lit(None).cast("string")
    for split, cutoffs in section.cutoffs_by_split.items():
        by_time = F.when(F.col("cutoff").isin(*cutoffs), split).otherwise(by_time)
    if section.split.kind == "time":
        return customers.withColumn("split", by_time)
    if section.split.stratify:
        grouped = _with_stratified(customers, section.split.stratify, section.shares, seed)
    else:
        grouped = customers.withColumn("split", split_of(F.col("customer_id"), section.shares, seed=seed))
    if section.split.kind == "group":
        return grouped
    return grouped.withColumn("split", F.when(F.col("split") == by_time, by_time))


def _with_stratified(
    customers: DataFrame, strata: Sequence[str], shares: tuple[float, float, float], seed: int
) -> DataFrame:
    """The shares within each stratum up to a few customers, and the same for ever as long as customers are appended.

    A customer's stratum is what `strata` are at the first cutoff. Within it customers are numbered by their first day
    with an order, then by a hash, and number n gets the place n·φ + offset modulo 1 among the cumulated shares, with
    the golden ratio φ and the stratum's own offset: such places fill the shares evenly (Kronecker's sequence). Whoever
    comes later moves nobody; a customer who is added with an earlier first day, or on the same day with a lower hash,
    moves those after it in the stratum. So does whoever gets another stratum: by late rows, or by another first cutoff.
    """
    first_day = F.date_sub("cutoff", F.col("tenure_days").cast("int"))
    per_customer = customers.groupBy("customer_id").agg(
        F.min(first_day).alias("_day"),
        F.min_by(F.to_json(F.struct(*strata)), "cutoff").alias("_stratum"),
    )
    drawn = bucket_of(F.col("customer_id"), salt=str(seed), buckets=2**53)
    in_order = Window.partitionBy("_stratum").orderBy("_day", drawn, "customer_id")
    offset = bucket_of(F.col("_stratum"), salt=str(seed)) / BUCKETS
    place = ((F.row_number().over(in_order) - 1) * GOLDEN + offset) % 1.0
    split = F.when(place < shares[0], "train").when(place < shares[0] + shares[1], "validation").otherwise("test")
    assigned = per_customer.select("customer_id", split.alias("split"))
    return customers.join(assigned, "customer_id")


def with_fold(customers: DataFrame, folds: int, *, seed: int) -> DataFrame:
    """Add `fold` (int) to rows of the train split: one for all rows of a customer; null in other splits."""
    fold = bucket_of(F.col("customer_id"), salt=f"fold:{seed}", buckets=folds).cast("int")
    return customers.withColumn("fold", F.when(F.col("split") == "train", fold))
