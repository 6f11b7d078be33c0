"""Draws and augmentation inside a graph: the same bits as outside of it, whatever rows stand beside each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from features.images import augmented as outside
from ringmill.config.images import Augmentation
from ringmill.mixing import mixed as mixed_outside

ALL = Augmentation(flip=0.5, crop_pixels=3, brightness=0.3, noise=10)


@pytest.fixture(scope="module")
def inside() -> Any:
    import tensorflow as tf

    from ringmill.train import augment, draws

    def varied(pixels: Any, row_id: Any, spec: Augmentation, *, seed: int, epoch: int) -> Any:
        @tf.function(jit_compile=False)
        def graph(flat: Any, ids: Any) -> Any:
            keys = draws.row_keys(seed, tf.constant(epoch, tf.int64), ids)
            return augment.augmented(flat, keys, spec, pixels.shape[1:])

        flat = pixels.reshape(len(pixels), -1)
        return graph(tf.constant(flat), tf.constant(row_id)).numpy().reshape(pixels.shape)

    return varied


def images(rows: int, shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(rows).integers(0, 256, (rows, *shape), dtype=np.uint8)


def ids(rows: int) -> Any:
    return np.random.default_rng(rows).integers(-(2**63), 2**63 - 1, rows)


@pytest.mark.parametrize(
    "spec",
    [ALL, Augmentation(flip=1.0), Augmentation(crop_pixels=2), Augmentation(brightness=0.9), Augmentation(noise=40)],
    ids=["all", "flip", "crop", "brightness", "noise"],
)
@pytest.mark.parametrize("shape", [(28, 28, 1), (7, 5, 3)])
def test_a_graph_varies_images_to_the_bytes_of_the_plain_definition(
    spec: Augmentation, shape: tuple[int, ...], inside: Any
) -> None:
    pixels, row_id = images(40, shape), ids(40)
    for seed, epoch in ((0, 0), (20_261, 7), (2**63 + 5, 1)):
        expected = outside.augment(pixels, row_id, spec=spec, seed=seed, epoch=epoch)
        assert (expected != pixels).any()
        np.testing.assert_array_equal(inside(pixels, row_id, spec, seed=seed, epoch=epoch), expected)


def test_law_5_an_image_is_varied_alike_in_whatever_batch_it_stands(inside: Any) -> None:
    pixels, row_id = images(9, (320, 320, 3)), ids(9)
    whole = inside(pixels, row_id, ALL, seed=3, epoch=2)
    order = np.array([8, 3, 5])
    np.testing.assert_array_equal(inside(pixels[order], row_id[order], ALL, seed=3, epoch=2), whole[order])


def test_dropout_keeps_the_stated_share_and_differs_by_row_layer_epoch_and_seed() -> None:
    import tensorflow as tf

    from ringmill.train.draws import kept, mixed, row_keys

    numbers = np.array([0, 1, 2**64 - 1, 77], np.uint64)
    np.testing.assert_array_equal(mixed(tf.constant(numbers)).numpy(), mixed_outside(numbers))

    def stays(seed: int, epoch: int, layer: int) -> Any:
        return kept(row_keys(seed, tf.constant(epoch, tf.int64), tf.range(500, dtype=tf.int64)), layer, 200, rate=0.3)

    first = stays(1, 1, 1).numpy()
    assert abs(first.mean() - 0.7) < 0.01
    assert len({row.tobytes() for row in first}) == 500
    # Of two independent draws 0.7² + 0.3² agree.
    for other in (stays(2, 1, 1), stays(1, 2, 1), stays(1, 1, 2)):
        assert abs((other.numpy() == first).mean() - 0.58) < 0.01
