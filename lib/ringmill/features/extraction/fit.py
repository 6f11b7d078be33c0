"""The train split's rows and extraction entries → their parts: one job for all PCA and LDA, one for each SVD."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame

from ringmill.config.extraction import Lda, Pca, TruncatedSvd
from ringmill.features.extraction.lda import solve_lda
from ringmill.features.extraction.pca import solve_pca
from ringmill.features.extraction.svd import solve_truncated_svd
from ringmill.features.gather import gather, gather_sparse
from ringmill.features.state import Part


def fit_dense(
    train: DataFrame, entries: Sequence[Pca | Lda], *, where: str = "the train split"
) -> list[Sequence[Part]]:
    """Rows of the train split → a part for each entry, from the products of all columns that they name (one job).

    Raises:
        InputError: see `gather`, `solve_pca` and `solve_lda`.
    """
    names = [name for entry in entries for name in entry.columns]
    moments = gather(train, names, labels=[entry.label for entry in entries if isinstance(entry, Lda)], where=where)
    return [
        [solve_lda(moments, entry, where=where) if isinstance(entry, Lda) else solve_pca(moments, entry, where=where)]
        for entry in entries
    ]


def fit_sparse(
    train: DataFrame, entries: Sequence[TruncatedSvd], *, where: str = "the train split"
) -> list[Sequence[Part]]:
    """Rows of the train split → a part for each entry (a job each: terms² numbers are held at a time).

    Raises:
        InputError: see `gather_sparse` and `solve_truncated_svd`.
    """
    parts: list[Sequence[Part]] = []
    for entry in entries:
        moments = gather_sparse(train, *entry.columns, terms=entry.terms, where=where)
        parts.append([solve_truncated_svd(moments, entry, where=where)])
    return parts
