"""64 bits mixed, for draws that are a function of what they are drawn for: SplitMix64 (Steele, Lea, Flood 2014)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


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
