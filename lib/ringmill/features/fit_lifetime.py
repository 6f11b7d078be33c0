"""Entries of kind lifetime → their part: BG/NBD and Gamma-Gamma, fitted on the train split's customers."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ringmill.config.lifetime import LifetimeFeatures
from ringmill.errors import InputError
from ringmill.features.fit_boxcox import column_of
from ringmill.features.lifetime import LifetimeValue
from ringmill.features.state import Part
from ringmill.lifetime import bgnbd, gamma_gamma
from ringmill.lifetime.fit import HISTORY, fit_models


def fit_lifetime(train: DataFrame, entries: Sequence[LifetimeFeatures]) -> list[Sequence[Part]]:
    """The histories of several cutoffs are fitted as one. About eight actions an entry.

    Raises:
        InputError: too few customers came again, or a model has no maximum that could be found.
    """
    return [[_fit(train, entry)] for entry in entries]


def _fit(train: DataFrame, entry: LifetimeFeatures) -> Part:
    active, tenure, since = (column_of(name).cast("int") for name in entry.columns[:3])
    mean = column_of(entry.columns[3]) if entry.with_value else F.lit(None).cast("double")
    counted = dict(zip(HISTORY, (active - 1, tenure - since, tenure - 1), strict=True))
    histories = train.select(*(column.alias(name) for name, column in counted.items()), mean.alias("repeat_value_mean"))
    models = fit_models(histories, entry.least_repeat_customers)
    if models.purchases is None or (entry.with_value and models.values is None):
        expected = "histories from which BG/NBD and Gamma-Gamma can be fitted"
        todo = "give more customers or earlier cutoffs, leave the fourth column out, or leave the entry out"
        raise InputError.unfit("features.set, kind lifetime", expected, models.reason, todo)
    purchases = tuple(models.purchases.values[name] for name in bgnbd.NAMES)
    values = tuple(models.values.values[name] for name in gamma_gamma.NAMES) if models.values else None
    return LifetimeValue(
        columns=entry.columns,
        name=entry.name,
        purchases=purchases,  # type: ignore[arg-type]
        values=values if entry.with_value else None,  # type: ignore[arg-type]
        horizons_days=entry.horizons_days,
        months=entry.months,
        discount_per_month=entry.discount_per_month,
    )
