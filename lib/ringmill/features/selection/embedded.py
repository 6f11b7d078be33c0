"""Embedded selection: the columns to which an L1-penalised model gives weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ringmill.config.selection import L1
from ringmill.features.selection.choice import Choice, Judged
from ringmill.features.selection.models import coefficients, converging, cross_validated, l1_model_of
from ringmill.features.selection.sample import Sample

# Tried by cross-validation, strongest first: 1 / C of scikit-learn's LogisticRegressionCV; for lasso, which is scaled
# by the target, shares of the least penalty that leaves no column.
PENALTIES = {"classification": np.logspace(4, -4, 10), "regression": np.logspace(0, -3, 20)}


def by_l1(sample: Sample, names: Sequence[str], step: L1, *, seed: int, where: str) -> Choice:
    """Columns → those with a coefficient other than 0. Score: the greatest magnitude of a column's coefficients.

    Raises:
        InputError: a fit does not converge.
    """
    classes = len(np.unique(sample.target)) if step.task == "classification" else 1
    with converging(step, where=where):
        penalty = step.penalty or _best(sample, step, classes, seed)
        model = l1_model_of(step, penalty, classes=classes, seed=seed).fit(sample.matrix, sample.target)
    weights = np.abs(coefficients(model)).max(axis=0)
    judged = [
        Judged(
            names[place],
            score=float(weights[place]),
            p_value=None,
            rank=rank,
            kept=bool(weights[place] > 0),
            reason="has a coefficient" if weights[place] > 0 else "its coefficient is 0",
        )
        for rank, place in enumerate(np.argsort(-weights, kind="stable"), start=1)
    ]
    chosen = "given" if step.penalty else f"of the best of {len(PENALTIES[step.task])} over {step.folds} folds"
    score = f"|coefficient| of standardised columns for '{step.label}', penalty {penalty:.6g} {chosen}, {sample}"
    return Choice("l1", score, tuple(judged))


def _best(sample: Sample, step: L1, classes: int, seed: int) -> float:
    """The penalty with the best score in cross-validation, of equal ones the strongest."""
    columns = list(range(sample.matrix.shape[1]))
    penalties = [float(each) for each in PENALTIES[step.task] * _scale(sample, step)]
    scores = [
        cross_validated(l1_model_of(step, each, classes=classes, seed=seed), sample, columns, step)
        for each in penalties
    ]
    return penalties[int(np.argmax(scores))]


def _scale(sample: Sample, step: L1) -> float:
    if step.task == "classification":
        return 1.0
    centred = sample.matrix - sample.matrix.mean(axis=0)
    deviations = centred.std(axis=0)
    target = np.asarray(sample.target, dtype=np.float64)
    shared = np.abs(centred.T @ (target - target.mean())) / len(target)
    found = np.divide(shared, deviations, out=np.zeros_like(shared), where=deviations > 0)
    return float(found.max()) or 1.0
