"""Moments of sparse rows → their leading right singular vectors; sparse rows → their coordinates there."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from ringmill.config.extraction import TruncatedSvd
from ringmill.errors import InputError
from ringmill.features.extraction.parts import TruncatedSvdPart
from ringmill.features.extraction.project import plain, plain_rows, repeatable, turned
from ringmill.features.moments import Moments


def solve_truncated_svd(moments: Moments, entry: TruncatedSvd, *, where: str) -> TruncatedSvdPart:
    """The leading eigenvectors of XᵀX, as scikit-learn's TruncatedSVD; not centred.

    XᵀX squares the singular values: those below 10⁻⁷ of the first are not told from none.

    Raises:
        InputError: fewer directions with a singular value than components asked.
    """
    products = moments.products.rounded()
    terms, rows = len(products), moments.rows
    values, vectors = eigh(products, subset_by_index=(terms - entry.components, terms - 1))
    squares, directions = values[::-1], vectors.T[::-1]
    rank = int((squares > terms * np.finfo(np.float64).eps * max(squares[0], 0.0)).sum())
    if rank < entry.components:
        raise InputError.unfit(
            where,
            f"at least {entry.components} directions in which the rows of '{entry.name}' lie",
            f"{rank}, of {terms} terms and {rows:,} rows",
            "lower 'components'",
        )
    means = moments.mean()
    variance = squares / rows - (directions @ means) ** 2
    whole = (np.diagonal(products) / rows - means**2).sum()
    return TruncatedSvdPart(
        name=entry.name,
        columns=entry.columns,
        terms=entry.terms,
        components=plain_rows(turned(directions, np.ones(terms))),
        singular_values=plain(repeatable(np.sqrt(squares))),
        explained_variance=plain(repeatable(variance)),
        explained_variance_ratio=plain(repeatable(variance / whole if whole > 0 else np.zeros(rank))),
    )
