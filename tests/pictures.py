"""Pictures of seeded noise over soft colours, and the files that hold them, whole and damaged."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image


def picture(height, width, *, seed=0):
    """(height, width, 3) uint8: soft colours with some grain, as a photograph has."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (max(1, height // 16), max(1, width // 16), 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)).astype(np.int64)
    return (soft + rng.integers(-6, 7, soft.shape)).clip(0, 255).astype(np.uint8)


def file_of(pixels, form, **options):
    """The bytes of an image file; `pixels` may be a PIL image."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    held = io.BytesIO()
    image.save(held, form, **options)
    return held.getvalue()


def with_size(png, width, height):
    """The same PNG, whose header declares another size, with the right checksum."""
    header = png[12:16] + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]
