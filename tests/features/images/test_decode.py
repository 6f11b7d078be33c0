"""One file's bytes to pixels or a reason: formats, damage, sizes, orientation, transparency, resizing."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pictures import file_of, picture, with_size
from ringmill.config.images import Decoding
from ringmill.features.images.decode import decode, resized

PHOTO = picture(48, 64)
PLAIN = Decoding(height=48, width=64)
REASONS = ("empty_file", "torn_image", "unknown_format", "too_large")
LOSSLESS = ("PNG", "BMP")


@pytest.mark.parametrize("form", LOSSLESS)
def test_a_lossless_file_of_the_right_size_comes_out_as_its_pixels(form):
    assert np.array_equal(decode(file_of(PHOTO, form), PLAIN), PHOTO)


@pytest.mark.parametrize(("form", "off"), [("JPEG", 12), ("WEBP", 12), ("GIF", 40)])
def test_a_lossy_file_comes_out_near_its_pixels(form, off):
    found = decode(file_of(PHOTO, form), PLAIN)
    assert np.abs(found.astype(int) - PHOTO).mean() < off


def test_of_an_animation_the_first_frame_is_taken():
    frames = [Image.new("L", (8, 8), level) for level in (10, 200)]
    content = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(content, Decoding(height=8, width=8, channels=1)).max() == 10


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty_file"),
        (b"image,label\n1,cat\n", "unknown_format"),
        (b"\x00" * 1_000, "unknown_format"),
        (b"%PDF-1.7\n%...", "unknown_format"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "torn_image"),
        (file_of(PHOTO, "PNG")[:20], "torn_image"),
        (file_of(PHOTO, "PNG")[:-40], "torn_image"),
        (file_of(PHOTO, "JPEG")[:300], "torn_image"),
        (file_of(PHOTO, "JPEG")[:-300], "torn_image"),
        (file_of(PHOTO, "BMP")[:-1], "torn_image"),
        (file_of(PHOTO, "TIFF"), "unknown_format"),
    ],
)
def test_what_is_no_whole_image_has_a_reason(content, reason):
    assert decode(content, PLAIN) == reason


@pytest.mark.parametrize(("width", "height"), [(8_000, 8_000), (12_000, 12_000), (2**31 - 1, 2**31 - 1)])
def test_a_header_with_a_huge_size_is_too_large_before_a_pixel_is_unpacked(width, height):
    assert decode(with_size(file_of(PHOTO, "PNG"), width, height), PLAIN) == "too_large"


def test_other_formats_headers_with_a_huge_size_are_too_large_too():
    sizes = struct.pack("<HH", 60_000, 60_000)
    gif, bmp, jpeg = (file_of(PHOTO, form) for form in ("GIF", "BMP", "JPEG"))
    frame = jpeg.index(b"\xff\xc0") + 5
    assert decode(gif[:6] + sizes + gif[10:], PLAIN) == "too_large"
    assert decode(bmp[:18] + struct.pack("<ii", 60_000, 60_000) + bmp[26:], PLAIN) == "too_large"
    assert decode(jpeg[:frame] + struct.pack(">HH", 60_000, 60_000) + jpeg[frame + 4 :], PLAIN) == "too_large"


def test_inks_of_a_press_become_colours():
    press = Image.new("CMYK", (64, 48), (0, 255, 255, 0))
    assert decode(file_of(press, "JPEG"), PLAIN)[0, 0].tolist() == pytest.approx([255, 0, 0], abs=3)


def test_the_limit_of_pixels_is_inclusive():
    content, pixels = file_of(PHOTO, "PNG"), 48 * 64
    assert not isinstance(decode(content, PLAIN.model_copy(update={"largest_pixels": pixels})), str)
    assert decode(content, PLAIN.model_copy(update={"largest_pixels": pixels - 1})) == "too_large"


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "GIF", "WEBP"])
def test_a_file_that_is_cut_within_its_header_is_torn_and_not_unknown(form):
    content = file_of(PHOTO, form)
    assert {decode(content[:length], PLAIN) for length in range(4, 16)} == {"torn_image"}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(("PNG", "JPEG", "BMP", "GIF", "WEBP")), st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_anywhere_is_rejected_or_has_lost_nothing(form, share):
    content = file_of(PHOTO, form)
    found, whole = decode(content[: int(len(content) * share)], PLAIN), decode(content, PLAIN)
    assert isinstance(found, str) or np.array_equal(found, whole)


def test_a_png_with_any_bit_changed_is_rejected_or_has_lost_nothing():
    pixels = picture(12, 10)
    whole, size = file_of(pixels, "PNG"), Decoding(height=12, width=10)
    for place in range(8 * len(whole)):
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        found = decode(bytes(content), size)
        assert isinstance(found, str) or np.array_equal(found, pixels), f"bit {place}"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(("PNG", "JPEG", "BMP", "GIF", "WEBP")), st.binary(max_size=60), st.integers(0, 400))
def test_no_content_raises(form, noise, at):
    content = file_of(PHOTO, form)
    found = decode(content[:at] + noise + content[at + len(noise) :], PLAIN)
    assert found in REASONS if isinstance(found, str) else found.shape == (48, 64, 3)


def test_an_image_is_turned_upright_by_its_exif_orientation():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: row 0 is the right-hand side
    content = file_of(np.rot90(PHOTO), "PNG", exif=exif)
    assert np.array_equal(decode(content, PLAIN), PHOTO)


def test_what_is_transparent_shows_the_background():
    see_through = np.dstack([PHOTO, np.full(PHOTO.shape[:2], 255, np.uint8)])
    see_through[:10, :, 3] = 0
    found = decode(file_of(see_through, "PNG"), PLAIN.model_copy(update={"background": 77}))
    assert (found[:10] == 77).all()
    assert np.array_equal(found[10:], PHOTO[10:])


def test_a_palette_with_a_transparent_colour_shows_the_background():
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    found = decode(file_of(image, "PNG", transparency=0), Decoding(height=1, width=2, background=9))
    assert found.tolist() == [[[9, 9, 9], [40, 50, 60]]]


def test_colours_become_grey_by_their_brightness():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    found = decode(file_of(colours, "PNG"), Decoding(height=1, width=4, channels=1))
    assert found.tolist() == [[[76], [150], [29], [255]]]


def test_grey_becomes_three_equal_channels():
    found = decode(file_of(PHOTO[:, :, 0], "PNG"), PLAIN)
    assert np.array_equal(found, np.repeat(PHOTO[:, :, :1], 3, axis=2))


def test_of_sixteen_bits_the_upper_eight_stay():
    deep = np.array([[0, 255, 256, 65_535]], np.uint16)
    found = decode(file_of(deep, "PNG"), Decoding(height=1, width=4, channels=1))
    assert found.tolist() == [[[0], [0], [1], [255]]]


def test_stretching_fills_the_tensor_and_fitting_fills_up_with_background():
    wide = file_of(np.full((10, 20, 3), 200, np.uint8), "PNG")
    square = Decoding(height=20, width=20, background=5, resize="fit")
    assert (decode(wide, square.model_copy(update={"resize": "stretch"})) == 200).all()
    fitted = decode(wide, square)
    assert (fitted[5:15] == 200).all() and (fitted[:5] == 5).all() and (fitted[15:] == 5).all()


def test_shrinking_takes_all_pixels_into_account():
    # Every second column is white: a resize that skips pixels gives black or white, antialiasing the mean.
    stripes = np.zeros((40, 40), np.uint8)
    stripes[:, ::2] = 255
    found = decode(file_of(stripes, "PNG"), Decoding(height=10, width=10, channels=1, resize="stretch"))
    assert np.abs(found[1:-1, 1:-1].astype(int) - 127).max() <= 3


def test_a_line_of_one_pixel_is_fitted_too():
    assert decode(file_of(PHOTO[:1], "PNG"), Decoding(height=4, width=4)).shape == (4, 4, 3)


@pytest.mark.parametrize("shape", [(28, 28, 1), (320, 320, 3)])
def test_pixels_come_out_as_a_file_with_these_pixels(shape):
    decoding = Decoding(height=shape[0], width=shape[1], channels=shape[2])
    assert np.array_equal(resized(PHOTO, decoding), decode(file_of(PHOTO, "PNG"), decoding))
    grey = PHOTO[:, :, :1]
    assert np.array_equal(resized(grey, decoding), decode(file_of(grey[:, :, 0], "PNG"), decoding))


def test_a_large_jpeg_that_is_unpacked_smaller_is_near_the_whole_one():
    large = np.asarray(Image.fromarray(picture(128, 128)).resize((1_024, 1_024), Image.Resampling.BICUBIC))
    small = Decoding(height=64, width=64)
    whole = resized(large, small)
    assert np.abs(decode(file_of(large, "JPEG", quality=95), small).astype(int) - whole).mean() < 2
