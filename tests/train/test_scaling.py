"""Law 9: what a model sees of stored values is the same in graphs (training) and outside them (scoring)."""

import numpy as np
import pytest
import tensorflow as tf

from ringmill.handoff.columns import Input
from ringmill.train.scaling import Scaling

MEAN, SCALE = (10.0, 0.0, 127.3), (2.0, 255.0, 63.7)
LEVELS = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(128, 6)


def scaling(**changes):
    return Scaling.of(Input("pixels", (1, 2, 3), "uint8", **{"mean": MEAN, "scale": SCALE, **changes}), "float32")


def test_each_channel_is_normalised_by_its_own_numbers():
    pixels = np.array([[10, 0, 0, 20, 255, 255]], np.uint8)
    seen = scaling(mean=(10.0, 0.0, 127.5), scale=(2.0, 255.0, 63.75))(pixels)
    assert seen.dtype == tf.float32 and seen.numpy().tolist() == [[0, 0, -2, 5, 1, 2]]


def test_all_levels_have_the_bits_of_two_roundings_in_a_graph_in_a_pipeline_and_at_once():
    mean, inverse = np.float32(MEAN), (1 / np.array(SCALE)).astype(np.float32)
    expected = (LEVELS.reshape(256, 3).astype(np.float32) - mean) * inverse
    given = scaling()
    graph = tf.function(lambda rows: given(rows), jit_compile=False)
    piped = tf.data.Dataset.from_tensor_slices(LEVELS).batch(7).map(lambda rows: given(rows))
    ways = [given(LEVELS), graph(tf.constant(LEVELS)), np.concatenate(list(piped.as_numpy_iterator()))]
    for seen in ways:
        assert np.asarray(seen).tobytes() == expected.tobytes()
    exact = (LEVELS.reshape(256, 3).astype(np.float64) - MEAN) / SCALE
    assert np.abs(np.asarray(ways[0]).reshape(256, 3) - exact).max() < 1e-5


@pytest.mark.parametrize("rows", [0, 1])
def test_any_number_of_rows_keeps_its_shape(rows):
    assert scaling()(np.zeros((rows, 6), np.uint8)).shape == (rows, 6)


def test_ids_and_values_without_a_scale_are_seen_as_they_are():
    assert Scaling.of(Input("ids", (2,), "int32", ids=9), "float32")(np.array([[3, 8]])).numpy().tolist() == [[3, 8]]
    plain = Scaling.of(Input("x", (2,)), "bfloat16")(np.array([[0.5, 1.0]], np.float32))
    assert plain.dtype == tf.bfloat16 and plain.numpy().tolist() == [[0.5, 1.0]]
