"""Image files through Spark's binary source, and idx files: one row per image, not yet decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ringmill.config.images import Images
from ringmill.errors import InputError
from ringmill.lake.digest import digest_of
from ringmill.lake.idx import IdxFile, look_at_idx, read_stretch
from ringmill.lake.paths import absolute, list_below

COLUMNS = "image_id string, source_file string, bytes bigint, content binary, label string"
ARROW = pa.schema(
    [
        ("image_id", pa.string()),
        ("source_file", pa.string()),
        ("bytes", pa.int64()),
        ("content", pa.binary()),
        ("label", pa.string()),
    ]
)
# Rows of one task, decoded: what a task writes becomes files of this size.
PARTITION_BYTES = 128 * 2**20
BATCH_BYTES = 16 * 2**20
# A task that begins within a .gz has to unpack all that stands before: on average half of the file each.
PACKED_PARTITIONS = 8

Reader = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class RawImages:
    """`images`: image_id, source_file, bytes, content, label, of_test; one row per image.

    content is null where it is too large; of_test is true where `images.test_path` named the image.

    `raw` is None where content is a file, or the (height, width, channels) of the bytes that it is. `rows` are counted.
    """

    images: DataFrame
    rows: int
    raw: tuple[int, int, int] | None = None


def read_images(spark: SparkSession, section: Images, *, partition_bytes: int = PARTITION_BYTES) -> RawImages:
    """What `section` names, in partitions of about `partition_bytes` decoded bytes.

    image_id is the path below the folder read, or of an idx file its name and the place in it, from 0: 'name#7'; behind
    'test:' where `images.test_path` named it.
    label is null where there is none. The file with the labels is none of the images, wherever it lies.

    Raises:
        InputError: nothing is there; an idx file is torn, or its labels are not as many as its images; the file with
            labels lacks a column, or holds several labels of one image; two idx files have images of two shapes.
    """
    read = _read_idx if section.format == "idx" else _read_files
    found = read(spark, section, partition_bytes)
    images = found.images.withColumn("of_test", F.lit(False))
    if section.test_path is None:
        return replace(found, images=images)
    tests = read(spark, section.of_test, partition_bytes)
    if tests.raw != found.raw:
        raise InputError.bad_idx(section.test_path, f"images of {found.raw}, as in {section.path}", f"{tests.raw}")
    named = tests.images.withColumn("image_id", F.concat(F.lit("test:"), "image_id")).withColumn("of_test", F.lit(True))
    return RawImages(images.unionByName(named), found.rows + tests.rows, found.raw)


def digest_of_images(images: DataFrame) -> str:
    """Of all images' names, labels and bytes, of unread files the length: see `digest_of`."""
    content = F.sha2(F.col("content"), 256)
    digest, _ = digest_of(images.select("image_id", "label", "bytes", content.alias("content")))
    return digest


