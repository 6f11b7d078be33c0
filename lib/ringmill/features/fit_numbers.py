"""The train split's numbers → parts that scale them: one aggregate row for all entries, and three for Box-Cox's λ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.config.features import Bins, BoxCox, Scaling
from ringmill.errors import InputError
from ringmill.features.fit_boxcox import column_of, fit_exponents
from ringmill.features.scaling import Bins as BinsPart
from ringmill.features.scaling import BoxCox as BoxCoxPart
from ringmill.features.scaling import Scaled
from ringmill.features.state import Part

# Sums in another partition order differ in the last bits; twelve digits make the state, and its hash, repeatable.
DIGITS = 12
# Bins narrower than this are one, as in scikit-learn's KBinsDiscretizer.
NARROWEST = 1e-8

Number = Scaling | BoxCox | Bins


def fit_numbers(train: DataFrame, entries: Sequence[Number]) -> list[Sequence[Part]]:
    """One action, none where all entries are logarithms, and three more where a Box-Cox entry is among them.

    A column without spread keeps scale 1, so it is encoded as 0; one without values keeps centre 0, λ 1 and one bin.
    Quantiles are exact: an executor holds the distinct values of the columns that ask for them.

    Raises:
        InputError: a column of Box-Cox holds 0 or less, and its entry does not say what that comes out as.
    """
    keys = [(f"{place}:{name}", entry, name) for place, entry in enumerate(entries) for name in entry.columns]
    wanted = [each for key, entry, name in keys for each in _statistics(key, entry, name)]
    row = train.agg(*wanted).collect()[0].asDict() if wanted else {}
    logarithms = {key: (name, row[f"{key}:log"]) for key, entry, name in keys if isinstance(entry, BoxCox)}
    for key, entry, name in keys:
        if isinstance(entry, BoxCox) and entry.null is None and row[f"{key}:others"]:
            found = f"{row[f'{key}:others']:,} rows with 0 or less"
            raise InputError.differs("the train split", name, "positive numbers, as Box-Cox needs", found)
    exponents = fit_exponents(train, {key: mean for key, mean in logarithms.items() if mean[1] is not None})
    parts: list[list[Part]] = [[] for _ in entries]
    for key, entry, name in keys:
        place = int(key.partition(":")[0])
        parts[place].append(_part(row, key, entry, name, exponents))
    return list(parts)


def _statistics(key: str, entry: Number, name: str) -> list[Column]:
    value = number(name)
    if isinstance(entry, BoxCox):
        positive = F.log(F.when(value > 0, value))
        return [F.avg(positive).alias(f"{key}:log"), F.count_if(value <= 0).alias(f"{key}:others")]
    if isinstance(entry, Bins):
        at = [place / entry.bins for place in range(entry.bins + 1)]
        return [F.percentile(value, F.array(*map(F.lit, at))).alias(f"{key}:edges")]
    if entry.log1p or entry.kind == "log":
        # `greatest` passes over null: a value that is missing would count as 0.
        value = F.when(value.isNotNull(), F.log1p(F.greatest(value, F.lit(0.0))))
    if entry.kind == "zscore":
        return [F.avg(value).alias(f"{key}:mean"), F.stddev_pop(value).alias(f"{key}:std")]
    if entry.kind == "minmax":
        return [F.min(value).alias(f"{key}:low"), F.max(value).alias(f"{key}:high")]
    if entry.kind == "robust":
        return [F.percentile(value, F.array(F.lit(0.25), F.lit(0.5), F.lit(0.75))).alias(f"{key}:quartiles")]
    return []


def _part(row: Mapping[str, Any], key: str, entry: Number, column: str, exponents: Mapping[str, float]) -> Part:
    name = entry.name_of(column)
    if isinstance(entry, BoxCox):
        return BoxCoxPart(column, name, exponents.get(key, 1.0), entry.null)
    if isinstance(entry, Bins):
        return BinsPart(column, name, _inner(row[f"{key}:edges"] or []), entry.output, entry.null)
    centre, scale = _centre_and_scale(row, key, entry)
    return Scaled(column, name, entry.log1p or entry.kind == "log", centre, scale or 1.0, entry.null)


def _centre_and_scale(row: Mapping[str, Any], key: str, entry: Scaling) -> tuple[float, float]:
    if entry.kind == "zscore":
        return repeatable(row[f"{key}:mean"] or 0.0, row[f"{key}:std"] or 0.0)
    if entry.kind == "minmax":
        low, high = row[f"{key}:low"], row[f"{key}:high"]
        return (low, high - low) if low is not None else (0.0, 0.0)
    if entry.kind == "robust":
        lower, median, upper = row[f"{key}:quartiles"] or (0.0, 0.0, 0.0)
        return median, upper - lower
    return 0.0, 1.0


def repeatable(mean: float, std: float) -> tuple[float, float]:
    """Both to the digits that do not depend on the order of summing.

    A deviation below the mean's last digit is rounding, not spread. A mean near 0, beside the deviation, is what is
    left of sums that cancel: its digits are counted from the deviation's.
    """
    if std <= abs(mean) * 10.0**-DIGITS:
        return rounded(mean), 0.0
    near_zero = abs(mean) < 0.01 * std
    return rounded(round(mean / std, DIGITS) * rounded(std) if near_zero else mean), rounded(std)


def _inner(edges: Sequence[float]) -> tuple[float, ...]:
    """The bounds between bins: without the outermost, and without those that follow another too closely."""
    found = np.asarray(edges, np.float64)
    distinct = found[np.concatenate([[True], np.diff(found) > NARROWEST])] if len(found) else found
    return tuple(float(edge) for edge in distinct[1:-1])


def number(name: str) -> Column:
    """A column as the number that `Columns.numbers` makes of it."""
    return column_of(name).cast("double")


def rounded(value: float, digits: int = DIGITS) -> float:
    """To significant digits."""
    return float(f"{value:.{digits - 1}e}")
