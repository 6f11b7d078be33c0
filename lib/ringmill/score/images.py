"""A published model of images: batches of decoded pixels → chances of each class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ringmill.errors import InputError
from ringmill.features.images.stored import pixels_of
from ringmill.features.lists import tensor_array
from ringmill.score.batches import CLASS_SCORES
from ringmill.train.metrics import Values
from ringmill.train.saved import Classifier
from ringmill.train.start import import_tensorflow

STATE = "images.json"
# Bytes of pixels that a model sees at once: what its first layers hold of them is a hundred times as much.
BYTES_AT_ONCE = 2**22
Batches = Iterable[pa.RecordBatch]
Score = Callable[[Batches], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class ImageScorer:
    """What scoring needs of a model folder: the classifier, which normalises by the model's own frozen state."""

    model: Classifier

    @property
    def schema(self) -> pa.Schema:
        """Of what is answered."""
        return CLASS_SCORES

    @classmethod
    def load(cls, folder: Path) -> ImageScorer:
        """Read a model folder. Raises InputError where a file of it is missing."""
        import_tensorflow(threads=1)
        if not (folder / STATE).is_file():
            raise InputError.not_published("train", str(folder / STATE))
        return cls(Classifier.load(folder))

    def answer(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """(rows) with a column pixels → (rows) of `CLASS_SCORES`, by the model's classes."""
        found = self.probabilities(batch.column("pixels"))
        said = pa.array(np.array(self.model.classes, object)[found.argmax(axis=1)], pa.string())
        return pa.record_batch([said, tensor_array(found, "double")], schema=CLASS_SCORES)

    def probabilities(self, column: pa.Array) -> Values:
        """(rows) of pixels as bytes → (rows, classes). Raises InputError where a row has another length."""
        shape = tuple(self.model.model.inputs[0].shape[1:])
        return self.model.outputs(pixels_of(column, shape), at_once=images_at_once(shape)).probabilities


def images_at_once(shape: tuple[int, int, int]) -> int:
    """How many images of the shape are told at once, at least one."""
    return max(1, BYTES_AT_ONCE // int(np.prod(shape)))


def in_parts(rows: int, score: Score) -> Score:
    """`score`, given batches of at most so many rows: one of Spark's is as long as its settings allow."""

    def each(batches: Batches) -> Iterator[pa.RecordBatch]:
        return score(batch.slice(at, rows) for batch in batches for at in range(0, batch.num_rows, rows))

    return each
