"""Raw images → the rows of features/<name>: decoded or rejected, each in its split."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ringmill.config.images import Images
from ringmill.features.images.encode import encoder
from ringmill.features.splits import split_of, with_stratified_split

ENCODED = (
    "row_id bigint, image_id string, source_file string, bytes bigint, content_hash string, label string, "
    "of_test boolean, status string, reasons array<string>, pixels binary"
)


def assemble_images(
    raw: DataFrame, section: Images, *, seed: int, shape: tuple[int, int, int] | None = None
) -> DataFrame:
    """(image_id, source_file, bytes, content, label, of_test) → the columns of `images_table`, one row per image.

    `shape` is that of raw pixels, None where content is a file. The split hangs on the pixels: images that a model
    cannot tell apart are in one split, under whatever names and in whatever formats, and an added file moves none,
    with section.stratify two at most of each label that its content has. The images of_test are the test split;
    others with the pixels of one of them are rejected (in_test), since none may be in two splits (law 2). Test
    images are decoded twice, and with section.stratify the others too.
    """
    decoded = _decoded(raw, section, shape)
    placed = _with_split(decoded, section, seed)
    if section.test_path is not None:
        placed = _without_split_in_test(placed, _decoded(raw.where("of_test"), section, shape))
    clean = F.col("status") == "clean"
    in_test = clean & F.col("split").isNull()
    return placed.select(
        *(name for name in decoded.columns if name not in ("of_test", "status", "reasons", "pixels")),
        F.when(clean, F.col("split")).alias("split"),
        F.when(in_test, "rejected").otherwise(F.col("status")).alias("status"),
        F.when(in_test, F.array(F.lit("in_test"))).otherwise(F.col("reasons")).alias("reasons"),
        F.when(~in_test, F.col("pixels")).alias("pixels"),
    )


def _decoded(raw: DataFrame, section: Images, shape: tuple[int, int, int] | None) -> DataFrame:
    """Images with status, reasons and pixels; content_hash is of the pixels, and of the file where there are none."""
    keyed = raw.select(
        F.xxhash64("image_id").alias("row_id"),
        "image_id",
        "source_file",
        "bytes",
        F.sha2(F.col("content"), 256).alias("content_hash"),
        "label",
        "of_test",
        "content",
    )
    decoded = keyed.mapInArrow(encoder(section.decoding, raw=shape), ENCODED)
    return decoded.withColumn("content_hash", F.coalesce(F.sha2(F.col("pixels"), 256), F.col("content_hash")))


def _with_split(decoded: DataFrame, section: Images, seed: int) -> DataFrame:
    """Add `split`; null where an image outside of the test split is not clean and the split is stratified."""
    if not section.stratify:
        by_hash = split_of(F.col("content_hash"), section.shares, seed=seed)
        return decoded.withColumn("split", F.when(F.col("of_test"), "test").otherwise(by_hash))
    drawn = decoded.where("status = 'clean' AND NOT of_test").select("content_hash", "label")
    each = with_stratified_split(drawn, "content_hash", "label", section.shares, seed=seed).drop("label").distinct()
    # To every task, as the contents of the test split: pixels are not shuffled.
    joined = decoded.join(F.broadcast(each.withColumnRenamed("split", "_drawn")), "content_hash", "left")
    placed = joined.withColumn("split", F.when(F.col("of_test"), "test").otherwise(F.col("_drawn")))
    return placed.select(*decoded.columns, "split")


def _without_split_in_test(placed: DataFrame, tests: DataFrame) -> DataFrame:
    """The same rows; split is null where an image outside of the test split has the pixels of one inside."""
    inside = tests.where("status = 'clean'").select("content_hash", F.lit(True).alias("in_test")).distinct()
    joined = placed.join(F.broadcast(inside), "content_hash", "left")
    kept = F.when(F.col("of_test") | F.col("in_test").isNull(), F.col("split"))
    return joined.withColumn("split", kept).select(*placed.columns)
