"""Layers whose training does not depend on how rows are spread over ranks and batches padded (laws 4 and 5).

A saved model needs this module to be loaded, and neither Horovod nor a ring: without a step they infer.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from ringmill.errors import TrainingError
from ringmill.mixing import LATENT
from ringmill.train.draws import kept, normals
from ringmill.train.step import Step, current

# Of the numbers that tell draws apart, dropout's begin here; augmentation has those below, and LATENT.
DROPOUT = 1_000


@keras.saving.register_keras_serializable(package="ringmill")
class BatchNorm(keras.layers.Layer):  # type: ignore[misc]
    """(batch, …, channels) → the same shape: each channel normalised by the moments of the *global* batch's real rows.

    The ranks add up counts, sums and sums of squares, and their gradients; padding is in none of them. Values are
    counted from the moving mean, so that squares do not cancel. Without `sync` a rank normalises by its own rows,
    which law 5 does not survive; the moving moments, by which is inferred, are those of all rows in either case.
    Source: Ioffe and Szegedy, Batch Normalization, 2015.
    """

    def __init__(self, *, sync: bool = True, momentum: float = 0.9, epsilon: float = 1e-3, **named: Any) -> None:
        super().__init__(**named)
        self.sync, self.momentum, self.epsilon = sync, momentum, epsilon

    def build(self, input_shape: Any) -> None:
        # Moments lose what half precision would round off: all of them stay in the weights' dtype.
        alike: dict[str, Any] = {"shape": (input_shape[-1],), "autocast": False}
        self.gamma = self.add_weight(initializer="ones", name="gamma", **alike)
        self.beta = self.add_weight(initializer="zeros", name="beta", **alike)
        # Replicas of one process assign the same value each.
        moving = alike | {"trainable": False, "aggregation": "only_first_replica"}
        self.moving_mean = self.add_weight(initializer="zeros", name="moving_mean", **moving)
        self.moving_variance = self.add_weight(initializer="ones", name="moving_variance", **moving)

    def call(self, inputs: Any, training: bool = False) -> Any:
        values = tf.cast(inputs, self.variable_dtype)
        mean, variance = self._trained_on(values) if training else (self.moving_mean, self.moving_variance)
        scale = self.gamma * tf.math.rsqrt(variance + self.epsilon)
        return tf.cast((values - mean) * scale + self.beta, self.compute_dtype)

    def _trained_on(self, values: Any) -> tuple[Any, Any]:
        """The moments to normalise by; the moving ones move towards those of all ranks' rows."""
        step = _step(self)
        origin = tf.identity(tf.convert_to_tensor(self.moving_mean))
        mine = self._sums(values - origin, step.real)
        everyone = step.summed(mine, name=f"{self.name}_sums")
        mean, variance = _moments(everyone)
        for moving, now in ((self.moving_mean, origin + mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + tf.stop_gradient(now) * (1.0 - self.momentum))
        if not self.sync:
            mean, variance = _moments(mine)
        return origin + mean, variance

    def _sums(self, values: Any, real: Any) -> Any:
        """(2 · channels + 1,): sums and sums of squares of each channel, and how many values a channel has."""
        rest = [1] * (len(values.shape) - 1)
        counted = tf.where(tf.reshape(real, [-1, *rest]), values, 0)
        axes = list(range(len(values.shape) - 1))
        places = tf.cast(tf.reduce_prod(tf.shape(values)[1:-1]), values.dtype)
        count = tf.reduce_sum(tf.cast(real, values.dtype)) * places
        return tf.concat([tf.reduce_sum(counted, axes), tf.reduce_sum(tf.square(counted), axes), [count]], 0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        own = {"sync": self.sync, "momentum": self.momentum, "epsilon": self.epsilon}
        return {**super().get_config(), **own}


def _moments(sums: Any) -> tuple[Any, Any]:
    """Sums → mean and population variance of each channel; of nothing at all 0 and 0."""
    count = tf.maximum(sums[-1], 1)
    mean, square = tf.split(sums[:-1] / count, 2)
    return mean, tf.maximum(square - tf.square(mean), 0)


@keras.saving.register_keras_serializable(package="ringmill")
class Dropout(keras.layers.Layer):  # type: ignore[misc]
    """(batch, …) → the same shape: in training each value is 0 with chance `rate`, others grow to make up for it.

    Drawn from (seed, epoch, row id, `number`, place in the row) alone: `number` tells the layers of a model apart.
    """

    def __init__(self, rate: float, *, number: int, **named: Any) -> None:
        super().__init__(**named)
        self.rate, self.number = rate, number

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or not self.rate:
            return inputs
        count = int(tf.TensorShape(inputs.shape[1:]).num_elements())
        stays = kept(_step(self).keys, DROPOUT + self.number, count, rate=self.rate)
        return tf.where(tf.reshape(stays, tf.shape(inputs)), inputs / (1.0 - self.rate), 0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "number": self.number}


@keras.saving.register_keras_serializable(package="ringmill")
class Latent(keras.layers.Layer):  # type: ignore[misc]
    """(batch, …) → (batch, size): random numbers of mean 0 and deviation 1 for each row, whatever the row holds.

    Drawn from (seed, epoch, row id) alone. Without a step there is nothing to draw from: zeros, the middle.
    """

    def __init__(self, size: int, **named: Any) -> None:
        super().__init__(**named)
        self.size = size

    def call(self, inputs: Any, training: bool = False) -> Any:
        step = current()
        if not training or step is None:
            return tf.zeros([tf.shape(inputs)[0], self.size], self.compute_dtype)
        return tf.cast(normals(step.keys, LATENT, self.size), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.size)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


def _step(layer: Any) -> Step:
    if (step := current()) is None:
        raise TrainingError.without_step(layer.name)
    return step
