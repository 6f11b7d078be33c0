"""Rendered shapes: the same bytes from the same seed, each image by its number alone, and idx files that are read."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from ringmill.config.images import Decoding, Pictures
from ringmill.generate.pictures import SHAPES, is_written, render, write_pictures
from ringmill.lake.idx import look_at_idx, read_stretch

SMALL = Decoding(height=12, width=10, channels=1)
TEN = Pictures(rows=40, classes=10, noise=0)


def written(folder, pictures=TEN, decoding=SMALL, *, seed=3):
    images, labels = (str(folder / name) for name in ("images.gz", "labels.gz"))
    write_pictures(pictures, decoding, seed=seed, files=[(images, labels)])
    return images, labels


@pytest.mark.parametrize("channels", [1, 3])
def test_the_files_hold_what_is_rendered_and_classes_of_equal_size(tmp_path, channels):
    decoding = Decoding(height=12, width=10, channels=channels)
    images, labels = written(tmp_path, decoding=decoding)
    found = look_at_idx(images, dimensions=(3, 4))
    assert found.shape == ((40, 12, 10) if channels == 1 else (40, 12, 10, 3))
    held = np.frombuffer(b"".join(read_stretch(found, 0, 40)), np.uint8).reshape(40, 12, 10, channels)
    np.testing.assert_array_equal(held, render(np.arange(40), TEN, decoding, seed=3))
    classes = b"".join(read_stretch(look_at_idx(labels, dimensions=(1,)), 0, 40))
    assert np.bincount(np.frombuffer(classes, np.uint8)).tolist() == [4] * 10


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    def packed(folder, seed):
        (tmp_path / folder).mkdir()
        return [gzip.decompress(Path(path).read_bytes()) for path in written(tmp_path / folder, seed=seed)]

    first = packed("a", 3)
    assert packed("b", 3) == first
    assert packed("c", 4) != first
    assert (tmp_path / "a" / "images.gz").read_bytes() == (tmp_path / "b" / "images.gz").read_bytes()


def test_an_image_hangs_on_its_number_alone():
    whole = render(np.arange(20), TEN, SMALL, seed=1)
    np.testing.assert_array_equal(render(np.array([17]), TEN, SMALL, seed=1), whole[17:18])


def test_each_kind_of_shape_is_another_one():
    x, y = np.meshgrid(np.linspace(-1, 1, 21), np.linspace(-1, 1, 21))
    assert len(SHAPES) == 10
    assert len({shape(x, y).tobytes() for shape in SHAPES}) == 10


def test_what_is_written_is_known_by_its_settings(tmp_path):
    files = [written(tmp_path)]
    assert is_written(TEN, SMALL, seed=3, files=files)
    assert not is_written(TEN, SMALL, seed=4, files=files)
    assert not is_written(Pictures(rows=41, noise=0), SMALL, seed=3, files=files)
    assert not is_written(TEN, SMALL, seed=3, files=[*files, ("other", "names")])


def test_files_of_their_own_hold_the_images_behind_the_others(tmp_path):
    pictures = TEN.model_copy(update={"test_rows": 7})
    files = [tuple(str(tmp_path / f"{name}-{kind}") for kind in ("images", "labels")) for name in ("train", "test")]
    write_pictures(pictures, SMALL, seed=3, files=files)
    found = [look_at_idx(images, dimensions=(3,)) for images, _ in files]
    assert [file.rows for file in found] == [40, 7]
    held = np.frombuffer(b"".join(read_stretch(found[1], 0, 7)), np.uint8).reshape(7, 12, 10, 1)
    np.testing.assert_array_equal(held, render(np.arange(40, 47), pictures, SMALL, seed=3))
    assert look_at_idx(files[1][1], dimensions=(1,)).rows == 7
