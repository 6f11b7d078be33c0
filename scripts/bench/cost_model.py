"""What a ring-allreduce costs: latency and bandwidth fitted to measured sums, and what follows for more ranks.

A ring of N ranks sums S bytes in 2 (N − 1) messages of S ÷ N bytes, one after the other:

    seconds(S, N) = 2 (N − 1) · latency + 2 (N − 1) ÷ N · S ÷ bandwidth

(Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for clusters of workstations, 2009).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class RingCost:
    """`latency` in seconds a message, `bandwidth` in bytes a second."""

    latency: float
    bandwidth: float

    @classmethod
    def fitted(cls, seconds: Mapping[int, float], ranks: int) -> Self:
        """The least squares of relative errors over the measured sizes (bytes → seconds)."""
        sizes = np.array(list(seconds))
        took = np.array(list(seconds.values()))
        terms = np.stack([np.full(len(sizes), 2.0 * (ranks - 1)), 2 * (ranks - 1) / ranks * sizes], axis=1)
        (latency, per_byte), *_ = np.linalg.lstsq(terms / took[:, None], np.ones(len(sizes)), rcond=None)
        return cls(float(latency), float(1 / per_byte))

    def seconds(self, size: int, ranks: int) -> float:
        return 2 * (ranks - 1) * self.latency + 2 * (ranks - 1) / ranks * size / self.bandwidth

    def efficiency(self, compute: float, size: int, ranks: int, *, overlap: float = 0.0) -> float:
        """The share of `compute` seconds in a step, of which `overlap` (0 to 1) hides the sum of gradients."""
        return compute / (compute + max(0.0, self.seconds(size, ranks) - overlap * compute))
