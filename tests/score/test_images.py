"""Scoring images: parts of a batch give the batch's rows in their order, and pixels of another shape are refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ringmill.errors import InputError
from ringmill.score.images import ImageScorer, images_at_once, in_parts
from ringmill.train.tasks.class_metrics import ClassOutputs


class Sums:
    """Stands for a classifier of images of 2 × 2 × 1: an image is the class 'dark' by how small its sum is."""

    classes = ("bright", "dark")

    class model:
        class one:
            shape = (None, 2, 2, 1)

        inputs = (one,)

    def outputs(self, x: Any, *, at_once: int) -> ClassOutputs:
        assert x.dtype == np.uint8 and x.shape[1:] == (2, 2, 1)
        total = x.sum(axis=(1, 2, 3), dtype=float)
        return ClassOutputs(np.stack([total, 100.0 - total], axis=1))


def pixels(*rows: list[int]) -> pa.RecordBatch:
    return pa.record_batch({"pixels": pa.array([bytes(row) for row in rows], pa.binary())})


def test_images_are_told_by_their_own_pixels_whatever_they_stand_beside() -> None:
    scorer = ImageScorer(Sums())  # type: ignore[arg-type]
    rows = [[0, 0, 0, 1], [90, 9, 0, 0], [25, 25, 0, 0]]
    whole = scorer.answer(pixels(*rows))
    assert whole.column("predicted").to_pylist() == ["dark", "bright", "bright"]
    for place, row in enumerate(rows):
        assert scorer.answer(pixels(row)).to_pylist() == whole.slice(place, 1).to_pylist()
        assert scorer.answer(pixels(*rows).slice(place, 1)).to_pylist() == whole.slice(place, 1).to_pylist()
    assert scorer.answer(pixels()).num_rows == 0


def test_law_9_pixels_of_another_shape_are_named() -> None:
    with pytest.raises(InputError, match=r"'pixels'[\s\S]*4 bytes in every row[\s\S]*1 rows of other lengths"):
        ImageScorer(Sums()).answer(pixels([0, 0, 0, 1], [1, 2]))  # type: ignore[arg-type]


def test_large_pictures_come_in_parts_and_none_is_lost() -> None:
    asked: list[int] = []

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            asked.append(batch.num_rows)
            yield batch

    came = [pixels([1], [2], [3], [4], [5]), pixels(), pixels([6])]
    found = pa.Table.from_batches(list(in_parts(2, score)(came)))
    assert found["pixels"].to_pylist() == [bytes([number]) for number in range(1, 7)]
    assert asked == [2, 2, 1, 1]
    assert (images_at_once((28, 28, 1)), images_at_once((320, 320, 3)), images_at_once((4096, 4096, 3))) == (
        5349,
        13,
        1,
    )
