"""Rows of clean/rows → links from cancellations to their orders; Spark's half of `matching`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ringmill.clean.matching import Line, Link, match_cancellations
from ringmill.contracts import Table
from ringmill.contracts.clean import TOLD_APART, cancellations_table

GROUP = ("customer_id", "product_id")
INSTANTS = ("cancelled_at", "ordered_at", "known_at", "superseded_at")
# Links are put into batches of this many for the way back to Spark.
BATCH = 10_000


def link_cancellations(rows: DataFrame) -> DataFrame:
    """Rows of clean/rows → one row per link of `cancellations_table`; the rows stay as they are.

    Clean and superseded lines take part, each from `known_at` until `superseded_at`: a version that stood for a time
    was cancelled, or was a cancellation, for that time. Rejected and duplicate lines do not, nor lines without a
    customer, product or order id, which a link could not name. What was given free of charge is taken back by lines
    free of charge alone, and what was bought in one store or currency in that one. The result does not depend on how
    rows are distributed. One shuffle by customer and product, of the pairs that have a cancellation.
    """
    table = cancellations_table(rows.columns)
    apart = [column.name for column in TOLD_APART if column.name in table.names]
    group = [*GROUP, *apart, "is_free"]
    lines = rows.where(_takes_part()).select(
        *GROUP,
        *(F.col(name).cast("string").alias(name) for name in apart),
        F.coalesce(F.col("unit_price") <= 0, F.lit(False)).alias("is_free"),
        F.unix_micros("ordered_at").alias("happened_at"),
        F.unix_micros("known_at").alias("known_at"),
        "order_id",
        F.col("unit_price").alias("price"),
        F.abs("quantity").alias("pieces"),
        # Whatever else tells two lines apart, so that none of it is left to chance.
        F.xxhash64("line_id", "description", "country").alias("tie"),
        "is_cancellation",
        F.unix_micros("superseded_at").alias("superseded_at"),
    )
    cancelled = lines.where("is_cancellation").select(*GROUP)
    involved = lines.join(cancelled, list(GROUP), "left_semi").repartition(*GROUP).sortWithinPartitions(*group)
    links = involved.mapInArrow(_linker(table, len(group)), _schema(table))
    return links.select(
        *(F.timestamp_micros(name).alias(name) if name in INSTANTS else F.col(name) for name in table.names)
    )


def _takes_part() -> Any:
    named = F.col("customer_id").isNotNull() & F.col("product_id").isNotNull() & F.col("order_id").isNotNull()
    takes = F.when(F.col("is_cancellation"), F.col("quantity") < 0).otherwise(F.col("quantity") > 0)
    return F.col("status").isin("clean", "superseded") & named & takes


def _schema(table: Table) -> str:
    """The contract's columns with instants as microseconds, as they cross to Python and back."""
    kinds = {column.name: "bigint" if column.name in INSTANTS else column.type for column in table.columns}
    never = {column.name for column in table.columns if not column.nullable}
    return ", ".join(f"{name} {kind}{' NOT NULL' if name in never else ''}" for name, kind in kinds.items())


def _linker(table: Table, keys: int) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """For `mapInArrow`: batches of lines sorted by group, which is their first `keys` columns and may go on in the next
    batch → batches of links."""
    kinds = {"string": pa.string(), "double": pa.float64()}
    types = [kinds.get(column.type, pa.int64()) for column in table.columns]

    def linked(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = (row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns), strict=True))
        links = (
            _row(group, link)
            for group, lines in groupby(rows, key=itemgetter(slice(keys)))
            for link in match_cancellations(Line(*line[keys:]) for line in lines)
        )
        while some := list(islice(links, BATCH)):
            arrays = [pa.array(values, kind) for values, kind in zip(zip(*some, strict=True), types, strict=True)]
            yield pa.record_batch(arrays, names=list(table.names))

    return linked


def _row(group: tuple[Any, ...], link: Link) -> tuple[Any, ...]:
    customer, product, *apart, _ = group
    order = link.order
    return (
        customer,
        product,
        link.cancellation.order_id,
        link.cancellation.happened_at,
        order.order_id if order else None,
        order.happened_at if order else None,
        order.price if order else None,
        link.pieces,
        link.known_at,
        link.superseded_at,
        *apart,
    )
