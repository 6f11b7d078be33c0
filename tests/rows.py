"""Tiny clean/rows for tests: only what a test says differs from an ordinary sale."""

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


def by_customer(frame: DataFrame) -> dict[str, dict[str, Any]]:
    """Collected rows by customer_id."""
    return {row["customer_id"]: row.asDict() for row in frame.collect()}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")
