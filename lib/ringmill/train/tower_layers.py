"""Layers of a model of two towers: what a customer's past products say, and how likely each product makes the next one.

A saved model needs this module to be loaded, and neither Horovod nor a ring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ringmill.train.step import Step, current

FIRST = 1  # the id of the first product; 0 is none


@keras.saving.register_keras_serializable(package="ringmill")
class ProductLoss(keras.layers.Layer):  # type: ignore[misc]
    """[(batch, units), (batch,) ids] → (batch,): −log P(product | customer), with P ∝ exp(customer · product + bias).

    In training P is among the products of the *global* batch, which stand for all: they came there in proportion to q,
    the frozen shares of the products among training rows, and from each logit log q is taken to make up for it. A
    product that is the row's own is no negative of it. The ranks add up how many rows each product has in the batch,
    whole numbers, so that neither the number of ranks nor padding has a part in it. Elsewhere P is over all products,
    and exact.

    `log_shares` is log q by product; the biases start there: before anything is learnt P is q.
    Source: Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations, 2019; Bengio,
    Senécal, Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic Language Model, 2008.
    """

    def __init__(self, log_shares: Sequence[float], *, seed: int, **named: Any) -> None:
        super().__init__(**named)
        self.log_shares, self.seed = tuple(log_shares), seed
        self.autocast = False  # ids are whole numbers in any dtype

    def build(self, input_shape: Sequence[Any]) -> None:
        uniform = keras.initializers.RandomUniform(-0.05, 0.05, seed=self.seed)
        shape = (len(self.log_shares), input_shape[0][1])
        self.vectors = self.add_weight(shape=shape, initializer=uniform, name="vectors")
        start = keras.initializers.Constant(np.array(self.log_shares))
        self.biases = self.add_weight(shape=shape[:1], initializer=start, name="biases")

    @property
    def numbers_inside(self) -> int:
        """Of a row, where all products are compared."""
        return len(self.log_shares)

    def call(self, inputs: Sequence[Any], training: bool = False) -> Any:
        customer, ids = tf.cast(inputs[0], self.variable_dtype), inputs[1]
        # Padding has the id 0, and what comes of it is left out later.
        place = tf.maximum(ids - FIRST, 0)
        step = current()
        if training and step is not None:
            return self._among_the_batch(customer, place, step)
        logits = tf.linalg.matmul(customer, self.vectors, transpose_b=True) + self.biases
        return tf.reduce_logsumexp(logits, axis=1) - tf.gather(logits, place, axis=1, batch_dims=1)

    def _among_the_batch(self, customer: Any, place: Any, step: Step) -> Any:
        real = tf.cast(step.real, customer.dtype)
        mine = tf.math.unsorted_segment_sum(real, place, len(self.log_shares))
        # A negative counts as often as the global batch has it, on whichever rank.
        (counts,) = step.ring.sum([mine], name=f"{self.name}_counts")
        there = tf.cast(tf.where(counts > 0)[:, 0], tf.int32)
        log_counts = tf.math.log(tf.gather(counts, there))
        offsets = tf.gather(self.biases - tf.constant(self.log_shares, customer.dtype), there)
        logits = tf.linalg.matmul(customer, tf.gather(self.vectors, there), transpose_b=True) + offsets
        own = tf.cast(there[None, :] == place[:, None], customer.dtype)
        return tf.reduce_logsumexp(logits + (1 - own) * log_counts, axis=1) - tf.reduce_sum(own * logits, axis=1)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return input_shape[0][:1]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "log_shares": list(self.log_shares), "seed": self.seed}
