"""64 bits mixed, for draws that are a function of what they are drawn for: SplitMix64 (Steele, Lea, Flood 2014)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
# Of the numbers that tell draws of one row apart, that of what rows are made of.
LATENT = 900
# Of the sum of four bytes, each uniform over 0…255.
BYTES_MEAN, BYTES_DEVIATION = 510.0, (4 * (256**2 - 1) / 12) ** 0.5


def mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser: every bit of the result hangs on every bit of the number. Shape as given."""
    state = numbers ^ (numbers >> np.uint64(30))
    state *= FIRST
    state ^= state >> np.uint64(27)
    state *= SECOND
    state ^= state >> np.uint64(31)
    return state


def uniform(numbers: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Mixed numbers → from 0 to below 1, by their upper 53 bits."""
    return (numbers >> np.uint64(11)).astype(np.float64) * 2.0**-53


def row_keys(seed: int, epoch: int, row_id: NDArray[np.int64]) -> NDArray[np.uint64]:
    """(rows,) → (rows,): a number that stands for (seed, epoch, row id), as in the graphs of training."""
    start = mixed(mixed(np.array([seed], np.uint64)) + np.uint64(epoch))
    return mixed(start + mixed(row_id.astype(np.int64).view(np.uint64)))


def normals(keys: NDArray[np.uint64], layer: int, count: int) -> NDArray[np.float32]:
    """(rows,) keys → (rows, count) of mean 0 and deviation 1, sums of four uniform bytes; two of each 64 bits of a
    row's stream, as in the graphs of training."""
    starts = mixed(keys + np.array([layer], np.uint64) * GOLDEN)
    places = np.arange(1, -(-count // 2) + 1, dtype=np.uint64) * GOLDEN
    halves = mixed(starts[:, None] + places).astype("<u8", copy=False).view("<u4")[:, :count]
    pairs = (halves & np.uint32(0x00FF00FF)) + ((halves >> np.uint32(8)) & np.uint32(0x00FF00FF))
    sums = (pairs & np.uint32(0xFFFF)) + (pairs >> np.uint32(16))
    return (sums.astype(np.float32) - np.float32(BYTES_MEAN)) / np.float32(BYTES_DEVIATION)
