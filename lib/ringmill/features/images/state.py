"""The frozen state of an image set: how files are decoded, how pixels are normalised, which classes there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ringmill.config.images import Decoding
from ringmill.features.frozen import Frozen
from ringmill.features.images.decode import Pixels
from ringmill.features.images.stored import pixels_of
from ringmill.hashing import digest

UNSEEN = -1


@dataclass(frozen=True)
class ImageState(Frozen):
    """Plain data, fitted on the train split only: what training and scoring need besides the pixels.

    `mean` and `scale` are in grey levels, one per channel. `classes` are the labels of the train split, sorted.
    """

    decoding: Decoding
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    classes: tuple[str, ...]

    @property
    def vocabularies(self) -> dict[str, str]:
        return {"label": digest(self.classes)}

    def to_json(self) -> dict[str, Any]:
        return {
            "decoding": self.decoding.model_dump(),
            "mean": list(self.mean),
            "scale": list(self.scale),
            "classes": list(self.classes),
        }

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> ImageState:
        return cls(
            decoding=Decoding(**tree["decoding"]),
            mean=tuple(tree["mean"]),
            scale=tuple(tree["scale"]),
            classes=tuple(tree["classes"]),
        )


def normalise(pixels: Pixels, state: ImageState) -> NDArray[np.float32]:
    """(rows, height, width, channels) uint8 → the same shape in float32: (pixel − mean) × (1 / scale).

    Two roundings in float32, the same on every machine.
    """
    inverse = (1.0 / np.asarray(state.scale)).astype(np.float32)
    out = np.subtract(pixels, np.asarray(state.mean, dtype=np.float32), dtype=np.float32)
    return np.multiply(out, inverse, out=out)


def class_index(labels: pa.Array, state: ImageState) -> NDArray[np.int64]:
    """(rows,) string → (rows,) int64: the place among the classes; −1 for null, and for what train does not hold."""
    found = pc.index_in(labels, value_set=pa.array(state.classes, pa.string()))
    return np.asarray(found.fill_null(UNSEEN).to_numpy(zero_copy_only=False), dtype=np.int64)


def apply(batch: pa.RecordBatch, state: ImageState) -> NDArray[np.float32]:
    """(rows) of clean images → (rows, height, width, channels) float32: the only implementation (law 9).

    Raises:
        InputError: a row has no pixels, or those of another shape.
    """
    return normalise(pixels_of(batch.column("pixels"), state.decoding.shape), state)
