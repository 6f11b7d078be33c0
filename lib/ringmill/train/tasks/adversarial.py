"""Rows that are made beside rows that are real: one network makes them, another tells them apart, and each learns by
the other.

Each step, over the rows of the *global* batch, first the judging network minimises Σ w · (CE(real, D(x)) +
CE(made, D(G(z)))) ÷ Σ w, then the making one Σ w · CE(real, D(G(z))) ÷ Σ w, with CE the cross-entropy of D's logit. A
batch has as many made rows as real ones, one for each row and drawn by its id: padding makes none. With a smoothing of
s a real row counts as real by 1 − s, for the judging network alone.

Source: Goodfellow et al., Generative Adversarial Nets, 2014 (the generator's loss that does not saturate); Salimans et
al., Improved Techniques for Training GANs, 2016 (smoothing on one side).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ringmill.handoff.columns import Label
from ringmill.train.tasks.mean import LossOfRows
from ringmill.train.tasks.task import Head, Labels, Values

# The networks, and their words on real and on made rows, as train/models/gan.py calls them.
GENERATOR, DISCRIMINATOR = "generator", "discriminator"
REAL, MADE, LOG_LOSS = "real", "made", "log_loss"
PREDICTIONS = pa.schema([("row_id", pa.int64()), (LOG_LOSS, pa.float64())])


@dataclass(frozen=True)
class AdversarialTask(LossOfRows):
    """It has no labels. What is measured of held-out rows is −log D(x): how unlike real ones the judging network finds
    them. It says nothing of how good made rows are, so that no epoch is better than another by it."""

    discriminator_rate: float = 1.0
    smoothing: float = 0.0
    labels: tuple[Label, ...] = ()
    targets: tuple[str, ...] = ()
    heads: tuple[str, ...] = (LOG_LOSS,)
    schema: pa.Schema = PREDICTIONS

    def masses(self, weight: Values, labels: Labels) -> list[Values]:
        return [weight, weight]

    def totals(self, weight: Values, labels: Labels) -> list[float]:
        return [float(weight.sum())]

    def starts(self, rows: int, totals: Sequence[float]) -> dict[str, Head]:
        """The one head; a judgement has no bias to start from."""
        return {LOG_LOSS: Head((), (0.0,))}

    def losses(self, heads: Mapping[str, Any], labels: Mapping[str, Any], weight: Any) -> list[Any]:
        """The judging network's, and the making one's."""
        import tensorflow as tf

        real, made = heads[REAL], heads[MADE]
        judged = tf.nn.softplus(-real) + self.smoothing * real + tf.nn.softplus(made)
        return [tf.reduce_sum(weight * judged), tf.reduce_sum(weight * tf.nn.softplus(-made))]

    def discriminator_loss(self, sums: Sequence[Any], divisors: Sequence[Any]) -> Any:
        return sums[0] / divisors[0]

    def generator_loss(self, sums: Sequence[Any], divisors: Sequence[Any]) -> Any:
        return sums[1] / divisors[1]

    def loss(self, sums: Sequence[Any], divisors: Sequence[Any]) -> Any:
        """Both together, for the history alone: what is lost by one is won by the other."""
        return self.discriminator_loss(sums, divisors) + self.generator_loss(sums, divisors)
