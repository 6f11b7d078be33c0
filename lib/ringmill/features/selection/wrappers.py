"""Wrappers: columns judged by models that are fitted again and again on a sample.

Own loops in place of scikit-learn's RFECV and SequentialFeatureSelector, whose choice they equal: those say neither
in which order columns came or went nor with which score, and break ties by last bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ringmill.config.selection import Elimination, Forward
from ringmill.features.selection.choice import Choice, Judged
from ringmill.features.selection.models import (
    SCORED_BY,
    SCORING,
    coefficients,
    converging,
    cross_validated,
    model_of,
    rounded,
)
from ringmill.features.selection.sample import Places, Sample


def by_elimination(sample: Sample, names: Sequence[str], step: Elimination, *, where: str) -> Choice:
    """Columns → the last to be eliminated. A column's score: that of the columns that were left while it was in.

    Of equal coefficients the last in x goes first. Source: Guyon and others, Gene selection for cancer classification
    using support vector machines (2002).

    Raises:
        InputError: a fit does not converge.
    """
    with converging(step, where=where):
        model = model_of(step)
        by_size = np.mean([_scores_by_size(model, sample, fold, step) for fold in sample.folds], axis=0)
        order = _survivors(model, sample, np.arange(len(sample.matrix)))
    scores = [rounded(float(score)) for score in by_size]
    most = min(step.keep or 1 + int(np.argmax(scores)), len(names))
    judged = [
        Judged(
            names[place],
            score=scores[rank - 1],
            p_value=None,
            rank=rank,
            kept=rank <= most,
            reason=f"among the last {most}" if rank <= most else f"eliminated with {rank} columns left",
        )
        for rank, place in enumerate(order, start=1)
    ]
    return Choice("elimination", _score(sample, step, "of the columns up to its rank"), tuple(judged))


def _survivors(model: Any, sample: Sample, rows: Places) -> list[int]:
    """Columns from the last that is left to the first that goes."""
    left, gone = list(range(sample.matrix.shape[1])), []
    while len(left) > 1:
        fitted = model.fit(sample.matrix[rows][:, left], sample.target[rows])
        weights = [rounded(weight) for weight in (coefficients(fitted) ** 2).sum(axis=0)]
        weakest = max(range(len(left)), key=lambda place: (-weights[place], place))
        gone.append(left.pop(weakest))
    return [*left, *reversed(gone)]


def _scores_by_size(model: Any, sample: Sample, fold: tuple[Places, Places], step: Elimination) -> list[float]:
    """The score on the fold's other rows with 1, 2, … columns, as elimination on its own rows leaves them."""
    from sklearn.metrics import get_scorer

    scorer = get_scorer(SCORING[step.task])
    fit, judge = fold
    order = _survivors(model, sample, fit)
    scores = []
    for size in range(1, len(order) + 1):
        columns = sorted(order[:size])
        fitted = model.fit(sample.matrix[fit][:, columns], sample.target[fit])
        scores.append(float(scorer(fitted, sample.matrix[judge][:, columns], sample.target[judge])))
    return scores


def by_forward(sample: Sample, names: Sequence[str], step: Forward, *, where: str) -> Choice:
    """Columns → those that came in. A column's score: that of all columns so far with it; of equals the first in x.

    Raises:
        InputError: a fit does not converge.
    """
    chosen: list[int] = []
    judged: list[Judged] = []
    best, model = -np.inf, model_of(step)
    left = list(range(len(names)))
    with converging(step, where=where):
        while left and len(chosen) < (step.keep or len(names)):
            scores = {place: cross_validated(model, sample, sorted([*chosen, place]), step) for place in left}
            place = max(left, key=lambda each: (scores[each], -each))
            if step.keep is None and scores[place] - best < step.least_gain:
                break
            best = scores[place]
            chosen.append(place)
            left.remove(place)
            judged.append(Judged(names[place], best, None, len(chosen), True, f"came in as number {len(chosen)}"))
        else:
            scores = {}
    limit = f"not among the first {step.keep}" if step.keep else f"gains less than {step.least_gain:g}"
    for place in sorted(left, key=lambda each: (-scores.get(each, 0.0), each)):
        judged.append(Judged(names[place], scores.get(place), None, len(judged) + 1, False, limit))
    return Choice("forward", _score(sample, step, "of the columns so far with it"), tuple(judged))


def _score(sample: Sample, step: Elimination | Forward, whose: str) -> str:
    return f"{SCORED_BY[step.task]} of '{step.label}' {whose}, over {step.folds} folds of {sample}"
