"""Copies of a line: exact ones, and lines that share the configured key. Both are counted in one shuffle."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

# By clean.keep: which status and reason the lines get that do not stay.
STATUS = {"first": "duplicate", "last": "superseded"}
REASONS = {
    "first": ("key_duplicate", "similar_key_duplicate"),
    "last": ("superseded_by_key", "superseded_by_similar_key"),
}


def with_copy_number(lines: DataFrame, columns: list[str], *, key: dict[str, Column]) -> DataFrame:
    """Add `_copy` (1 for the first of each set of lines equal in all `columns`, nulls equal) and the key's columns.

    Lines are gathered by a hash of the key where there is one, else of all columns; that one shuffle satisfies both
    windows of this module. Hashes are also the first columns to sort by: comparing two integers settles nearly every
    pair, and the columns behind them keep the result exact.
    """
    hashed = lines.select("*", F.xxhash64(*columns).alias("_hash"), *(key[name].alias(name) for name in key))
    gathered = hashed.withColumn("_gather", F.xxhash64(*key) if key else F.col("_hash")).repartition("_gather")
    # Among equal lines only the file can differ, so the choice of the first does not depend on the order of arrival.
    copies = Window.partitionBy("_gather", "_hash", *columns).orderBy("source_file")
    return gathered.withColumn("_copy", F.row_number().over(copies))


def with_key_rank(rows: DataFrame, *, key: list[str], as_written: list[str], keep: str) -> DataFrame:
    """Add `_rank` (1 for the row of each key that stays, null where no key is at stake), `_similar`, `_superseded_at`.

    Only rows with `_candidate` compete, by `known_at`; ties are settled by the hash of the raw line. `_similar` is true
    where the key as it was written differs from the one of the row that stays. `_superseded_at` is when the line's next
    version became known.
    """
    if not key:
        nothing = {"_rank": F.lit(None).cast("int"), "_similar": F.lit(False)}
        return rows.withColumns(nothing | {"_superseded_at": F.lit(None).cast("timestamp")})
    known = F.col("known_at").desc() if keep == "last" else F.col("known_at").asc()
    ranked = Window.partitionBy("_gather", *key, "_candidate").orderBy(known, "_hash")
    written = F.struct(*as_written)
    return rows.withColumns(
        {
            "_rank": F.when(F.col("_candidate"), F.row_number().over(ranked)),
            "_similar": ~written.eqNullSafe(F.first(written).over(ranked)),
            # The row before it in this order is the next one in known time.
            "_superseded_at": F.lag("known_at").over(ranked),
        }
    )
