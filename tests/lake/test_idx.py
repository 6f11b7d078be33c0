"""idx files: what the header says against the bytes that are there, packed or not."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from ringmill.errors import InputError
from ringmill.lake.idx import IdxFile, look_at_idx, read_stretch

PIXELS = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
WHOLE = bytes([0, 0, 8, 3]) + np.array(PIXELS.shape, ">i4").tobytes() + PIXELS.tobytes()


def written(folder, content, name="images-idx3-ubyte"):
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return str(path)


@pytest.mark.parametrize("name", ["images-idx3-ubyte", "images-idx3-ubyte.gz"])
def test_a_stretch_is_the_rows_of_the_file(tmp_path, name):
    path = written(tmp_path, WHOLE, name)
    found = look_at_idx(path, dimensions=(3, 4))
    assert found == IdxFile(path, (5, 2, 3))
    assert b"".join(read_stretch(found, 1, 4)) == PIXELS[1:4].tobytes()
    assert list(read_stretch(found, 5, 5)) == []


@pytest.mark.parametrize("name", ["a", "a.gz"])
@pytest.mark.parametrize(
    ("content", "expected", "received"),
    [
        (b"", "the first four bytes 00 00 08 03", "an empty file"),
        (WHOLE[:3], "the first four bytes", "00 00 08"),
        (b"\x00\x00\x0d" + WHOLE[3:], "the first four bytes", "00 00 0d 03"),
        (b"\x00\x00\x08\x01" + WHOLE[4:], "the first four bytes", "00 00 08 01"),
        (WHOLE[:9], "a header of 16 bytes", "9 bytes"),
        (WHOLE[:-1], "46 bytes, as the header says: (5, 2, 3)", "45 bytes"),
        (WHOLE + b"\x00", "46 bytes", "47 bytes"),
    ],
)
def test_a_torn_file_is_an_error_with_the_bytes_expected_and_received(tmp_path, name, content, expected, received):
    path = written(tmp_path, content, name)
    with pytest.raises(InputError) as caught:
        look_at_idx(path, dimensions=(3,))
    assert caught.value.where == path
    assert expected in caught.value.expected and received in caught.value.received


def test_a_packed_file_that_is_cut_off_is_an_error(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(WHOLE)[:-9])
    with pytest.raises(InputError, match="not whole"):
        look_at_idx(str(path), dimensions=(3,))


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match="not whole"):
        look_at_idx(str(tmp_path / "none"), dimensions=(1,))


def test_a_file_that_shrank_since_it_was_looked_at_is_an_error(tmp_path):
    path = written(tmp_path, WHOLE)
    found = look_at_idx(path, dimensions=(3,))
    written(tmp_path, WHOLE[:-4])
    with pytest.raises(InputError, match="not whole"):
        list(read_stretch(found, 0, 5))
