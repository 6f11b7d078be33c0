"""L1 and L2 penalties of the weights: their gradients, which each step adds once, whatever the number of ranks.

A penalty is of the weights and not of rows: no rank has a share of it, no batch divides it, and no padding counts in
it. So it is added to the sum of the ranks' gradients, before that is clipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from ringmill.config.train import Train


@dataclass(frozen=True)
class Penalty:
    """`l1` · Σ |w| + `l2` · Σ w², over the weights of two axes or more: kernels and embeddings, no biases and no scales
    of norms."""

    l1: float = 0.0
    l2: float = 0.0

    @classmethod
    def of(cls, section: Train) -> Penalty:
        return cls(section.l1, section.l2)

    def added(self, gradients: Sequence[Any], variables: Sequence[Any], scale: Callable[[Any], Any]) -> list[Any]:
        """The losses' gradients → those of losses and penalty; `scale` is what makes a loss as large as the gradients
        are of. A weight that no loss depends on has None in `gradients`, and the penalty's alone after it."""
        if not (self.l1 or self.l2):
            return list(gradients)
        pairs = zip(gradients, variables, strict=True)
        return [self._with(gradient, variable, scale) for gradient, variable in pairs]

    def _with(self, gradient: Any, variable: Any, scale: Callable[[Any], Any]) -> Any:
        if len(variable.shape) < 2:
            return gradient
        weights = tf.convert_to_tensor(variable)
        # |w| has no slope at 0: there the sign is 0, and so is the penalty's part.
        own = scale(self.l1 * tf.sign(weights) + 2.0 * self.l2 * weights)
        # The penalty touches every row of an embedding: its gradient is no longer one of few rows.
        return own if gradient is None else tf.convert_to_tensor(gradient) + tf.cast(own, gradient.dtype)
