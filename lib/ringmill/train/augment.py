"""Images as training sees them in one epoch: a function of (seed, epoch, row id) alone, whatever the batch or rank."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from ringmill.config.images import Augmentation
from ringmill.train.draws import normals, uniform

FLIP, DOWN, ACROSS, BRIGHTNESS, NOISE = range(1, 6)


def augmented(pixels: Any, keys: Any, spec: Augmentation, shape: tuple[int, ...]) -> Any:
    """(rows, length) uint8 → the same shape, varied; `keys` (rows,) uint64 stands for (seed, epoch, row id).

    In this order: shifted by whole pixels with the edge repeated, mirrored, brightened, noise added; rounded once, to
    0…255.
    """
    images = tf.reshape(pixels, [-1, *shape])
    if spec.flip or spec.crop_pixels:
        images = _moved(images, keys, spec)
    if spec.brightness or spec.noise:
        images = _with_light(images, keys, spec)
    return tf.reshape(images, tf.shape(pixels))


def _moved(images: Any, keys: Any, spec: Augmentation) -> Any:
    height, width = images.shape[1:3]
    rows = _shifted(height, _offsets(keys, DOWN, spec))
    columns = _shifted(width, _offsets(keys, ACROSS, spec))
    mirrored = uniform(keys, FLIP) < spec.flip
    columns = tf.where(mirrored[:, None], columns[:, ::-1], columns)
    return tf.gather(tf.gather(images, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


def _offsets(keys: Any, layer: int, spec: Augmentation) -> Any:
    reach = 2 * spec.crop_pixels + 1
    return tf.cast(tf.floor(uniform(keys, layer) * reach), tf.int32) - spec.crop_pixels


def _shifted(size: int, offsets: Any) -> Any:
    return tf.clip_by_value(tf.range(size)[None, :] + offsets[:, None], 0, size - 1)


def _with_light(images: Any, keys: Any, spec: Augmentation) -> Any:
    factor = tf.cast(1 + spec.brightness * (2 * uniform(keys, BRIGHTNESS) - 1), tf.float32)
    lit = tf.cast(images, tf.float32) * factor[:, None, None, None]
    if spec.noise:
        count = int(np.prod(images.shape[1:]))
        lit += tf.reshape(normals(keys, NOISE, count) * np.float32(spec.noise), tf.shape(images))
    return tf.cast(tf.clip_by_value(tf.round(lit), 0, 255), tf.uint8)
