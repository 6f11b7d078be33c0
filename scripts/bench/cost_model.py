"""What a ring-allreduce costs: fitted to measured sums, and what follows for more ranks.

A ring of N ranks sums S bytes in 2 (N − 1) messages of S ÷ N bytes, one after the other:

    seconds(S, N) = overhead + 2 (N − 1) · latency + 2 (N − 1) ÷ N · S ÷ bandwidth

(Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for clusters of workstations, 2009). The overhead is what a
sum costs whatever the number of ranks, such as the wait for the next look for tensors. Sums on one number of ranks do
not tell it apart from the latency: `fitted` calls all of it latency, `without_growth` all of it overhead, and the truth
for more ranks lies between. (Four ranks on two cores mostly measure how the cores are shared.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np


@dataclass(frozen=True)
class RingCost:
    """`latency` in seconds a message, `bandwidth` in bytes a second, `overhead` in seconds a sum."""

    latency: float
    bandwidth: float
    overhead: float = 0.0

    @classmethod
    def fitted(cls, seconds: Mapping[int, float], ranks: int) -> Self:
        """The least squares of relative errors over the measured sizes (bytes → seconds), without an overhead."""
        sizes = np.array(list(seconds))
        took = np.array(list(seconds.values()))
        terms = np.stack([np.full(len(sizes), 2.0 * (ranks - 1)), 2 * (ranks - 1) / ranks * sizes], axis=1)
        (latency, per_byte), *_ = np.linalg.lstsq(terms / took[:, None], np.ones(len(sizes)), rcond=None)
        return cls(float(latency), float(1 / per_byte))

    def without_growth(self, ranks: int) -> Self:
        """The same for `ranks` ranks, where what is latency here is overhead."""
        return replace(self, latency=0.0, overhead=self.overhead + 2 * (ranks - 1) * self.latency)

    def seconds(self, size: int, ranks: int) -> float:
        messages = 2 * (ranks - 1)
        return self.overhead + messages * self.latency + messages / ranks * size / self.bandwidth

    def efficiency(self, compute: float, size: int, ranks: int, *, overlap: float = 0.0) -> float:
        """The share of `compute` seconds in a step, of which `overlap` (0 to 1) hides the sum of gradients."""
        return compute / (compute + max(0.0, self.seconds(size, ranks) - overlap * compute))
