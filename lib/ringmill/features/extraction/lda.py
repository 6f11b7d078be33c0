"""Moments by class → linear discriminants; columns → their discriminants."""

from __future__ import annotations

import numpy as np

from ringmill.config.extraction import Lda
from ringmill.errors import InputError
from ringmill.features.extraction.parts import LdaPart
from ringmill.features.extraction.project import plain, plain_rows, repeatable, turned
from ringmill.features.moments import Moments

# Singular values below count as none, as in scikit-learn: within classes absolutely (columns have deviation 1 there),
# between them relative to the first.
TOLERANCE = 1e-4


def solve_lda(moments: Moments, entry: Lda, *, where: str) -> LdaPart:
    """As scikit-learn's LinearDiscriminantAnalysis with solver 'svd' and the classes' shares as priors, up to signs.

    Its two SVDs of the rows are here eigenvectors of the scatter within the classes and an SVD of the class means.
    Columns that are constant within every class are left out, as they are there.

    Raises:
        InputError: one class alone, no more rows than classes, no column that varies within a class, classes with one
            mean, or fewer discriminants than asked.
    """
    of = moments.pick(entry.columns)
    counts = of.class_rows(entry.label)
    if len(counts) < 2 or of.rows <= len(counts):
        received = f"{len(counts)} classes in {of.rows:,} rows"
        raise InputError.unfit(
            where, f"two classes of '{entry.label}', and more rows than classes", received, "choose another label"
        )
    within = of.within(entry.label) / of.rows
    deviation = np.where(np.diagonal(within) > 0, np.sqrt(np.diagonal(within)), 1.0)
    values, vectors = np.linalg.eigh(within / np.outer(deviation, deviation))
    is_used = values[::-1] > TOLERANCE**2
    # (columns, rank): to coordinates of variance 1 and no correlation within the classes.
    to_white = (vectors[:, ::-1][:, is_used] / deviation[:, None]) / np.sqrt(values[::-1][is_used])
    centres = np.sqrt(counts / (len(counts) - 1))[:, None] * of.class_means(entry.label)
    _, between, axes = np.linalg.svd(centres @ to_white, full_matrices=False)
    rank = min(int((between > TOLERANCE * between.max(initial=0.0)).sum()), len(counts) - 1)
    if rank < (entry.components or 1):
        raise InputError.unfit(
            where,
            f"at least {entry.components or 1} directions of '{entry.name}' that part the classes of '{entry.label}'",
            f"{rank}, of {len(entry.columns)} columns and {len(counts)} classes",
            "lower 'components', or name columns that vary within the classes and between them",
        )
    count = entry.components or rank
    ratio = between**2 / (between**2).sum()
    return LdaPart(
        name=entry.name,
        columns=entry.columns,
        label=entry.label,
        classes=of.class_names(entry.label),
        mean=plain(repeatable(of.mean())),
        components=plain_rows(turned((to_white @ axes[:count].T).T, deviation)),
        explained_variance_ratio=plain(repeatable(ratio[:count])),
    )
