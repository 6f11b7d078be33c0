"""What cleaning found, beside what was planted: precision and recall for each kind of defect."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

# By which reasons or flags each kind is found. The last three kinds cannot be found wholly: a rule for them misses
# some and takes honest lines for them.
EVIDENCE: Mapping[str, tuple[str, ...]] = {
    "missing_customer": ("missing_customer",),
    "exact_duplicate": ("exact_duplicate",),
    "key_duplicate": ("superseded_by_key", "key_duplicate"),
    "cancellation": ("is_cancellation",),
    "write_off": ("write_off",),
    "outlier": ("gross_quantity",),
    "unreadable_date": ("unreadable_ordered_at",),
    "unreadable_number": ("unreadable_quantity", "unreadable_unit_price"),
    "mixed_encoding": ("repaired_encoding",),
    "unknown_country": ("unknown_country",),
    "late_arrival": ("late_arrival",),
    "near_duplicate_key": ("superseded_by_similar_key", "similar_key_duplicate"),
    "plausible_outlier": ("large_quantity",),
    "day_month_swapped": ("ordered_after_known", "known_long_after"),
}


def summarise_detection(
    rows: DataFrame, planted: DataFrame, *, evidence: Mapping[str, tuple[str, ...]] = EVIDENCE
) -> DataFrame:
    """One row per kind of `evidence`, in its order.

    Columns in: `line_id`, `reasons`, `flags` and `is_cancellation` of cleaned rows; `kind`, `line_id` and `copies` of
    the planted list. Columns out: kind; found_by (its reasons and flags); planted, detected and true, in rows, where a
    line on which n are planted and m detected has min(n, m) true ones; precision = true ÷ detected, null where none
    was detected; recall = true ÷ planted, null where none was planted. Ids are compared without case and outer space.
    """
    found = _marked(rows, evidence).groupBy("line_id", "kind").agg(F.count(F.lit(1)).alias("detected"))
    listed = planted.select(_plain_id(), "kind", "copies").groupBy("line_id", "kind")
    both = listed.agg(F.sum("copies").alias("planted")).join(found, ["line_id", "kind"], "full")
    counts = both.fillna(0, ["planted", "detected"]).groupBy("kind")
    summed = counts.agg(
        F.sum("planted").alias("planted"),
        F.sum("detected").alias("detected"),
        F.sum(F.least("planted", "detected")).alias("true"),
    )
    kinds = rows.sparkSession.createDataFrame(
        [(place, kind, ", ".join(names)) for place, (kind, names) in enumerate(evidence.items())],
        "place int, kind string, found_by string",
    )
    table = F.broadcast(kinds).join(summed, "kind", "left").fillna(0, ["planted", "detected", "true"])
    return table.orderBy("place").select(
        "kind",
        "found_by",
        "planted",
        "detected",
        "true",
        F.try_divide(F.col("true"), F.col("detected")).alias("precision"),
        F.try_divide(F.col("true"), F.col("planted")).alias("recall"),
    )


def _marked(rows: DataFrame, evidence: Mapping[str, tuple[str, ...]]) -> DataFrame:
    """One row per row and kind that it shows signs of: line_id, kind."""
    marks = F.concat("reasons", "flags")
    signs = {kind: _shows(marks, names) for kind, names in evidence.items()}
    # Most rows show nothing: they are gone before an array is built for them.
    some = rows.where(F.col("is_cancellation") | (F.size(marks) > 0))
    kinds = F.array_compact(F.array(*(F.when(shown, F.lit(kind)) for kind, shown in signs.items())))
    return some.select(_plain_id(), F.explode(kinds).alias("kind"))


def _shows(marks: Column, names: tuple[str, ...]) -> Column:
    each = [F.col(name) if name == "is_cancellation" else F.array_contains(marks, name) for name in names]
    return reduce(lambda one, other: one | other, each)


def _plain_id() -> Column:
    return F.upper(F.trim("line_id")).alias("line_id")
