"""Numbers as unevaluated sums of two float64, about 105 bits: sums whose order leaves no trace once rounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# 2²⁷ + 1 splits 53 bits into two halves whose products are exact.
_SPLITTER = 134_217_729.0


@dataclass(frozen=True, eq=False)
class Twofold:
    """An array of numbers high + low, |low| at most half a unit in the last place of high; magnitudes below 1e290.

    Sources: Dekker, A floating-point technique for extending the available precision (1971); Knuth, The Art of Computer
    Programming 2, 4.2.2; the algorithms' names are those of Hida, Li and Bailey (2001).
    """

    high: Floats
    low: Floats

    @classmethod
    def of(cls, values: Floats) -> Twofold:
        return cls(values, np.zeros_like(values))

    def __add__(self, other: Twofold) -> Twofold:
        high, error = _two_sum(self.high, other.high)
        low, rest = _two_sum(self.low, other.low)
        high, error = _quick_two_sum(high, error + low)
        return Twofold(*_quick_two_sum(high, error + rest))

    def plus(self, values: Floats) -> Twofold:
        high, error = _two_sum(self.high, values)
        return Twofold(*_quick_two_sum(high, error + self.low))

    def __neg__(self) -> Twofold:
        return Twofold(-self.high, -self.low)

    def __sub__(self, other: Twofold) -> Twofold:
        return self + -other

    def __mul__(self, other: Twofold) -> Twofold:
        high, error = _two_product(self.high, other.high)
        return Twofold(*_quick_two_sum(high, error + (self.high * other.low + self.low * other.high)))

    def over(self, divisor: float) -> Twofold:
        first = self.high / divisor
        rest = self - Twofold(*_two_product(first, np.full_like(first, divisor)))
        return Twofold(*_quick_two_sum(first, rest.high / divisor))

    def __getitem__(self, key: Any) -> Twofold:
        return Twofold(self.high[key], self.low[key])

    def outer(self) -> Twofold:
        """(n) → (n, n), each number times each."""
        return self[:, None] * self[None, :]

    def rounded(self) -> Floats:
        """The nearest float64."""
        return self.high + self.low


def _two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _quick_two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """As `_two_sum`, where |a| >= |b|."""
    total = a + b
    return total, b - (total - a)


def _split(a: Floats) -> tuple[Floats, Floats]:
    scaled = _SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


def _two_product(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    product = a * b
    (a_high, a_low), (b_high, b_low) = _split(a), _split(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
