"""Run in an environment that has pandera[pyspark]: the checks that the twelve rules make, and exact copies."""

import json
import os
import sys
import time
from importlib.metadata import version

os.environ["PANDERA_VALIDATION_DEPTH"] = "SCHEMA_AND_DATA"

import pandera.pyspark as pa
from pandera.extensions import register_check_method
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

TEXTS = ("order_id", "product_id", "description", "customer_id", "country")


@register_check_method(statistics=["condition"])
def holds(found, *, condition: str) -> bool:
    """No row for which the condition is false; the way that pandera's own checks for Spark are written."""
    return found.dataframe.filter(~F.coalesce(F.expr(condition), F.lit(True))).limit(1).count() == 0


def expected(condition: str) -> pa.Check:
    return pa.Check.holds(condition=condition)


def schema(names: list[str]) -> pa.DataFrameSchema:
    column = pa.Column
    return pa.DataFrameSchema(
        {
            "order_id": column(T.StringType(), expected("order_id NOT LIKE 'A%'"), nullable=False),
            "product_id": column(T.StringType(), expected("product_id RLIKE '^[0-9]{5}[A-Z]{0,2}$'"), nullable=True),
            "description": column(
                T.StringType(), expected(r"trim(regexp_replace(description, '\\s+', ' ')) = description"), nullable=True
            ),
            "quantity": column(
                T.LongType(),
                [expected("quantity > 0 OR order_id LIKE 'C%'"), expected("abs(quantity) <= 10000")],
                nullable=False,
            ),
            "unit_price": column(T.DoubleType(), [pa.Check.ge(0), expected("unit_price <> 0")], nullable=False),
            "customer_id": column(T.StringType(), expected(r"customer_id RLIKE '^[0-9]{5}$'"), nullable=False),
            "country": column(T.StringType(), pa.Check.notin(["Unspecified", "European Community"]), nullable=True),
            "ordered_at": column(
                T.TimestampType(),
                expected("ordered_at >= DATE '2010-12-01' AND ordered_at < DATE '2011-12-10'"),
                nullable=False,
            ),
        },
        unique=names,
    )


def typed(lines: DataFrame) -> DataFrame:
    texts = [F.expr(f"nullif(trim({name}), '')").alias(name) for name in TEXTS]
    rest = ["try_cast(quantity AS BIGINT) AS quantity", "try_cast(unit_price AS DOUBLE) AS unit_price"]
    instant = F.try_to_timestamp("ordered_at", F.lit("yyyy-MM-dd HH:mm:ss")).alias("ordered_at")
    return lines.select(*texts, *map(F.expr, rest), instant)


def main(raw: str, memory: str, rounds: int) -> None:
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", memory)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    spent, errors = [], {}
    for _ in range(rounds):
        started = time.perf_counter()
        rows = typed(spark.read.option("header", True).csv(raw))
        found = schema(rows.columns).validate(rows)
        errors = found.pandera.errors
        spent.append(time.perf_counter() - started)
    kinds = {kind: sum(map(len, by.values())) for kind, by in errors.items()}
    jobs = spark.sparkContext._jsc.sc().statusStore().jobsList(None).size()
    print(json.dumps({"version": version("pandera"), "seconds": spent, "errors": kinds, "jobs": jobs}))
    spark.stop()


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
