"""A generator without Keras says what Keras' says; what it makes hangs on the row alone and stays what rows can be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ringmill.augment.generator import EPOCH, Frame, Generator, maker
from ringmill.handoff.columns import Input
from ringmill.mixing import LATENT
from ringmill.train.build import build_model, frozen_of
from ringmill.train.tasks.find import task_of
from train.adversaries import SHAPES
from train.test_gan import section


def built(shape: str, dtype: str) -> tuple[Any, Generator]:
    """A model whose moments are no longer those of a start, and its generator frozen."""
    train = section(dtype=dtype)
    model = build_model(train, Input("x", SHAPES[shape]), task_of(train).starts(1, []), seed=3)
    draw = np.random.default_rng(1)
    for variable in model.variables:
        variable.assign(np.abs(variable.numpy() + draw.normal(0, 0.3, variable.shape)))
    return model, Generator.of(frozen_of(train, model) or {})


@pytest.mark.parametrize("shape", ["rows", "images"])
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-11), ("float32", 1e-4)])
def test_law_9_the_frozen_generator_makes_what_kerass_makes(shape: str, dtype: str, rtol: float) -> None:
    model, generator = built(shape, dtype)
    z = np.random.default_rng(2).normal(size=(300, generator.latent))
    made = generator.apply(z)
    assert made.shape == (300, *SHAPES[shape])
    np.testing.assert_allclose(made, np.asarray(model.get_layer("generator")(z.astype(dtype))), rtol=rtol, atol=rtol)
    # A row's bits are its own, whatever rows stand beside it.
    assert generator.apply(z[270:273]).tolist() == made[270:273].tolist()
    assert generator.apply(z[:0]).shape == (0, *SHAPES[shape])


def test_law_5_what_a_row_is_made_of_is_drawn_as_in_training() -> None:
    import tensorflow as tf

    from ringmill.train.draws import normals, row_keys

    _, generator = built("rows", "float64")
    row_id = np.array([5, -3, 2**62, 0])
    keys = row_keys(7, tf.constant(EPOCH, tf.int64), tf.constant(row_id))
    inside = normals(keys, LATENT, generator.latent).numpy()
    np.testing.assert_array_equal(generator.drawn(row_id, seed=7), inside)
    assert (generator.drawn(row_id, seed=8) != inside).any()


ROWS = np.array([[0.0, 5.0, 1.0], [1.0, 5.0, 2.5], [3.0, 5.0, 2.0], [3.0, 5.0, 9.5]], np.float32)


def test_a_made_row_leaves_no_bounds_and_takes_values_that_there_are() -> None:
    frame = Frame.of(ROWS, channels=3, snap=3)
    np.testing.assert_allclose(frame.seen(ROWS).mean(axis=0), 0, atol=1e-12)
    np.testing.assert_array_equal(frame.stored(frame.seen(ROWS)), ROWS)
    # The first takes one of 0, 1 and 3, of equals the lesser; the second never changes; the third has many.
    asked = np.array([[2.0, 6.0, 2.25], [2.1, -1.0, 11.0], [-9.0, 5.0, 0.5]])
    expected = [[1.0, 5.0, 2.25], [3.0, 5.0, 9.5], [0.0, 5.0, 1.0]]
    assert frame.stored((asked - frame.mean) / frame.scale).tolist() == pytest.approx(np.array(expected), abs=1e-6)
    free = Frame.of(ROWS, channels=3, snap=0)
    assert [len(levels) for levels in free.levels] == [0, 0, 0]


def test_the_numbers_of_an_image_share_the_moments_of_their_channel() -> None:
    images = np.arange(16, dtype=np.float32).reshape(2, 8)
    frame = Frame.of(images, channels=2, snap=0)
    assert frame.mean.tolist() == [7.0, 8.0] * 4
    assert frame.scale.tolist() == [images[:, ::2].std()] * 8


def test_batches_of_ids_become_the_same_rows_however_they_are_cut() -> None:
    _, generator = built("rows", "float64")
    frame = Frame.of(np.random.default_rng(4).normal(size=(30, 5)), channels=5, snap=0)
    ids = pa.RecordBatch.from_arrays([pa.array([4, 9, -7, 12])], names=["row_id"])
    (whole,) = maker(generator, frame, seed=3)([ids])
    parts = list(maker(generator, frame, seed=3)([ids.slice(0, 1), ids.slice(1, 3), ids.slice(4)]))
    assert pa.Table.from_batches(parts).to_pylist() == whole.to_pylist()
    assert [len(x) for x in whole.column("x").to_pylist()] == [5] * 4
