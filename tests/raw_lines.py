"""Raw lines as the reader gives them: only what a test says differs from an ordinary line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ringmill.config.raw import Raw

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COLUMNS = {
    "line_id": "Line",
    "order_id": "Invoice",
    "product_id": "Code",
    "quantity": "Quantity",
    "unit_price": "Price",
    "customer_id": "Customer ID",
    "ordered_at": "Date",
    "known_at": "Known",
}
GOOD = {
    "Line": "L1",
    "Invoice": "1",
    "Code": "85123a",
    "Quantity": "6",
    "Price": "2.55",
    "Customer ID": "13069.0",
    "Date": "2024-01-05 10:00:00",
    "Known": "2024-01-05 11:00:00",
}
Lines = list[dict[str, str | None]]


def raw_model(columns: Mapping[str, str] = COLUMNS, **values: Any) -> Raw:
    return Raw.model_validate({"path": "x", "columns": columns} | values)


def frame(spark: SparkSession, lines: Lines, raw: Raw | None = None) -> DataFrame:
    """Raw lines with the columns of `raw`; a line is what differs from GOOD, and may name its file and its tear."""
    columns = raw.columns if raw else COLUMNS
    names = [*columns.values(), "source_file", "_torn"]
    values = [GOOD | {"source_file": "a.csv"} | line for line in lines]
    schema = ", ".join(f"`{name}` string" for name in names)
    return spark.createDataFrame([[line.get(name) for name in names] for line in values], schema)
