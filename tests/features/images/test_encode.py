"""Batches of files to batches of tensors: reasons, gaps, shapes, and the view that training reads."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pictures import file_of, picture
from ringmill.config.images import Decoding
from ringmill.errors import InputError
from ringmill.features.images.encode import encode, encoder
from ringmill.features.images.stored import column_of, pixels_of

SMALL = Decoding(height=4, width=6)


def batch_of(*contents):
    ids = [f"{place}.png" for place in range(len(contents))]
    return pa.RecordBatch.from_arrays(
        [pa.array(ids, pa.string()), pa.array(contents, pa.binary())], names=["image_id", "content"]
    )


def test_a_bad_file_among_good_ones_is_a_row_with_a_reason_and_no_pixels():
    first, last = picture(4, 6, seed=1), picture(4, 6, seed=2)
    found = encode(batch_of(file_of(first, "PNG"), b"", None, b"text", file_of(last, "PNG")), SMALL)
    assert found.column("image_id").to_pylist() == ["0.png", "1.png", "2.png", "3.png", "4.png"]
    assert found.column("status").to_pylist() == ["clean", "rejected", "rejected", "rejected", "clean"]
    assert found.column("reasons").to_pylist() == [[], ["empty_file"], ["too_large"], ["unknown_format"], []]
    pixels = found.column("pixels")
    assert [one is None for one in pixels.to_pylist()] == [False, True, True, True, False]
    assert np.array_equal(pixels_of(pixels.drop_null(), SMALL.shape), np.stack([first, last]))
    assert "content" not in found.schema.names


def test_batches_without_rows_and_without_a_good_file_keep_their_columns():
    empty, bad = encode(batch_of(), SMALL), encode(batch_of(b"", b""), SMALL)
    assert empty.schema == bad.schema
    assert (empty.num_rows, bad.num_rows, bad.column("pixels").null_count) == (0, 2, 2)


@pytest.mark.parametrize("shape", [(28, 28, 1), (320, 320, 3)])
def test_raw_pixels_of_the_right_shape_come_through_unchanged(shape):
    raw = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    decoding = Decoding(height=shape[0], width=shape[1], channels=shape[2])
    found = encode(batch_of(*(each.tobytes() for each in raw)), decoding, raw=shape)
    assert np.array_equal(pixels_of(found.column("pixels"), shape), raw)


def test_raw_pixels_of_another_shape_are_resized():
    found = encode(batch_of(bytes([9] * 4)), SMALL, raw=(2, 2, 1))
    assert pixels_of(found.column("pixels"), SMALL.shape).max() == 9


def test_raw_pixels_of_another_length_are_an_error_with_their_number():
    with pytest.raises(InputError, match="4 bytes in every row") as caught:
        encode(batch_of(b"1234", b"123"), SMALL, raw=(2, 2, 1))
    assert "1 rows of other lengths" in str(caught.value)


def test_a_batch_leaves_in_pieces_of_bounded_size():
    decoding = Decoding(height=2_048, width=2_048)  # 12 MiB each
    batch = batch_of(*[file_of(picture(8, 8), "PNG")] * 3)
    pieces = list(encoder(decoding)([batch]))
    assert [piece.num_rows for piece in pieces] == [1, 1, 1]
    assert pa.Table.from_batches(pieces).column("image_id").to_pylist() == ["0.png", "1.png", "2.png"]


def test_the_view_of_a_slice_is_the_slice_of_the_view_and_copies_nothing():
    pixels = np.random.default_rng(1).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    column = column_of(pixels, 5, range(5))
    view = pixels_of(column.slice(2, 2), SMALL.shape)
    assert np.array_equal(view, pixels[2:4])
    assert np.shares_memory(view, np.frombuffer(column.buffers()[2], np.uint8))
    assert pixels_of(column.slice(5), SMALL.shape).shape == (0, 4, 6, 3)


def test_a_null_among_the_pixels_is_an_error_that_names_the_column():
    with pytest.raises(InputError, match="'pixels'"):
        pixels_of(pa.array([b"1234", None], pa.binary()), (2, 2, 1))
