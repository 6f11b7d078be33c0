"""Which rows of the published table a batch touches: they share a copy, a key or a value that must be unique."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ringmill.clean.settle import unsettled
from ringmill.config.clean import Clean

# By these a row of the table is found again; a line that is there twice in a file has two numbers.
IDENTIFIED_BY = ("source_file", "identity.line_a", "identity.line_b", "identity.number")


def touched_rows(published: DataFrame, judged: DataFrame, clean: Clean) -> DataFrame:
    """Rows of the published clean/rows → those that `judged`, a new batch's rows, may change, as `settle_rows` takes
    them.

    A row that leaves its key may free a value that must be unique for others: so these are rows that share `gather`
    with a new row, and rows that share values of a `unique` rule with one of either. One pass over the table, and one
    more where there is such a rule.
    """
    gathers = judged.select(F.col("identity.gather").alias("_gather")).distinct().withColumn("_same", F.lit(True))
    near = published.withColumn("_gather", F.col("identity.gather")).join(gathers, "_gather", "left")
    first = near.where("_same").drop("_same", "_gather")
    marks = {rule.name: f"_shares_{rule.name}" for rule in clean.rules if rule.unique}
    for rule in clean.rules:
        if rule.unique:
            values = [F.col(name).alias(f"_value{place}") for place, name in enumerate(rule.unique)]
            either = judged.select(*values).union(first.select(*values)).dropna().distinct()
            same = [F.col(name) == F.col(f"_value{place}") for place, name in enumerate(rule.unique)]
            marked = either.withColumn(marks[rule.name], F.lit(True))
            near = near.join(marked, same, "left").drop(*either.columns)
    shares = F.array_compact(F.array(*(F.when(F.col(mark), F.lit(name)) for name, mark in marks.items())))
    found = reduce(lambda one, other: one | other, (F.col(mark).isNotNull() for mark in ("_same", *marks.values())))
    rows = near.where(found).withColumn("_shares", shares.cast("array<string>"))
    return unsettled(rows.select(*published.columns, "_shares"), clean)
