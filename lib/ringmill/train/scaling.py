"""Decoded values → what a model sees of them, in training, evaluation and scoring alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from ringmill.handoff.columns import Input


@dataclass(frozen=True)
class Scaling:
    """Decoded values → what the model sees of them, (value − mean) × inverse; both None: the values as they are."""

    dtype: str
    mean: Any
    inverse: Any

    @classmethod
    def of(cls, x: Input, dtype: str) -> Scaling:
        if x.dtype == "int32":
            return cls("int32", None, None)
        if not x.scale:
            return cls(dtype, None, None)
        places = x.length // len(x.scale)
        mean = np.tile(np.asarray(x.mean, dtype), places)
        return cls(dtype, mean, np.tile((1.0 / np.asarray(x.scale)).astype(dtype), places))

    def __call__(self, values: Any) -> Any:
        values = tf.cast(values, self.dtype)
        return values if self.mean is None else (values - self.mean) * self.inverse
