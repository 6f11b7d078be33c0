"""Decoded images → the frozen state: sums per channel over the train split, exact in whole numbers, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ringmill.config.images import Images
from ringmill.errors import InputError
from ringmill.features.images.state import ImageState
from ringmill.features.images.stored import pixels_of

WHERE = "the train split of the images"
MOST_CLASSES = 100_000
FULL = 255.0


def fit_images(images: DataFrame, section: Images) -> ImageState:
    """Rows of `images_table` → what training and scoring need; only clean rows of the train split are read.

    `unit`: mean 0 and scale 255. `zscore`: each channel's mean and population standard deviation over all pixels, from
    sums of whole numbers that no order or partitioning changes; a channel without spread has scale 1.

    Raises:
        InputError: no image is in the train split, or more than 100,000 classes.
    """
    train = images.where((F.col("status") == "clean") & (F.col("split") == "train"))
    found = train.groupBy("label").count().limit(MOST_CLASSES + 2).collect()
    if not found:
        raise InputError.unfit(WHERE, "at least one image", "none", "give more images, or other shares")
    classes = sorted(row["label"] for row in found if row["label"] is not None)
    if len(classes) > MOST_CLASSES:
        todo = "check where labels are read from: they seem to be names of images"
        raise InputError.unfit(WHERE, f"at most {MOST_CLASSES:,} classes", f"{len(classes):,} or more", todo)
    channels = section.decoding.channels
    mean, scale = (0.0,) * channels, (FULL,) * channels
    if section.normalise == "zscore":
        mean, scale = _moments(train, section.decoding.shape)
    return ImageState(section.decoding, mean, scale, tuple(classes))


def _moments(train: DataFrame, shape: tuple[int, int, int]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel; the driver gets one row per channel."""
    sums = train.select("pixels").mapInArrow(_summing(shape), "channel int, count bigint, total bigint, squares bigint")
    rows = sums.groupBy("channel").agg(F.sum("count"), F.sum("total"), F.sum("squares")).orderBy("channel").collect()
    counted = [(int(count), int(total), int(squares)) for _, count, total, squares in rows]
    means = tuple(total / count for count, total, _ in counted)
    # Python's whole numbers have no limit: count × squares does not fit into 64 bits.
    scales = tuple(
        (count * squares - total**2) ** 0.5 / count if count * squares > total**2 else 1.0
        for count, total, squares in counted
    )
    return means, scales


def _by_channel(lines: NDArray[np.uint8] | NDArray[np.uint16], shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """(lines, width × channels) → (channels,) sums."""
    sums: NDArray[np.int64] = lines.sum(axis=0, dtype=np.int64).reshape(shape[1:]).sum(axis=0)
    return sums


def _summing(shape: tuple[int, int, int]) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """For `mapInArrow`: each task's rows of pixels → one row per channel."""

    def summed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        count, total, squares = 0, np.zeros(shape[2], np.int64), np.zeros(shape[2], np.int64)
        for batch in batches:
            # Lines of all images below each other: adding long lines is eleven times as fast as adding three channels.
            lines = pixels_of(batch.column("pixels"), shape).reshape(-1, shape[1] * shape[2])
            count += len(lines) * shape[1]
            total += _by_channel(lines, shape)
            squares += _by_channel(np.square(lines, dtype=np.uint16), shape)
        channels = np.arange(shape[2], dtype=np.int32)
        yield pa.RecordBatch.from_arrays(
            [pa.array(channels), pa.array(np.full(shape[2], count)), pa.array(total), pa.array(squares)],
            names=["channel", "count", "total", "squares"],
        )

    return summed
