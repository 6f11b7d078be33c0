"""Filters: columns judged from the moments of all rows, without a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ringmill.config.selection import Correlation, Scored, Variance
from ringmill.errors import InputError
from ringmill.features.moments import Moments
from ringmill.features.selection.choice import Choice, Judged
from ringmill.features.selection.scores import (
    Scores,
    anova,
    chi_squared,
    correlations,
    f_regression,
    variances,
)

SCORES = {
    "anova": "ANOVA's F between the classes of '{}'",
    "f_regression": "F of the regression of '{}'",
    "chi_squared": "chi-squared of the sums by class of '{}'",
    "mutual_information": "mutual information with '{}', in nats",
}


def by_variance(moments: Moments, names: Sequence[str], step: Variance) -> Choice:
    """Columns → those with a variance above the bound; equal variances in x's order."""
    found = variances(moments, names)
    judged = [
        Judged(
            names[place],
            score=float(found[place]),
            p_value=None,
            rank=rank,
            kept=bool(found[place] > step.above),
            reason="varies" if found[place] > step.above else _too_little(found[place], step.above),
        )
        for rank, place in enumerate(np.argsort(-found, kind="stable"), start=1)
    ]
    return Choice("variance", "population variance", tuple(judged))


def _too_little(variance: float, above: float) -> str:
    return "constant" if variance == 0 else f"a variance of at most {above:g}"


def by_correlation(moments: Moments, names: Sequence[str], step: Correlation) -> Choice:
    """Columns in x's order → those that no kept column before them stands for; the table names the nearest one."""
    found = np.abs(correlations(moments, names))
    kept: list[int] = []
    judged = []
    for place, name in enumerate(names):
        nearest = max(kept, key=lambda other: (found[place, other], -other), default=None)
        greatest = 0.0 if nearest is None else float(found[place, nearest])
        is_kept = greatest <= step.at_most
        said = "no kept column before it" if nearest is None else f"nearest: '{names[nearest]}'"
        why = said if is_kept else f"correlates with '{names[nearest or 0]}'"
        judged.append(Judged(name, score=greatest, p_value=None, rank=place + 1, kept=is_kept, reason=why))
        kept += [place] if is_kept else []
    return Choice("correlation", "greatest |r| with a kept column before it", tuple(judged))


def scored(moments: Moments, names: Sequence[str], step: Scored, *, where: str) -> Scores:
    """Columns → their scores by `step.kind`, for all kinds but mutual information, which takes counts.

    Raises:
        InputError: one class alone; no more rows than classes, or 2 rows for a regression; a negative value for
            chi_squared.
    """
    if step.kind == "f_regression":
        if moments.rows <= 2:
            raise InputError.unfit(where, "more than 2 rows for f_regression", f"{moments.rows}", "fit on more rows")
        return f_regression(moments, names, step.label)
    classes = len(moments.class_names(step.label))
    if classes < 2 or moments.rows <= classes:
        expected = f"two classes of '{step.label}', and more rows than classes, for {step.kind}"
        raise InputError.unfit(where, expected, f"{classes} in {moments.rows:,} rows", "choose another label")
    if step.kind == "anova":
        return anova(moments, names, step.label)
    negative = [name for name, least in zip(names, moments.pick(names).least, strict=True) if least < 0]
    if negative:
        raise InputError.unfit(
            where,
            "no negative value for chi_squared, which compares sums",
            f"some in {', '.join(negative)}",
            "choose anova for such columns, or name the others under 'features'",
        )
    return chi_squared(moments, names, step.label)


def by_score(scores: Scores, names: Sequence[str], step: Scored) -> Choice:
    """Columns and their scores → those that pass the step's bound; equal scores in x's order, none last."""
    return Choice(step.kind, SCORES[step.kind].format(step.label), tuple(_judged(names, scores, step)))


def _judged(names: Sequence[str], scores: Scores, step: Scored) -> list[Judged]:
    # NaN last; a stable sort leaves equals in x's order.
    order = np.argsort(np.where(np.isnan(scores.values), np.inf, -scores.values), kind="stable")
    judged = []
    for rank, place in enumerate(order, start=1):
        value = _known(scores.values[place])
        p_value = None if scores.p_values is None else _known(scores.p_values[place])
        kept, reason = _verdict(value, p_value, rank, step)
        judged.append(Judged(names[place], value, p_value, rank, kept, reason))
    return judged


def _verdict(value: float | None, p_value: float | None, rank: int, step: Scored) -> tuple[bool, str]:
    if value is None:
        return False, "constant: it has no score"
    if step.keep is not None:
        return rank <= step.keep, f"{'among' if rank <= step.keep else 'not among'} the {step.keep} highest scores"
    if step.p_at_most is not None:
        is_kept = p_value is not None and p_value <= step.p_at_most
        return is_kept, f"a p-value {'of at most' if is_kept else 'above'} {step.p_at_most:g}"
    least = step.score_at_least or 0.0
    return value >= least, f"a score {'of at least' if value >= least else 'below'} {least:g}"


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
