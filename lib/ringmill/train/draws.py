"""Draws in a graph that are a function of what they are drawn for: SplitMix64 (Steele, Lea, Flood 2014) in TensorFlow.

The same bits as ringmill.mixing gives: on any rank, in any batch, on any machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from ringmill.mixing import BYTES_DEVIATION, BYTES_MEAN, FIRST, GOLDEN, SECOND


def mixed(numbers: Any) -> Any:
    """uint64 → uint64, of the same shape: every bit of the result hangs on every bit of the number."""
    state = tf.bitwise.bitwise_xor(numbers, _shifted(numbers, 30)) * tf.constant(FIRST, tf.uint64)
    state = tf.bitwise.bitwise_xor(state, _shifted(state, 27)) * tf.constant(SECOND, tf.uint64)
    return tf.bitwise.bitwise_xor(state, _shifted(state, 31))


def row_keys(seed: int, epoch: Any, row_id: Any) -> Any:
    """(rows,) int64 → (rows,) uint64: a number that stands for (seed, epoch, row id). `epoch` is a scalar of int64."""
    start = mixed(mixed(tf.constant(np.uint64(seed), tf.uint64)) + tf.bitcast(epoch, tf.uint64))
    return mixed(start + mixed(tf.bitcast(row_id, tf.uint64)))


def streams(keys: Any, layer: int, count: int) -> Any:
    """(rows,) keys → (rows, count) uint64: independent draws for each row and layer."""
    starts = mixed(keys + tf.constant(np.array(layer, np.uint64) * GOLDEN, tf.uint64))
    places = np.arange(1, count + 1, dtype=np.uint64) * GOLDEN
    return mixed(starts[:, None] + tf.constant(places, tf.uint64))


def uniform(keys: Any, layer: int) -> Any:
    """(rows,) float64 from 0 to below 1, one draw per row and layer, by the upper 53 bits."""
    return _upper(mixed(keys + tf.constant(np.array(layer, np.uint64) * GOLDEN, tf.uint64))) * 2.0**-53


def uniforms(keys: Any, layer: int, count: int) -> Any:
    """(rows, count) float64 from 0 to below 1: independent draws for each row and layer."""
    return _upper(streams(keys, layer, count)) * 2.0**-53


def kept(keys: Any, layer: int, count: int, *, rate: float) -> Any:
    """(rows, count) bool: false with chance `rate`."""
    return _upper(streams(keys, layer, count)) >= tf.constant(rate * 2.0**53, tf.float64)


def normals(keys: Any, layer: int, count: int) -> Any:
    """(rows, count) float32 of mean 0 and deviation 1: independent draws for each row and layer.

    Each is a sum of four uniform bytes, which is normal up to 3.5 deviations, and whose bits are the same on every
    machine; two come of each 64 bits of a row's stream, the lower half first.
    """
    drawn = tf.bitcast(streams(keys, layer, -(-count // 2)), tf.uint32)
    halves = tf.reshape(drawn, [tf.shape(keys)[0], -1])[:, :count]
    mask, low = tf.constant(0x00FF00FF, tf.uint32), tf.constant(0xFFFF, tf.uint32)
    eight, sixteen = tf.constant(8, tf.uint32), tf.constant(16, tf.uint32)
    pairs = tf.bitwise.bitwise_and(halves, mask)
    pairs += tf.bitwise.bitwise_and(tf.bitwise.right_shift(halves, eight), mask)
    sums = tf.bitwise.bitwise_and(pairs, low) + tf.bitwise.right_shift(pairs, sixteen)
    return (tf.cast(sums, tf.float32) - np.float32(BYTES_MEAN)) / np.float32(BYTES_DEVIATION)


def _upper(numbers: Any) -> Any:
    return tf.cast(_shifted(numbers, 11), tf.float64)


def _shifted(numbers: Any, places: int) -> Any:
    return tf.bitwise.right_shift(numbers, tf.constant(places, tf.uint64))