def _read_files(spark: SparkSession, section: Images, partition_bytes: int) -> RawImages:
    base, listed = list_below(section.path)
    labels_file = absolute(section.label_path or "").removeprefix(f"{base.rstrip('/')}/")
    found = [(name, size) for name, size in listed if name != labels_file]
    if not found:
        raise InputError.no_file(section.path)
    files = _filled(spark, section, base).where(F.col("name") != labels_file)
    files = files.union(_empty(spark, [name for name, size in found if not size]))
    images = files.select(
        F.col("name").alias("image_id"),
        F.col("name").alias("source_file"),
        F.col("length").alias("bytes"),
        "content",
        _folder_of(F.col("name")) if section.labels == "folder" else F.lit(None).cast("string").alias("label"),
    )
    if section.labels == "file":
        labels = _labels(spark, str(section.label_path))
        images = images.drop("label").join(F.broadcast(labels), "image_id", "left")
    # Spark cuts by the files' bytes; what a task writes is the pixels.
    wanted = max(spark.sparkContext.defaultParallelism, -(-len(found) * section.decoding.bytes // partition_bytes))
    return RawImages(images.coalesce(wanted), len(found))


def _filled(spark: SparkSession, section: Images, base: str) -> DataFrame:
    """(name, length, content) of the files that hold a byte."""
    files = spark.read.format("binaryFile").option("recursiveFileLookup", True).load(section.path)
    name = F.substr(F.col("path"), F.lit(len(_qualified(spark, base)) + 2)).alias("name")
    most = section.largest_file_mb * 2**20
    # Without its content a file is not read; one of 2 GiB or more would end the job.
    unread = files.where(F.col("length") > most).select(name, "length", F.lit(None).cast("binary").alias("content"))
    return files.where(F.col("length") <= most).select(name, "length", "content").union(unread)


def _empty(spark: SparkSession, names: list[str]) -> DataFrame:
    """(name, length, content) of files without a byte, which Spark's listing leaves out without a word."""
    return spark.createDataFrame([(name, 0, b"") for name in names], "name string, length bigint, content binary")


def _qualified(spark: SparkSession, folder: str) -> str:
    """A folder as the paths of Spark's binary source begin."""
    jvm = spark.sparkContext._jvm
    path = jvm.org.apache.hadoop.fs.Path(folder)  # type: ignore[union-attr]
    system = path.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
    return str(system.makeQualified(path).toString()).rstrip("/")


def _folder_of(path: Column) -> Column:
    """The name of the folder that a file lies in; null for one directly below the folder read."""
    return F.try_element_at(F.split(path, "/"), F.lit(-2)).alias("label")


def _labels(spark: SparkSession, path: str) -> DataFrame:
    """(image_id, label) of a CSV with a header."""
    found = spark.read.option("header", True).csv(path)
    if missing := {"image", "label"} - set(found.columns):
        raise InputError.missing_columns(path, missing, found.columns)
    labels = found.select(F.col("image").alias("image_id"), "label").distinct()
    twice = labels.groupBy("image_id").count().where("count > 1").orderBy("image_id").head()
    if twice is not None:
        received = f"{twice['count']} labels of '{twice['image_id']}'"
        raise InputError.unfit(path, "one label per image", received, "correct the file with the labels")
    return labels


def _read_idx(spark: SparkSession, section: Images, partition_bytes: int) -> RawImages:
    images = look_at_idx(section.path, dimensions=(3, 4))
    labels = look_at_idx(section.label_path, dimensions=(1,)) if section.label_path else None
    if labels and labels.rows != images.rows:
        raise InputError.bad_idx(labels.path, f"{images.rows:,} labels, as many as images", f"{labels.rows:,}")
    height, width, channels = (*images.shape[1:], 1)[:3]
    if not images.rows or channels not in (1, 3):
        raise InputError.bad_idx(images.path, "at least one image of one or three channels", f"shape {images.shape}")
    wanted = -(-images.rows * max(section.decoding.bytes, images.row_bytes) // partition_bytes)
    count = min(images.rows, wanted, PACKED_PARTITIONS if images.is_packed else wanted)
    parts = spark.range(0, count, 1, count)
    frame = parts.mapInArrow(_reader(images, labels, count), COLUMNS)
    return RawImages(frame, images.rows, (height, width, channels))


def _reader(images: IdxFile, labels: IdxFile | None, count: int) -> Reader:
    """The stretch of each part, in batches of bounded size."""

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for part in batch.column(0).to_pylist():
                yield from _batches(images, labels, part * images.rows // count, (part + 1) * images.rows // count)

    return read


def _batches(images: IdxFile, labels: IdxFile | None, start: int, stop: int) -> Iterator[pa.RecordBatch]:
    size = max(1, BATCH_BYTES // images.row_bytes)
    contents = read_stretch(images, start, stop)
    classes = read_stretch(labels, start, stop) if labels else None
    for first in range(start, stop, size):
        rows = range(first, min(first + size, stop))
        columns = (
            [f"{images.name}#{row}" for row in rows],
            [images.name] * len(rows),
            [images.row_bytes] * len(rows),
            [next(contents) for _ in rows],
            [str(next(classes)[0]) for _ in rows] if classes else [None] * len(rows),
        )
        yield pa.RecordBatch.from_arrays(
            [pa.array(column, field.type) for column, field in zip(columns, ARROW, strict=True)], schema=ARROW
        )
