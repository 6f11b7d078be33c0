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
    """(image_id, source_file, bytes, content, label) → the columns of `images_table`, one row per image.

    `shape` is that of raw pixels, None where content is a file. The split hangs on the content: copies of one file are
    in one split under whatever names, and added files move none.
    """
    content_hash = F.sha2(F.col("content"), 256)
    keyed = raw.select(
        F.xxhash64("image_id").alias("row_id"),
        "image_id",
        "source_file",
        "bytes",
        content_hash.alias("content_hash"),
        "label",
        split_of(content_hash, section.shares, seed=seed).alias("split"),
        "content",
    )
    decoded = keyed.mapInArrow(encoder(section.decoding, raw=shape), ENCODED)
    return decoded.withColumn("split", F.when(F.col("status") == "clean", F.col("split")))
