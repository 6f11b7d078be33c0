"""The train split's rows and selection steps → a choice for each: one job for all filters, one for each other step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pyspark.sql import DataFrame

from ringmill.config.selection import L1, Correlation, Elimination, Forward, Sampled, Scored, SelectionStep, Variance
from ringmill.errors import InputError
from ringmill.features.gather import gather
from ringmill.features.moments import Moments
from ringmill.features.selection.choice import Choice
from ringmill.features.selection.counts import count_values
from ringmill.features.selection.embedded import by_l1
from ringmill.features.selection.filters import by_correlation, by_score, by_variance, scored
from ringmill.features.selection.sample import Sample, draw
from ringmill.features.selection.scores import mutual_information
from ringmill.features.selection.wrappers import by_elimination, by_forward


def select(
    train: DataFrame,
    names: Sequence[str],
    steps: Sequence[SelectionStep],
    *,
    seed: int,
    where: str = "the train split",
) -> list[Choice]:
    """Rows of the train split with the columns `names` of x → one choice for each step; what all keep is selected.

    A step of whose columns none is left has no choice.

    Raises:
        InputError: a step names a column that is not in x; a value is null or NaN; a step cannot be fitted, or the last
            drops the last column.
    """
    if unknown := sorted({name for step in steps for name in step.features} - set(names)):
        raise InputError.missing_columns(where, unknown, names)
    moments = _moments(train, names, steps, where)
    left, choices = tuple(names), list[Choice]()
    for step in steps:
        looked = tuple(name for name in left if not step.features or name in step.features)
        if looked:
            choices.append(_chosen(train, moments, looked, step, seed=seed, where=where))
            left = choices[-1].apply(left)
    if not left:
        raise InputError.unfit(
            where, "at least one column of x that all steps keep", f"none of {len(names)}", "loosen the last step"
        )
    return choices


def _moments(train: DataFrame, names: Sequence[str], steps: Sequence[SelectionStep], where: str) -> Moments | None:
    by_moments = [step for step in steps if isinstance(step, Variance | Correlation | Scored)]
    by_moments = [step for step in by_moments if step.kind != "mutual_information"]
    if not by_moments:
        return None
    targets = [step.label for step in by_moments if step.kind == "f_regression"]
    labels = [step.label for step in by_moments if step.kind in ("anova", "chi_squared")]
    return gather(train, [*names, *targets], labels=labels, where=where)


def _chosen(
    train: DataFrame, moments: Moments | None, names: Sequence[str], step: SelectionStep, *, seed: int, where: str
) -> Choice:
    if isinstance(step, Sampled):
        return _by_model(draw(train, names, step, seed=seed, where=where), names, step, seed=seed, where=where)
    if isinstance(step, Scored) and step.kind == "mutual_information":
        counts = count_values(train, names, step.label, where=where)
        return by_score(mutual_information([counts[name] for name in names]), names, step)
    # Every other filter is among those for which the moments were gathered.
    return _by_moments(cast(Moments, moments), names, step, where=where)


def _by_moments(moments: Moments, names: Sequence[str], step: Variance | Correlation | Scored, *, where: str) -> Choice:
    if isinstance(step, Variance):
        return by_variance(moments, names, step)
    if isinstance(step, Correlation):
        return by_correlation(moments, names, step)
    return by_score(scored(moments, names, step, where=where), names, step)


def _by_model(
    sample: Sample, names: Sequence[str], step: Elimination | Forward | L1, *, seed: int, where: str
) -> Choice:
    if isinstance(step, Elimination):
        return by_elimination(sample, names, step, where=where)
    if isinstance(step, Forward):
        return by_forward(sample, names, step, where=where)
    return by_l1(sample, names, step, seed=seed, where=where)
