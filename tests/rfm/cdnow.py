"""CDNOW's sample of 2,357 customers, from the files that the lifetimes package ships."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from rows import clean_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DATASETS = Path(str(files("lifetimes"))) / "datasets"
NAMES = ["customer_id", "ordered_at", "value"]


def transactions() -> pd.DataFrame:
    """One row per purchase: customer_id, ordered_at (day), value (dollars, 0 for a gift)."""
    table = pd.read_csv(
        DATASETS / "CDNOW_sample.txt", sep=r"\s+", header=None, names=["_", *NAMES[:2], "pieces", "value"], dtype=str
    )
    return table[NAMES].assign(ordered_at=pd.to_datetime(table["ordered_at"]), value=table["value"].astype(float))


def lines(spark: SparkSession) -> DataFrame:
    """The purchases as lines of clean/rows, each an order."""
    rows = transactions().itertuples()
    return clean_rows(
        spark,
        *(
            {
                "customer_id": row.customer_id,
                "order_id": str(row.Index),
                "unit_price": row.value,
                "ordered_at": f"{row.ordered_at:%Y-%m-%d} 00:00:00",
            }
            for row in rows
        ),
    )


def summary() -> pd.DataFrame:
    """The shipped summary by customer: frequency, recency and T in weeks, monetary_value."""
    table = pd.read_csv(DATASETS / "cdnow_customers_summary_with_transactions.csv", index_col=0)
    return table.set_axis(["frequency", "recency", "T", "monetary_value"], axis=1)
