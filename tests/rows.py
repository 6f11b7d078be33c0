"""Tiny clean/rows and clean/cancellations for tests: only what a test says differs from an ordinary sale."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

SCHEMA = (
    "customer_id string, order_id string, product_id string, country string, quantity bigint, unit_price double, "
    "ordered_at string, known_at string, superseded_at string, is_cancellation boolean, status string"
)
SALE: dict[str, Any] = {
    "customer_id": "ann",
    "order_id": "1",
    "product_id": "A",
    "country": "France",
    "quantity": 1,
    "unit_price": 10.0,
    "ordered_at": "2024-03-01 12:00:00",
    "known_at": None,
    "superseded_at": None,
    "is_cancellation": False,
    "status": "clean",
}
LINK = (
    "customer_id string, product_id string, cancellation_id string, cancelled_at string, order_id string, "
    "ordered_at string, order_price double, pieces bigint, known_at string, superseded_at string"
)
TAKEN: dict[str, Any] = {
    "customer_id": "ann",
    "product_id": "A",
    "cancellation_id": "C1",
    "cancelled_at": "2024-03-02 12:00:00",
    "order_id": "1",
    "ordered_at": "2024-03-01 12:00:00",
    "order_price": 10.0,
    "pieces": 1,
    "known_at": None,
    "superseded_at": None,
}


def clean_rows(spark: SparkSession, *lines: dict[str, Any]) -> DataFrame:
    """Rows of clean/rows with the columns that rfm and features read; times are UTC texts."""
    rows = [{**SALE, **line} for line in lines]
    names = [part.split()[0] for part in SCHEMA.split(", ")]
    frame = spark.createDataFrame([tuple(row[name] for name in names) for row in rows], SCHEMA)
    return frame.withColumns(
        {
            "line_total": F.col("quantity") * F.col("unit_price"),
            "ordered_at": F.to_timestamp("ordered_at"),
            "known_at": F.to_timestamp(F.coalesce("known_at", "ordered_at")),
            "superseded_at": F.to_timestamp("superseded_at"),
        }
    )


def links(spark: SparkSession, *taken: dict[str, Any]) -> DataFrame:
    """Rows of clean/cancellations; times are UTC texts."""
    rows = [{**TAKEN, **link} for link in taken]
    frame = spark.createDataFrame([tuple(row.values()) for row in rows], LINK)
    times = {name: F.to_timestamp(name) for name in ("cancelled_at", "ordered_at", "superseded_at")}
    return frame.withColumns({**times, "known_at": F.to_timestamp(F.coalesce("known_at", "cancelled_at"))})


def by_customer(frame: DataFrame) -> dict[str, dict[str, Any]]:
    """Collected rows by customer_id."""
    return {row["customer_id"]: row.asDict() for row in frame.collect()}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")
