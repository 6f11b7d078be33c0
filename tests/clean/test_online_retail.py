"""The real data's known figures, by the configuration that ships as the example."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyspark.sql import functions as F

from ringmill.clean import check_nothing_lost, clean_rows, with_line_count
from ringmill.config import load
from ringmill.lake.files import find_source
from ringmill.lake.raw import read_raw

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CONF = Path(__file__).resolve().parents[2] / "conf" / "online_retail.yaml"
SALES = "status = 'clean' AND NOT is_cancellation AND quantity > 0 AND unit_price > 0"


def cleaned(spark: SparkSession, path: Path) -> tuple[DataFrame, object]:
    config = load(CONF, [f"raw.path={path}"])
    lines, seen = with_line_count(read_raw(spark, find_source(config.raw)))
    return clean_rows(lines, raw=config.raw, clean=config.clean, zone=config.zone, batch="b"), seen


@pytest.mark.spark
def test_law_1_and_the_published_figures_hold(spark: SparkSession, online_retail: Path) -> None:
    rows, seen = cleaned(spark, online_retail / "online_retail.parquet")
    sold = F.expr(SALES)
    counts = rows.agg(
        *(F.count_if(F.col("status") == status).alias(status) for status in ("clean", "rejected", "duplicate")),
        F.count_if(sold).alias("lines"),
        F.count_distinct(F.when(sold, F.col("customer_id"))).alias("customers"),
        F.count_distinct(F.when(sold, F.col("order_id"))).alias("invoices"),
        F.sum(F.when(sold, F.round(F.col("line_total") * 1000).cast("bigint"))).alias("thousandths"),
        F.count_if(F.array_contains("reasons", "exact_duplicate")).alias("copies"),
        F.count_distinct("product_id").alias("codes"),
        F.count_if(F.col("is_cancellation")).alias("cancellations"),
    ).first()
    assert counts is not None
    statuses = {status: counts[status] for status in ("clean", "rejected", "duplicate")}
    assert check_nothing_lost(seen.get["lines"], statuses, where="clean/rows")["raw"] == 541_909
    assert (counts.copies, counts.cancellations) == (5_268, 9_288)
    assert counts.codes == 4_070 - 112  # 112 codes differ only by case
    assert (counts.lines, counts.customers, counts.invoices) == (392_692, 4_338, 18_532)
    assert counts.thousandths == 8_887_208_894


@pytest.mark.spark
def test_a_day_as_csv_cleans_to_the_same_rows_as_in_the_parquet_file(spark: SparkSession, online_retail: Path) -> None:
    day, seen = cleaned(spark, online_retail / "by_day" / "2011-12-09.csv")
    shown = [name for name in day.columns if name not in ("source_file", "raw")]
    of_day = day.select(*shown).collect()
    assert seen.get["lines"] == len(of_day) == 1_632
    assert {row.customer_id for row in of_day if row.customer_id} & {"13069"}
    whole, _ = cleaned(spark, online_retail / "online_retail.parquet")
    same_day = whole.where("ordered_at >= '2011-12-09' AND ordered_at < '2011-12-10'").select(*shown).collect()
    assert sorted(map(repr, of_day)) == sorted(map(repr, same_day))
