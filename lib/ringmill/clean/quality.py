"""Rows → the counts that a person asks for first: what came in, what was refused and why."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def summarise_quality(rows: DataFrame) -> DataFrame:
    """One row per batch, kind and name; a small frame, made in one pass over four columns.

    Columns out: source_batch; status; kind: 'status', 'reason' or 'flag'; name: the status itself, or of the reason or
    flag; rows: how many rows have it (a row with two reasons counts for both); share: of all rows of its batch.
    """
    marks = F.concat(
        F.array(_mark("status", F.col("status"))),
        F.transform("reasons", lambda name: _mark("reason", name)),
        F.transform("flags", lambda name: _mark("flag", name)),
    )
    # Counted per combination first, which are few: exploding the rows themselves would triple the work.
    combined = rows.groupBy("source_batch", "status", "reasons", "flags").agg(F.count(F.lit(1)).alias("rows"))
    each = combined.select("source_batch", "status", "rows", F.explode(marks).alias("mark"))
    counted = each.groupBy("source_batch", "status", "mark.kind", "mark.name").agg(F.sum("rows").alias("rows"))
    totals = counted.where("kind = 'status'").groupBy("source_batch").agg(F.sum("rows").alias("all_rows"))
    shared = counted.join(F.broadcast(totals), "source_batch")
    return shared.select(
        "source_batch", "status", "kind", "name", "rows", (F.col("rows") / F.col("all_rows")).alias("share")
    )


def _mark(kind: str, name: Column) -> Column:
    return F.struct(F.lit(kind).alias("kind"), name.alias("name"))
