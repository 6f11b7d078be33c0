"""Layers over the orders of a customer, row by row: each place holds a category's id, 0 where there is no order, and
numbers of the order. What stands in a place without an order reaches no other number.

A saved model needs this module to be loaded, and neither Horovod nor a ring.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="ringmill")
class CategoryIds(keras.layers.Layer):  # type: ignore[misc]
    """(batch, length, 1 + numbers) → (batch, length) int32: the first number of each place."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.autocast = False  # half precision would round large ids

    def call(self, inputs: Any) -> Any:
        return tf.cast(inputs[:, :, 0], tf.int32)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(inputs.shape[:2], dtype="int32")


@keras.saving.register_keras_serializable(package="ringmill")
class OrderNumbers(keras.layers.Layer):  # type: ignore[misc]
    """(batch, length, 1 + numbers) → (batch, length, numbers): the others, and zeros where there is no order."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.autocast = False

    def call(self, inputs: Any) -> Any:
        return tf.cast(tf.where(inputs[:, :, :1] > 0, inputs[:, :, 1:], 0), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:2], input_shape[2] - 1)


@keras.saving.register_keras_serializable(package="ringmill")
class CategoryShares(keras.layers.Layer):  # type: ignore[misc]
    """(batch, length) ids below `ids` → (batch, ids − 1): of the orders, the share of each category from id 1 on; zeros
    where there is no order."""

    def __init__(self, ids: int, **named: Any) -> None:
        super().__init__(**named)
        self.ids = ids
        self.autocast = False

    def call(self, inputs: Any) -> Any:
        counts = tf.reduce_sum(tf.one_hot(inputs, self.ids, dtype=self.variable_dtype), axis=1)[:, 1:]
        return tf.cast(counts / tf.maximum(tf.reduce_sum(counts, axis=1, keepdims=True), 1), self.compute_dtype)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor((inputs.shape[0], self.ids - 1), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ids": self.ids}
