"""Bytes of one image file → pixels of the stated shape, or the reason why there are none."""

from __future__ import annotations

import io
import warnings
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, WebPImagePlugin

from ringmill.config.images import Decoding

Pixels = NDArray[np.uint8]
Reason = Literal["empty_file", "torn_image", "unknown_format", "too_large"]
# Opening WebP needs its plug-in imported; the other four come with Image. Formats that are not named are never tried.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", WebPImagePlugin.WebPImageFile.format)
SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"GIF8", b"RIFF")


def decode(content: bytes, decoding: Decoding) -> Pixels | Reason:
    """A file's bytes → (height, width, channels) uint8, upright by its EXIF orientation; or the reason why not.

    `empty_file`: no byte. `unknown_format`: neither PNG, JPEG, BMP, GIF nor WebP, by content and not by name.
    `too_large`: it declares more pixels than `decoding.largest_pixels`; nothing was unpacked. `torn_image`: it is cut
    off or damaged. A JPEG whose damage leaves a valid stream of other pixels cannot be told from a whole one.
    """
    if not content:
        return "empty_file"
    try:
        with warnings.catch_warnings():
            # The decoder warns from its own limit on and refuses from twice that; ours is lower than either.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return _decoded(content, decoding)
    except Image.DecompressionBombError:
        return "too_large"
    except UnidentifiedImageError:
        return "torn_image" if content.startswith(SIGNATURES) else "unknown_format"
    except MemoryError:
        raise
    # Plug-ins raise what their parsers stumble over, of a dozen types; one file must not end the batch.
    except Exception:
        return "torn_image"


def resized(pixels: Pixels, decoding: Decoding) -> Pixels:
    """(H, W, 1 or 3) uint8 → (height, width, channels) uint8, as a file with these pixels would come out."""
    grey = pixels.shape[2] == 1
    return _shaped(Image.fromarray(pixels[:, :, 0] if grey else pixels), decoding)


def _decoded(content: bytes, decoding: Decoding) -> Pixels | Reason:
    with Image.open(io.BytesIO(content), formats=FORMATS) as found:
        if found.width * found.height > decoding.largest_pixels:
            return "too_large"
        if found.format == "PNG":
            _check_sums(content)
        # Only JPEG listens: it is unpacked at a half, a quarter or an eighth, but at twice the tensor's size or more.
        found.draft(None, (2 * max(decoding.shape[:2]),) * 2)
        found.load()
        return _shaped(ImageOps.exif_transpose(found), decoding)


def _check_sums(content: bytes) -> None:
    """Raises where a chunk of a PNG is not what its checksum says: loading it skips the checksums of pixels."""
    with Image.open(io.BytesIO(content), formats=("PNG",)) as again:
        again.verify()


def _shaped(image: Image.Image, decoding: Decoding) -> Pixels:
    mode = "L" if decoding.channels == 1 else "RGB"
    plain = _opaque(image, decoding.background).convert(mode)
    size = (decoding.width, decoding.height)
    if plain.size != size:
        plain = plain.resize(size, BILINEAR) if decoding.resize == "stretch" else _fitted(plain, decoding)
    return np.asarray(plain, dtype=np.uint8).reshape(decoding.shape)


def _opaque(image: Image.Image, background: int) -> Image.Image:
    """Without transparency, and with 8 bits per value: of 16 the upper ones."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(np.int64).clip(0, 65_535) >> 8).astype(np.uint8))
    if not image.has_transparency_data:
        return image
    behind = Image.new("RGBA", image.size, (background, background, background, 255))
    return Image.alpha_composite(behind, image.convert("RGBA"))


def _fitted(image: Image.Image, decoding: Decoding) -> Image.Image:
    """Scaled until it touches two sides, in the middle of the background."""
    scale = min(decoding.width / image.width, decoding.height / image.height)
    width = min(decoding.width, max(1, round(image.width * scale)))
    height = min(decoding.height, max(1, round(image.height * scale)))
    left, top = (decoding.width - width) // 2, (decoding.height - height) // 2
    level = decoding.background
    behind = Image.new(image.mode, (decoding.width, decoding.height), level if image.mode == "L" else (level,) * 3)
    behind.paste(image.resize((width, height), BILINEAR), (left, top))
    return behind


BILINEAR = Image.Resampling.BILINEAR
