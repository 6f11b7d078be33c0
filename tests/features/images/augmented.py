"""Augmentation once more, in NumPy: what the graph of `ringmill.train.augment` must give, byte for byte."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ringmill.config.images import Augmentation
from ringmill.features.images.decode import Pixels
from ringmill.mixing import GOLDEN, mixed, uniform

# Values that are varied at once: temporary arrays of a few megabytes stay near the processor.
AT_ONCE = 2**19
FLIP, DOWN, ACROSS, BRIGHTNESS, NOISE = np.arange(1, 6, dtype=np.uint64) * GOLDEN
# Of the sum of four bytes, each uniform over 0…255.
BYTES_MEAN, BYTES_DEVIATION = 510.0, (4 * (256**2 - 1) / 12) ** 0.5


def augment(
    pixels: Pixels, row_id: NDArray[np.int64], *, spec: Augmentation, seed: int, epoch: int
) -> NDArray[np.uint8]:
    """(rows, height, width, channels) uint8 → a varied copy of the same shape, before it is normalised.

    In this order: shifted by whole pixels with the edge repeated, mirrored, brightened, noise added; rounded once, to
    0…255. Noise is a sum of four uniform bytes, which is normal up to 3.5 deviations. `row_id` is (rows,).
    """
    out = np.empty_like(pixels)
    rows = max(1, AT_ONCE // max(1, int(np.prod(pixels.shape[1:]))))
    for start in range(0, len(pixels), rows):
        part = slice(start, start + rows)
        keys = _keys(row_id[part], seed=seed, epoch=epoch)
        out[part] = _with_light(_moved(pixels[part], keys, spec), keys, spec)
    return out


def _moved(pixels: Pixels, keys: NDArray[np.uint64], spec: Augmentation) -> Pixels:
    if not spec.flip and not spec.crop_pixels:
        return pixels
    height, width = pixels.shape[1:3]
    reach = 2 * spec.crop_pixels + 1
    down = np.floor(_uniform(keys, DOWN) * reach).astype(np.int64) - spec.crop_pixels
    across = np.floor(_uniform(keys, ACROSS) * reach).astype(np.int64) - spec.crop_pixels
    rows = (np.arange(height) + down[:, None]).clip(0, height - 1)
    columns = (np.arange(width) + across[:, None]).clip(0, width - 1)
    mirrored = _uniform(keys, FLIP) < spec.flip
    columns = np.where(mirrored[:, None], columns[:, ::-1], columns)
    moved: Pixels = pixels[np.arange(len(pixels))[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved


def _with_light(pixels: Pixels, keys: NDArray[np.uint64], spec: Augmentation) -> Pixels:
    if not spec.brightness and not spec.noise:
        return pixels
    factor = (1 + spec.brightness * (2 * _uniform(keys, BRIGHTNESS) - 1)).astype(np.float32)
    lit = pixels.astype(np.float32) * factor[:, None, None, None]
    if spec.noise:
        lit += (_normal(keys, int(np.prod(pixels.shape[1:]))) * np.float32(spec.noise)).reshape(pixels.shape)
    np.rint(lit, out=lit)
    return np.clip(lit, 0, 255, out=lit).astype(np.uint8)


def _keys(row_id: NDArray[np.int64], *, seed: int, epoch: int) -> NDArray[np.uint64]:
    """(rows,) a number that stands for (seed, epoch, row id)."""
    start = mixed(mixed(np.array([seed], np.uint64)) + np.uint64(epoch))
    return mixed(start + mixed(row_id.astype(np.int64).view(np.uint64)))


def _uniform(keys: NDArray[np.uint64], layer: np.uint64) -> NDArray[np.float64]:
    """(rows,) from 0 to below 1, one draw per row and layer."""
    return uniform(mixed(keys + layer))


def _normal(keys: NDArray[np.uint64], count: int) -> NDArray[np.float32]:
    """(rows, count) of mean 0 and deviation 1: two from each 64 bits of a row's stream."""
    starts = mixed(keys + NOISE)
    places = np.arange(1, -(-count // 2) + 1, dtype=np.uint64) * GOLDEN
    halves = mixed(starts[:, None] + places).astype("<u8", copy=False).view("<u4")[:, :count]
    pairs = (halves & np.uint32(0x00FF00FF)) + ((halves >> np.uint32(8)) & np.uint32(0x00FF00FF))
    sums = (pairs & np.uint32(0xFFFF)) + (pairs >> np.uint32(16))
    return (sums.astype(np.float32) - np.float32(BYTES_MEAN)) / np.float32(BYTES_DEVIATION)
