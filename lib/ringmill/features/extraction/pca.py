"""Moments → principal components; columns → their components."""

from __future__ import annotations

import numpy as np

from ringmill.config.extraction import Pca
from ringmill.errors import InputError
from ringmill.features.extraction.parts import PcaPart
from ringmill.features.extraction.project import plain, plain_rows, repeatable, turned
from ringmill.features.moments import Moments
from ringmill.features.twofold import Floats


def solve_pca(moments: Moments, entry: Pca, *, where: str) -> PcaPart:
    """The covariance's eigenvectors, as scikit-learn's PCA; directions without variance are none.

    Raises:
        InputError: fewer than two rows, no column that varies, or fewer directions with variance than components asked.
    """
    of = moments.pick(entry.columns)
    if of.rows < 2:
        raise InputError.unfit(where, f"at least 2 rows for '{entry.name}'", f"{of.rows}", "fit on more rows")
    covariance = of.scatter() / (of.rows - 1)
    values, vectors = np.linalg.eigh(covariance)
    variance, directions = np.maximum(values[::-1], 0.0), vectors.T[::-1]
    rank = _rank(variance, of.rows)
    if rank < (entry.components or 1):
        raise InputError.unfit(
            where,
            f"at least {entry.components or 1} directions in which the columns of '{entry.name}' vary",
            f"{rank}, of {len(variance)} columns and {of.rows:,} rows",
            "lower 'components', or name columns that vary",
        )
    ratio = variance / variance.sum()
    count = entry.components or (rank if entry.share is None else min(rank, _reaching(ratio, entry.share)))
    return PcaPart(
        name=entry.name,
        columns=entry.columns,
        mean=plain(repeatable(of.mean())),
        components=plain_rows(turned(directions[:count], np.sqrt(np.diagonal(covariance)))),
        explained_variance=plain(repeatable(variance[:count])),
        explained_variance_ratio=plain(repeatable(ratio[:count])),
        whiten=entry.whiten,
    )


def _rank(variance: Floats, rows: int) -> int:
    least = len(variance) * np.finfo(np.float64).eps * variance[0]
    return min(int((variance > least).sum()), rows - 1)


def _reaching(ratio: Floats, share: float) -> int:
    return int(np.searchsorted(np.cumsum(ratio), share, side="right")) + 1
