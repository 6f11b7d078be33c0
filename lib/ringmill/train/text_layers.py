"""Layers over the tokens of a text, row by row: 0 is padding, and what stands there reaches no other number.

A saved model needs this module to be loaded, and neither Horovod nor a ring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

HIDDEN = -1e4  # a score whose exponential is 0 in every dtype, half precision too


@keras.saving.register_keras_serializable(package="ringmill")
class Words(keras.layers.Layer):  # type: ignore[misc]
    """(batch, length) ids below `ids` → (batch, length, units): each token's vector, and zeros where there is none."""

    def __init__(self, ids: int, units: int, *, seed: int, **named: Any) -> None:
        super().__init__(**named)
        self.ids, self.units, self.seed = ids, units, seed
        self.autocast = False  # ids are whole numbers in any dtype

    def build(self, input_shape: Any) -> None:
        uniform = keras.initializers.RandomUniform(-0.05, 0.05, seed=self.seed)
        self.vectors = self.add_weight(shape=(self.ids, self.units), initializer=uniform, name="vectors")

    def call(self, inputs: Any) -> Any:
        found = tf.cast(tf.gather(self.vectors, inputs), self.compute_dtype)
        return tf.where((inputs > 0)[..., None], found, 0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape, self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ids": self.ids, "units": self.units, "seed": self.seed}


@keras.saving.register_keras_serializable(package="ringmill")
class Real(keras.layers.Layer):  # type: ignore[misc]
    """(batch, length) ids → (batch, length, 1): 1 where a token stands, 0 where there is padding."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.autocast = False

    def call(self, inputs: Any) -> Any:
        return tf.cast(inputs > 0, self.compute_dtype)[..., None]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape, 1)


@keras.saving.register_keras_serializable(package="ringmill")
class Places(keras.layers.Layer):  # type: ignore[misc]
    """(batch, length, units) → the same shape: a learnt vector of each place is added."""

    def __init__(self, *, seed: int, **named: Any) -> None:
        super().__init__(**named)
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        uniform = keras.initializers.RandomUniform(-0.05, 0.05, seed=self.seed)
        self.vectors = self.add_weight(shape=tuple(input_shape[1:]), initializer=uniform, name="vectors")

    def call(self, inputs: Any) -> Any:
        return inputs + tf.cast(self.vectors, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(package="ringmill")
class Attention(keras.layers.Layer):  # type: ignore[misc]
    """[(batch, length, units), real (batch, length, 1)] → (batch, length, units): each place looks at all real ones.

    Scaled dot products in `heads` parts of the units. A text without tokens looks at all its places alike; what comes
    of it is left out later. Source: Vaswani et al., Attention Is All You Need, 2017.
    """

    def __init__(self, heads: int, *, seed: int, **named: Any) -> None:
        super().__init__(**named)
        self.heads, self.seed = heads, seed

    def build(self, input_shape: Sequence[Any]) -> None:
        self.length, units = input_shape[0][1:]
        self.weights_of = {
            name: self.add_weight(
                shape=(units, units), initializer=keras.initializers.GlorotUniform(seed=self.seed + place), name=name
            )
            for place, name in enumerate(("query", "key", "value", "out"))
        }

    @property
    def numbers_inside(self) -> int:
        """Of a row, while it computes: more than it gives."""
        return self.heads * int(self.length) ** 2

    def call(self, inputs: Sequence[Any]) -> Any:
        seen, real = inputs
        query, key, value = (self._parted(seen, name) for name in ("query", "key", "value"))
        scores = tf.einsum("bqhu,bkhu->bhqk", query, key) * tf.cast(query.shape[-1], seen.dtype) ** -0.5
        scores = tf.where(real[:, None, None, :, 0] > 0, scores, tf.cast(HIDDEN, seen.dtype))
        looked = tf.einsum("bhqk,bkhu->bqhu", tf.nn.softmax(scores), value)
        return tf.reshape(looked, tf.shape(seen)) @ tf.cast(self.weights_of["out"], seen.dtype)

    def _parted(self, seen: Any, name: str) -> Any:
        """(batch, length, heads, units ÷ heads)"""
        turned = seen @ tf.cast(self.weights_of[name], seen.dtype)
        return tf.reshape(turned, [-1, self.length, self.heads, seen.shape[-1] // self.heads])

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "seed": self.seed}


@keras.saving.register_keras_serializable(package="ringmill")
class MeanOfReal(keras.layers.Layer):  # type: ignore[misc]
    """[(batch, length, units), real (batch, length, 1)] → (batch, units): the mean over real places; of none 0."""

    def call(self, inputs: Sequence[Any]) -> Any:
        seen, real = inputs
        return tf.reduce_sum(seen * real, axis=1) / tf.maximum(tf.reduce_sum(real, axis=1), 1)

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        shape, _ = input_shape
        return (shape[0], shape[2])


class _Cell(keras.layers.Layer):  # type: ignore[misc]
    """What recurrent cells share. Keras' own hold a generator of random numbers, which law 5 does not know."""

    gates: int
    states: int

    def __init__(self, units: int, *, seed: int, **named: Any) -> None:
        super().__init__(**named)
        self.units, self.seed = units, seed
        self.output_size = units
        self.state_size = [units] * self.states

    def build(self, input_shape: Any) -> None:
        width = self.gates * self.units
        start, turn = keras.initializers.GlorotUniform(seed=self.seed), keras.initializers.Orthogonal(seed=self.seed)
        self.kernel = self.add_weight(shape=(input_shape[-1], width), initializer=start, name="kernel")
        self.recurrent = self.add_weight(shape=(self.units, width), initializer=turn, name="recurrent")
        self.bias = self.add_weight(shape=(width,), initializer="zeros", name="bias")

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        return [tf.zeros([batch_size, self.units], self.compute_dtype) for _ in self.state_size]

    def _both(self, inputs: Any, before: Any) -> tuple[list[Any], list[Any]]:
        """What each gate sees of the inputs, and of the state."""
        mine = inputs @ tf.cast(self.kernel, inputs.dtype) + tf.cast(self.bias, inputs.dtype)
        return tf.split(mine, self.gates, -1), tf.split(before @ tf.cast(self.recurrent, inputs.dtype), self.gates, -1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "seed": self.seed}


@keras.saving.register_keras_serializable(package="ringmill")
class GruCell(_Cell):
    """One step of a gated recurrent unit. Source: Cho et al., 2014, with the reset gate behind the product."""

    gates, states = 3, 1

    def call(self, inputs: Any, states: Sequence[Any], training: bool = False) -> tuple[Any, list[Any]]:
        (before,) = states
        (keep, reset, new), (keeps, resets, news) = self._both(inputs, before)
        kept = tf.sigmoid(keep + keeps)
        found = tf.tanh(new + tf.sigmoid(reset + resets) * news)
        after = kept * before + (1 - kept) * found
        return after, [after]


@keras.saving.register_keras_serializable(package="ringmill")
class LstmCell(_Cell):
    """One step of a long short-term memory, whose forget gate starts open. Source: Gers et al., 2000."""

    gates, states = 4, 2

    def call(self, inputs: Any, states: Sequence[Any], training: bool = False) -> tuple[Any, list[Any]]:
        before, memory = states
        take, forget, new, give = (mine + its for mine, its in zip(*self._both(inputs, before), strict=True))
        memory = tf.sigmoid(forget + 1) * memory + tf.sigmoid(take) * tf.tanh(new)
        after = tf.sigmoid(give) * tf.tanh(memory)
        return after, [after, memory]
