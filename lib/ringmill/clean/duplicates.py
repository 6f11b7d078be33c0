"""Copies of a line, and lines that share the configured key: which stays. Both are decided in one shuffle.

Every order here is one of the data, never of arrival: known time, event time, file name, then the hash of the line.
"""

from __future__ import annotations

from typing import Literal

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

Keep = Literal["first", "last", "most_complete"]
COPY = "exact_duplicate"
# By status: the reason where the key is written alike, and where it differs by case or white space.
REASONS = {
    "duplicate": ("key_duplicate", "similar_key_duplicate"),
    "superseded": ("superseded_by_key", "superseded_by_similar_key"),
}
RELATIONAL = (COPY, *REASONS["duplicate"], *REASONS["superseded"])


def gathered(rows: DataFrame) -> DataFrame:
    """The same rows with those that may be copies, or share a key, in one partition."""
    return rows.withColumn("_gather", F.col("identity.gather")).repartition("_gather")


def with_copy_number(rows: DataFrame, *, numbered: bool = True) -> DataFrame:
    """Add `_copy` (1 for the first of each set of equal lines, by file name) and `_first_batch` (its batch).

    Where `numbered`, fill in `identity.number`, a line's place among its copies in its own file.
    """
    # Of two copies in one file, one may have been repaired: the flags settle which is the first.
    order = ("source_file", "identity.number", "flags")
    equal = ("_gather", "identity.line_a", "identity.line_b")
    copies = Window.partitionBy(*equal).orderBy(*order)
    counted = {"_copy": F.row_number().over(copies), "_first_batch": F.first("source_batch").over(copies)}
    if numbered:
        in_file = Window.partitionBy(*equal, "source_file").orderBy(*order[1:])
        number = F.coalesce("identity.number", F.row_number().over(in_file))
        counted["identity"] = F.col("identity").withField("number", number)
    return rows.withColumns(counted)


def with_standing(rows: DataFrame, keep: Keep) -> DataFrame:
    """Add `_outcome`: for a row that does not stay, its status, reason, the batch that caused it and `superseded_at`.

    Only rows with `_candidate` compete; `_outcome` is null for those that stay, and for all others. A row that stayed
    until a later one became known is superseded at that moment; one that never stayed is a duplicate. The row that
    stays is the first one, the last one, or the most complete one (ties: the first).
    """
    known = ("known_at", "ordered_at", "source_file", "identity.line_a", "identity.line_b")
    group = Window.partitionBy("_gather", "identity.key", "_candidate")
    forward = group.orderBy(*known)
    whole = forward.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    rows = rows.withColumn("_stood", _stood(keep, forward))
    this = F.struct("known_at", "source_batch", F.col("identity.written").alias("written"))
    if keep == "most_complete":
        backward = group.orderBy(*(F.col(name).desc() for name in known))
        later = backward.rowsBetween(Window.unboundedPreceding, -1)
        following = F.last(F.when(F.col("_stood"), this), ignorenulls=True).over(later)
    else:
        following = F.lead(this).over(forward) if keep == "last" else F.lit(None).cast("struct<known_at:timestamp>")
    rows = rows.withColumns({"_next": following, "_stays": F.last(F.when(F.col("_stood"), this), True).over(whole)})
    similar = F.col("_stays.written") != F.col("identity.written")
    leaves = F.when(~F.col("_stood"), "duplicate").when(F.col("_next").isNotNull(), "superseded")
    reason = F.when(similar, F.when(F.col("_stood"), REASONS["superseded"][1]).otherwise(REASONS["duplicate"][1]))
    reason = reason.otherwise(F.when(F.col("_stood"), REASONS["superseded"][0]).otherwise(REASONS["duplicate"][0]))
    by = F.col("_stays.source_batch")
    at = F.lit(None).cast("timestamp")
    if keep != "first":
        by = F.when(F.col("_stood"), F.col("_next.source_batch")).otherwise(by)
        at = F.when(F.col("_stood"), F.col("_next.known_at"))
    outcome = F.struct(leaves.alias("status"), reason.alias("reason"), by.alias("batch"), at.alias("at"))
    return rows.withColumn("_outcome", F.when(F.col("_candidate") & leaves.isNotNull(), outcome)).drop(
        "_stood", "_next", "_stays"
    )


def without_standing(rows: DataFrame) -> DataFrame:
    """The same as `with_standing` where no key is configured: every row stays."""
    outcome = F.lit(None).cast("struct<status:string,reason:string,batch:string,at:timestamp>")
    return rows.withColumn("_outcome", outcome)


def _stood(keep: Keep, forward: WindowSpec) -> Column:
    """Whether the row stayed at the moment when it became known."""
    if keep == "last":
        return F.lit(True)
    if keep == "first":
        return F.row_number().over(forward) == 1
    best = F.max("identity.complete").over(forward.rowsBetween(Window.unboundedPreceding, -1))
    return best.isNull() | (F.col("identity.complete") > best)
