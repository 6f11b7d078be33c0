"""Raw images → the rows of features/<name>: decoded or rejected, each in its split."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ringmill.config.images import Images
from ringmill.features.images.encode import encoder
from ringmill.features.splits import split_of

ENCODED = (
    "row_id bigint, image_id string, source_file string, bytes bigint, content_hash string, label string, "
    "split string, status string, reasons array<string>, pixels binary"
)


def assemble_images(
    raw: DataFrame, section: Images, *, seed: int, shape: tuple[int, int, int] | None = None
) -> DataFrame:
    """(image_id, source_file, bytes, content, label, of_test) → the columns of `images_table`, one row per image.

    `shape` is that of raw pixels, None where content is a file. The split hangs on the content: copies of one file are
    in one split under whatever names, and added files move none. The images of_test are the test split; others with the
    content of one of them are rejected (in_test), since no content may be in two splits (law 2).
    """
    content_hash = F.sha2(F.col("content"), 256)
    keyed = raw.select(
        F.xxhash64("image_id").alias("row_id"),
        "image_id",
        "source_file",
        "bytes",
        content_hash.alias("content_hash"),
        "label",
        F.when(F.col("of_test"), "test").otherwise(split_of(content_hash, section.shares, seed=seed)).alias("split"),
        "content",
    )
    if section.test_path is not None:
        keyed = _without_split_in_test(keyed)
    decoded = keyed.mapInArrow(encoder(section.decoding, raw=shape), ENCODED)
    clean = F.col("status") == "clean"
    in_test = clean & F.col("split").isNull()
    return decoded.select(
        *(name for name in decoded.columns if name not in ("split", "status", "reasons", "pixels")),
        F.when(clean, F.col("split")).alias("split"),
        F.when(in_test, "rejected").otherwise(F.col("status")).alias("status"),
        F.when(in_test, F.array(F.lit("in_test"))).otherwise(F.col("reasons")).alias("reasons"),
        F.when(~in_test, F.col("pixels")).alias("pixels"),
    )


def _without_split_in_test(keyed: DataFrame) -> DataFrame:
    """The same rows; split is null where an image outside of the test split has the content of one inside."""
    tests = keyed.where("split = 'test'").select("content_hash", F.lit(True).alias("in_test")).distinct()
    joined = keyed.join(F.broadcast(tests), "content_hash", "left")
    kept = F.when((F.col("split") == "test") | F.col("in_test").isNull(), F.col("split"))
    return joined.withColumn("split", kept).select(*keyed.columns)
