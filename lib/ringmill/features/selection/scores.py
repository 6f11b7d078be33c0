"""Moments and counts → a score per column: scikit-learn's f_classif, f_regression, chi2 and mutual information.

Scores that are not defined are NaN, as there; an infinite F is the greatest float64, as in its f_regression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, fdtrc

from ringmill.features.moments import Moments
from ringmill.features.twofold import Floats

GREATEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, eq=False)
class Scores:
    """(columns) each; p-values are None where the score has none."""

    values: Floats
    p_values: Floats | None


def variances(moments: Moments, names: Sequence[str]) -> Floats:
    """Population variances, exactly 0 for a constant column."""
    found: Floats = np.diagonal(moments.pick(names).scatter()) / moments.rows
    return found


def correlations(moments: Moments, names: Sequence[str]) -> Floats:
    """(columns, columns) of Pearson's r; 0 with a constant column, 1 on the diagonal."""
    scatter = moments.pick(names).scatter()
    deviations = np.sqrt(np.diagonal(scatter))
    scale = np.outer(deviations, deviations)
    found = np.divide(scatter, scale, out=np.zeros_like(scatter), where=scale > 0)
    np.fill_diagonal(found, 1.0)
    bounded: Floats = np.clip(found, -1.0, 1.0)
    return bounded


def anova(moments: Moments, names: Sequence[str], label: str) -> Scores:
    """One-way ANOVA's F of each column between the classes; NaN for a constant column. More rows than classes."""
    of = moments.pick(names)
    between_freedom = len(of.class_rows(label)) - 1
    within_freedom = of.rows - between_freedom - 1
    between = of.between(label) / between_freedom
    within = np.diagonal(of.within(label)) / within_freedom
    values = _quotient(between, within)
    return Scores(values, fdtrc(between_freedom, within_freedom, values))


def f_regression(moments: Moments, names: Sequence[str], target: str) -> Scores:
    """F of the regression of `target` on each column alone; a constant column has 0 and p = 1. More than 2 rows."""
    scatter = moments.pick([*names, target]).scatter()
    own, shared, whole = np.diagonal(scatter)[:-1], scatter[:-1, -1], scatter[-1, -1]
    freedom = moments.rows - 2
    explained = np.divide(shared**2, own, out=np.zeros_like(own), where=own > 0)
    # r² / (1 - r²) with both over the target's scatter; what is left of it below its rounding is none.
    rest = np.where(whole - explained > np.finfo(np.float64).eps * whole, whole - explained, 0.0)
    values = np.nan_to_num(_quotient(explained * freedom, rest), nan=0.0, posinf=GREATEST)
    return Scores(values, fdtrc(1, freedom, values))


def chi_squared(moments: Moments, names: Sequence[str], label: str) -> Scores:
    """χ² of each column's sums by class against the classes' shares of the rows; NaN for a column of zeros."""
    of = moments.pick(names)
    observed = np.stack([of.classes[label][name].sums.rounded() for name in of.class_names(label)])
    expected = np.outer(of.class_rows(label) / of.rows, of.total.sums.rounded())
    with np.errstate(invalid="ignore"):
        values = ((observed - expected) ** 2 / expected).sum(axis=0)
    return Scores(values, chdtrc(len(observed) - 1, values))


def mutual_information(tables: Sequence[NDArray[np.int64]]) -> Scores:
    """Of each column its (values, classes) counts → the mutual information in nats, at least 0."""
    return Scores(np.array([_information(table) for table in tables]), None)


def _information(table: NDArray[np.int64]) -> float:
    if 1 in table.shape:
        return 0.0
    joint = table / table.sum()
    product = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0
    return max(0.0, float((joint[seen] * np.log(joint[seen] / product[seen])).sum()))


def _quotient(above: Floats, below: Floats) -> Floats:
    """0 / 0 is NaN, x / 0 the greatest float64."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found: Floats = above / below
    return np.where(np.isinf(found), GREATEST, found)
