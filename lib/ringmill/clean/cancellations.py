"""Rows of clean/rows → links from cancellations to their orders; Spark's half of `matching`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ringmill.clean.matching import Line, Link, match_cancellations
from ringmill.contracts import CLEAN_CANCELLATIONS

GROUP = ("customer_id", "product_id")
INSTANTS = ("cancelled_at", "ordered_at", "known_at", "superseded_at")
# Links are put into batches of this many for the way back to Spark.
BATCH = 10_000


def link_cancellations(rows: DataFrame) -> DataFrame:
    """Rows of clean/rows → one row per link of `contracts.CLEAN_CANCELLATIONS`; the rows stay as they are.

    Clean and superseded lines take part, each from `known_at` until `superseded_at`: a version that stood for a time
    was cancelled, or was a cancellation, for that time. Rejected and duplicate lines do not, nor lines without a
    customer, product or order id, which a link could not name. The result does not depend on how rows are
    distributed. One shuffle by customer and product, of the pairs that have a cancellation.
    """
    lines = rows.where(_takes_part()).select(
        *GROUP,
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
    involved = lines.join(cancelled, list(GROUP), "left_semi").repartition(*GROUP).sortWithinPartitions(*GROUP)
    links = involved.mapInArrow(_linked, _schema())
    table = CLEAN_CANCELLATIONS.names
    return links.select(*(F.timestamp_micros(name).alias(name) if name in INSTANTS else F.col(name) for name in table))


def _takes_part() -> Any:
    named = F.col("customer_id").isNotNull() & F.col("product_id").isNotNull() & F.col("order_id").isNotNull()
    takes = F.when(F.col("is_cancellation"), F.col("quantity") < 0).otherwise(F.col("quantity") > 0)
    return F.col("status").isin("clean", "superseded") & named & takes


def _schema() -> str:
    """The contract's columns with instants as microseconds, as they cross to Python and back."""
    kinds = {
        column.name: "bigint" if column.name in INSTANTS else column.type for column in CLEAN_CANCELLATIONS.columns
    }
    never = {column.name for column in CLEAN_CANCELLATIONS.columns if not column.nullable}
    return ", ".join(f"{name} {kind}{' NOT NULL' if name in never else ''}" for name, kind in kinds.items())


def _linked(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of lines sorted by group, of which one may go on in the next batch → batches of links."""
    rows = (row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns), strict=True))
    links = (
        _row(group, link)
        for group, lines in groupby(rows, key=itemgetter(0, 1))
        for link in match_cancellations(Line(*line[2:]) for line in lines)
    )
    kinds = {"string": pa.string(), "double": pa.float64()}
    columns = CLEAN_CANCELLATIONS.columns
    types = [kinds.get(column.type, pa.int64()) for column in columns]
    while some := list(islice(links, BATCH)):
        arrays = [pa.array(values, kind) for values, kind in zip(zip(*some, strict=True), types, strict=True)]
        yield pa.record_batch(arrays, names=list(CLEAN_CANCELLATIONS.names))


def _row(group: tuple[str, str], link: Link) -> tuple[Any, ...]:
    order = link.order
    return (
        *group,
        link.cancellation.order_id,
        link.cancellation.happened_at,
        order.order_id if order else None,
        order.happened_at if order else None,
        order.price if order else None,
        link.pieces,
        link.known_at,
        link.superseded_at,
    )
