"""Normalising by a frozen state, and the places of labels among the classes."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from ringmill.config.images import Decoding
from ringmill.features.images.state import ImageState, apply, class_index, normalise
from ringmill.features.images.stored import column_of

STATE = ImageState(Decoding(height=1, width=2, channels=3), (10.0, 0.0, 127.5), (2.0, 255.0, 63.75), ("cat", "dog"))


def test_each_channel_is_normalised_by_its_own_numbers():
    pixels = np.array([[[[10, 0, 0], [20, 255, 255]]]], np.uint8)
    assert normalise(pixels, STATE).tolist() == [[[[0, 0, -2], [5, 1, 2]]]]
    assert normalise(pixels, STATE).dtype == np.float32


def test_all_levels_lie_within_one_rounding_of_the_exact_value():
    levels = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(128, 1, 2, 3)
    exact = (levels.astype(np.float64) - STATE.mean) / STATE.scale
    assert np.abs(normalise(levels, STATE) - exact).max() < 1e-5


def test_no_rows_keep_the_shape():
    assert normalise(np.zeros((0, 1, 2, 3), np.uint8), STATE).shape == (0, 1, 2, 3)


def test_labels_that_train_does_not_hold_and_nulls_have_no_place():
    assert class_index(pa.array(["dog", None, "cow", "cat"]), STATE).tolist() == [1, -1, -1, 0]
    assert class_index(pa.array([], pa.string()), STATE).tolist() == []


def test_a_state_comes_back_from_its_json_with_the_same_hash():
    again = ImageState.from_json(json.loads(json.dumps(STATE.to_json())))
    assert again == STATE and again.hash == STATE.hash


@pytest.mark.parametrize("field", ["mean", "scale", "classes", "decoding"])
def test_whatever_changes_the_result_changes_the_hash(field):
    tree = STATE.to_json()
    tree[field] = {**tree[field], "resize": "stretch"} if field == "decoding" else tree[field][::-1]
    assert ImageState.from_json(tree).hash != STATE.hash


def test_a_batch_of_stored_pixels_is_normalised_as_it_lies():
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 1, 2, 3)
    batch = pa.RecordBatch.from_arrays([column_of(pixels, 2, range(2))], names=["pixels"])
    assert np.array_equal(apply(batch, STATE), normalise(pixels, STATE))
