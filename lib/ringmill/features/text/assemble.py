"""Raw texts → the rows of features/<name> without their ids: cleaned, each text once, each in its split."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ringmill.config.texts import Texts
from ringmill.features.splits import split_of, with_stratified_split
from ringmill.features.text.clean import cleaner

CLEANED = (
    "label string, reviewed boolean, source_file string, text string, raw string, key string, group string, "
    "status string, reasons array<string>"
)


def assemble_texts(raw: DataFrame, section: Texts, *, seed: int, classes: Sequence[str] = ()) -> DataFrame:
    """(text, label, torn, reviewed, source_file) → the columns of `texts_table` but ids, one row per line.

    Of equal texts (`content_hash`) one line is clean: a reviewed one before others, then of those with the
    commonest label, of equally common ones the first; the others are its duplicates. The split hangs on
    `group_hash`: texts that differ by case, punctuation and white space alone are in one, and an added line moves
    none, with section.stratify two groups at most of each label that its group has. A line without a label is
    clean, in no split; a reviewed one is rejected, and so is one whose label is none of `classes`, where these are
    given: those that the files name.
    """
    cleaned = raw.mapInArrow(cleaner(section.cleaning), CLEANED)
    of_people, label = (F.col("status") == "clean") & F.col("reviewed"), F.col("label")
    unfit = F.when(of_people & label.isNull(), "no_label")
    if classes:
        unfit = unfit.when(of_people & ~label.isin(*classes), "unknown_label")
    judged = (
        cleaned.withColumn("reasons", F.when(unfit.isNotNull(), F.array(unfit)).otherwise(F.col("reasons")))
        .withColumn("status", F.when(unfit.isNotNull(), "rejected").otherwise(F.col("status")))
        .withColumn("content_hash", F.when(F.col("status") == "clean", F.sha2(F.col("key"), 256)))
        .withColumn("group_hash", F.when(F.col("status") == "clean", F.sha2(F.col("group"), 256)))
        .withColumn("row_id", F.xxhash64("content_hash"))
    )
    rejected = judged.where("status = 'rejected'").select(
        *_columns(row_id=_nothing("bigint"), relabelled=F.lit(False), duplicate_of=_nothing("bigint"))
    )
    kept = _with_place(judged.where("status = 'clean'"))
    first, labelled = F.col("_place") == 1, F.col("label").isNotNull()
    if section.stratify:
        groups = kept.where(first & labelled).select("group_hash", "label")
        drawn = with_stratified_split(groups, "group_hash", "label", section.shares, seed=seed).drop("label")
        placed = kept.join(drawn.distinct(), "group_hash", "left")
    else:
        placed = kept.withColumn("split", split_of(F.col("group_hash"), section.shares, seed=seed))
    chosen = placed.select(
        *_columns(
            row_id=F.when(first, F.col("row_id")),
            relabelled=first & F.col("reviewed") & F.coalesce(F.col("_said") != F.col("label"), F.lit(False)),
            status=F.when(first, "clean").otherwise("duplicate"),
            duplicate_of=F.when(~first, F.col("row_id")),
        ),
        F.when(first & labelled, F.col("split")).alias("split"),
    )
    return chosen.union(rejected.withColumn("split", _nothing("string")))


def _with_place(texts: DataFrame) -> DataFrame:
    """Add `_place` among the lines with the same text, from 1, and `_said`, the label that most of the files' give."""
    same = Window.partitionBy("content_hash")
    votes = F.count(F.when(~F.col("reviewed"), F.col("label"))).over(Window.partitionBy("content_hash", "label"))
    counted = texts.withColumn("_votes", votes)
    by_files = F.when(~F.col("reviewed") & F.col("label").isNotNull(), F.struct(-F.col("_votes"), "label"))
    in_order = same.orderBy(
        F.desc("reviewed"), F.col("label").isNull(), F.desc("_votes"), "label", "text", "source_file", "raw"
    )
    return counted.withColumn("_said", F.min(by_files).over(same)["label"]).withColumn(
        "_place", F.row_number().over(in_order)
    )


def _columns(**changed: Column) -> list[Column]:
    names = (
        "row_id",
        "source_file",
        "text",
        "raw",
        "label",
        "reviewed",
        "relabelled",
        "content_hash",
        "group_hash",
        "status",
        "reasons",
        "duplicate_of",
    )
    return [changed.get(name, F.col(name)).alias(name) for name in names]


def _nothing(kind: str) -> Column:
    return F.lit(None).cast(kind)
