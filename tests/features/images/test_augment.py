"""Augmentation: stateless in (seed, epoch, row id), what each step does, and that scoring cannot reach it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.images.augmented import AT_ONCE, _keys, _normal, augment
from ringmill.config.images import Augmentation
from ringmill.lake.key import closure

ALL = Augmentation(flip=0.5, crop_pixels=3, brightness=0.3, noise=10)
GRID = np.arange(2 * 5 * 6 * 3, dtype=np.uint8).reshape(2, 5, 6, 3)


def images(rows, shape=(5, 6, 3)):
    return np.random.default_rng(rows).integers(0, 256, (rows, *shape), dtype=np.uint8)


def ids(rows):
    return np.random.default_rng(rows).integers(-(2**63), 2**63 - 1, rows)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**63), st.integers(0, 1_000), st.data())
def test_law_5_any_order_and_any_split_into_batches_gives_the_same_images(rows, seed, epoch, data):
    pixels, row_id = images(rows), ids(rows)
    whole = augment(pixels, row_id, spec=ALL, seed=seed, epoch=epoch)
    order = np.array(data.draw(st.permutations(range(rows))))
    cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=4)))
    pieces = np.split(order, cuts)
    parts = [augment(pixels[piece], row_id[piece], spec=ALL, seed=seed, epoch=epoch) for piece in pieces]
    assert np.array_equal(np.concatenate(parts), whole[order])


def test_batches_beyond_what_is_varied_at_once_are_no_different():
    shape = (320, 320, 3)
    pixels, row_id = images(5, shape), ids(5)
    assert pixels.size > 2 * AT_ONCE
    whole = augment(pixels, row_id, spec=ALL, seed=1, epoch=1)
    alone = [augment(pixels[i : i + 1], row_id[i : i + 1], spec=ALL, seed=1, epoch=1)[0] for i in range(5)]
    assert np.array_equal(whole, np.stack(alone))


@pytest.mark.parametrize("other", [{"seed": 8}, {"epoch": 4}])
def test_another_seed_or_epoch_gives_other_images(other):
    pixels, row_id = images(20), ids(20)
    first = augment(pixels, row_id, spec=ALL, seed=7, epoch=3)
    second = augment(pixels, row_id, spec=ALL, **{"seed": 7, "epoch": 3, **other})
    assert (first != second).any(axis=(1, 2, 3)).all()


def test_with_everything_off_images_stay_as_they_are_and_a_copy_is_returned():
    found = augment(GRID, np.arange(2), spec=Augmentation(), seed=0, epoch=0)
    assert np.array_equal(found, GRID) and not np.shares_memory(found, GRID)


def test_the_argument_is_left_alone():
    pixels = images(3)
    before = pixels.copy()
    augment(pixels, ids(3), spec=ALL, seed=0, epoch=0)
    assert np.array_equal(pixels, before)


def test_a_flip_of_all_mirrors_left_and_right():
    found = augment(GRID, np.arange(2), spec=Augmentation(flip=1.0), seed=0, epoch=0)
    assert np.array_equal(found, GRID[:, :, ::-1])


def test_half_are_flipped_and_others_are_not():
    pixels = np.broadcast_to(np.array([[[[0], [9]]]], np.uint8), (4_000, 1, 2, 1))
    found = augment(pixels, np.arange(4_000), spec=Augmentation(flip=0.5), seed=0, epoch=0)
    assert abs((found[:, 0, 0, 0] == 9).mean() - 0.5) < 0.03


def test_a_crop_shifts_each_image_by_whole_pixels_and_repeats_the_edge():
    spec, rows = Augmentation(crop_pixels=1), 200
    picture = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1)
    found = augment(np.repeat(picture, rows, axis=0), np.arange(rows), spec=spec, seed=0, epoch=0)
    padded = np.pad(picture[0, :, :, 0], 1, mode="edge")
    expected = {padded[y : y + 3, x : x + 3].tobytes() for y in range(3) for x in range(3)}
    assert {each.tobytes() for each in found} == expected


def test_brightness_multiplies_whole_images_within_its_bounds():
    pixels = np.full((500, 2, 2, 1), 100, np.uint8)
    found = augment(pixels, np.arange(500), spec=Augmentation(brightness=0.2), seed=0, epoch=0)
    assert (found == found[:, :1, :1]).all()
    assert found.min() >= 80 and found.max() <= 120 and found.std() > 5
    assert augment(pixels * 2 + 50, np.arange(500), spec=Augmentation(brightness=0.9), seed=0, epoch=0).max() == 255


def test_noise_has_the_stated_deviation_and_differs_between_values_and_rows():
    found = augment(np.full((20, 50, 50, 2), 128, np.uint8), ids(20), spec=Augmentation(noise=10), seed=0, epoch=0)
    errors = found.astype(float) - 128
    assert abs(errors.mean()) < 0.2 and abs(errors.std() - 10) < 0.2
    assert len({each.tobytes() for each in found}) == 20


def test_draws_are_normal_and_uncorrelated():
    drawn = _normal(_keys(np.arange(100), seed=3, epoch=1), 4_001)
    assert drawn.shape == (100, 4_001)
    assert abs(drawn.mean()) < 0.01 and abs(drawn.std() - 1) < 0.01
    assert abs((np.abs(drawn) < 1).mean() - 0.6827) < 0.02
    assert abs((drawn[:, :-1] * drawn[:, 1:]).mean()) < 0.01
    assert abs((drawn[:-1] * drawn[1:]).mean()) < 0.01


def test_no_rows_stay_no_rows():
    assert augment(images(0), np.zeros(0, np.int64), spec=ALL, seed=0, epoch=0).shape == (0, 5, 6, 3)


@pytest.mark.parametrize(
    "entry",
    [
        *(f"ringmill.score.{name}" for name in ("batches", "scorer", "images", "texts", "next_orders")),
        *(f"ringmill.pipeline.{name}" for name in ("score", "score_images", "score_texts", "score_sequences")),
    ],
)
def test_scoring_never_reaches_augmentation(entry):
    assert not {"augment.py", "vary.py"} & {path.name for path in closure([entry])}


def test_training_reaches_augmentation():
    assert {"augment.py", "vary.py"} <= {path.name for path in closure(["ringmill.train.rank"])}


@pytest.mark.parametrize("name", ["encode", "state", "stored", "decode"])
def test_what_scoring_applies_never_reaches_augmentation(name):
    assert "augment.py" not in {path.name for path in closure([f"ringmill.features.images.{name}"])}
