"""The frozen state of an image set: how files are decoded, how pixels are normalised, which classes there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringmill.config.images import Decoding
from ringmill.features.frozen import Frozen
from ringmill.hashing import digest


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
