"""Frames of rows that help a rare class: made up by a generator, or train rows once more."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType

from ringmill.augment.generator import Frame, Generator, maker


def numbered(spark: SparkSession, count: int, *, seed: int) -> DataFrame:
    """`count` rows with row_id alone: hashes that are no numbers of real rows but by a chance of one in 2⁶⁴ for each
    pair, which training would see (law 4)."""
    return spark.range(count).select(F.xxhash64(F.lit("generated"), F.lit(seed), "id").alias("row_id"))


def with_made(ids: DataFrame, generator: Generator, frame: Frame, *, seed: int) -> DataFrame:
    """(row_id) → (row_id, x array<float>): a row for each id."""
    return ids.mapInArrow(maker(generator, frame, seed=seed), "row_id bigint, x array<float>")


def filter_no_copies(made: DataFrame, train_rows: DataFrame) -> DataFrame:
    """(row_id, x) of made rows, without those whose x is that of a row of `train_rows`, number for number."""
    return made.join(train_rows.select("x").distinct(), "x", "left_anti").select(*made.columns)


def flat_x(rows: DataFrame, x: str) -> DataFrame:
    """Rows of a table → (row_id, x array<float>, split), with lists within lists made one list, and single numbers
    lists of one."""
    kind, column = rows.schema[x].dataType, F.col(f"`{x}`")
    if not isinstance(kind, ArrayType):
        return rows.select("row_id", F.array(column.cast("float")).alias("x"), "split")
    while isinstance(kind.elementType, ArrayType):
        kind, column = kind.elementType, F.flatten(column)
    return rows.select("row_id", column.cast("array<float>").alias("x"), "split")


def repeated(rows: DataFrame, count: int, rows_there: int, *, seed: int) -> DataFrame:
    """(row_id, x) of `rows_there` rows → `count` rows with row_id, source_row_id and x: each row as often as any other,
    or once more, which of them by a hash."""
    order = Window.orderBy(F.xxhash64(F.lit("oversampled"), F.lit(seed), "row_id"), "row_id")
    whole, rest = divmod(count, rows_there)
    # One task numbers them all: they are the rows of a rare class.
    placed = rows.select("row_id", "x", F.row_number().over(order).alias("place"))
    times = F.lit(whole) + F.when(F.col("place") <= rest, 1).otherwise(0)
    every = placed.where(times > 0).select("row_id", "x", F.explode(F.sequence(F.lit(1), times)).alias("time"))
    repeated_id = F.xxhash64(F.lit("oversampled"), "row_id", "time")
    return every.select(repeated_id.alias("row_id"), F.col("row_id").alias("source_row_id"), "x")
