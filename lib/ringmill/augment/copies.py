"""Whether made rows are copies: how near each is to a train row, beside how near rows are that were held out.

A network that only repeats what it was shown makes rows that lie nearer to train rows than real rows of the same kind
do. Source: Meehan, Chaudhuri, Dasgupta, A Three Sample Hypothesis Test for Evaluating Generative Models, 2020 (the
comparison, without its cells).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact

Floats = NDArray[np.float64]
# Rows that are compared, made ones and held-out ones each, with so many train rows: a second or two.
MOST, MOST_TRAIN = 2_000, 20_000
BLOCK = 512
# The share of held-out rows whose distance says what is near, and so many of them that one row is no more than that.
NEAR, LEAST = 0.05, 20
# So rarely are rows of the same kind taken for copies.
BY_CHANCE = 0.001


@dataclass(frozen=True)
class CopyCheck:
    """Distances to the nearest train row, per number and in deviations of the class's train rows: medians of the made
    and the held-out rows, and the shares of both, `near_made` and `near_held_out`, that lie no farther than `near`.

    Medians are None where there is nothing to compare, `near` and the shares also where fewer than `least_held_out`
    rows were held out. Where held-out rows are train rows so often that `near` is 0, `near_made` is None: made rows
    that are train rows were rejected, so that none can be as near.

    `repeats`: so many more of the made rows are near than of the held-out ones that chance would give it once in a
    thousand times (Fisher's exact test, one-sided); None where the shares are.
    """

    made_rows: int
    held_out_rows: int
    train_rows: int
    made_median: float | None
    held_out_median: float | None
    near: float | None
    near_made: float | None
    near_held_out: float | None
    repeats: bool | None = None
    least_held_out: int = LEAST

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def check_copies(made: Floats, held_out: Floats, train: Floats) -> CopyCheck:
    """(rows, length) each, scaled as training sees them."""
    sizes = (len(made), len(held_out), len(train))
    if not all(sizes):
        return CopyCheck(*sizes, made_median=None, held_out_median=None, near=None, near_made=None, near_held_out=None)
    of_made, of_held_out = nearest(made, train), nearest(held_out, train)
    near = float(np.quantile(of_held_out, NEAR)) if len(held_out) >= LEAST else None
    counts = [(np.count_nonzero(of <= near), np.count_nonzero(of > near)) for of in (of_made, of_held_out) if near]
    return CopyCheck(
        *sizes,
        made_median=float(np.median(of_made)),
        held_out_median=float(np.median(of_held_out)),
        near=near,
        near_made=float(np.mean(of_made <= near)) if near else None,
        near_held_out=None if near is None else float(np.mean(of_held_out <= near)),
        repeats=bool(fisher_exact(counts, alternative="greater").pvalue < BY_CHANCE) if counts else None,
    )


def nearest(rows: Floats, train: Floats) -> Floats:
    """(rows, length), (train rows, length) → (rows,): the root of the least mean squared difference."""
    found = np.empty(len(rows))
    squares = np.square(train).sum(axis=1)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        closest = (squares - 2.0 * block @ train.T).argmin(axis=1)
        # The difference itself: what is left of two large numbers would not be 0 for a copy.
        found[start : start + BLOCK] = np.sqrt(np.square(block - train[closest]).mean(axis=1))
    return found
