"""The feature set of a configuration that names none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ringmill.config.features import FeatureEntry, Missing, OneHot, Scaling

# Shares are bounded by 1; everything else is a count, a duration or money, with a long right tail.
LINEAR = frozenset({"returns_share"})
# Null for a customer with one day of orders: there will be such customers even if the train split has none.
MAY_BE_NULL = frozenset({"gap_days_mean", "gap_days_trend"})
# For sets that ask for them; the mean and the trend hold most of what they say.
LEFT_OUT = frozenset({"gap_days_last", "gap_days_std"})


def default_set(measures: Sequence[str], *, top_countries: int) -> tuple[FeatureEntry, ...]:
    """Z-scores of the measures in their order, two left out, indicators of those that may be null, and countries."""
    measures = [name for name in measures if name not in LEFT_OUT]
    runs = groupby(measures, key=lambda name: (name not in LINEAR, name in MAY_BE_NULL))
    scaled = [
        Scaling(kind="zscore", columns=tuple(names), log1p=log1p, null=0.0 if nullable else None)
        for (log1p, nullable), names in runs
    ]
    nullable = tuple(name for name in measures if name in MAY_BE_NULL)
    missing = [Missing(kind="missing", columns=nullable)] if nullable else []
    return (*scaled, *missing, OneHot(kind="one_hot", columns=("country",), most=top_countries))
