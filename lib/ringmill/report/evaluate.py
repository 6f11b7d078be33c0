"""Held-out predictions → the figures that say how good they are, with the interval that the sample size allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringmill.resampling import resamples, within

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A statistic on the sample, and its 95 % percentile bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "not defined: one class only"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def bootstrap(statistic: Callable[[NDArray[np.intp]], float], rows: int, *, seed: int) -> Interval:
    """A statistic of row numbers → its value and interval over seeded resamples of rows.

    Resamples on which the statistic is not defined (one class only) are left out; see `resampling`.
    """
    low, high = within([statistic(drawn) for drawn in resamples(rows, seed=seed)])
    return Interval(statistic(np.arange(rows)), low, high)


def interval_of(intervals: Mapping[str, Any], name: str) -> Interval | None:
    """Of what a training's manifest says under `intervals`, a figure's; None where it is not defined or has none."""
    found = intervals.get("figures", {}).get(name)
    if found is None or None in (found["value"], found["low"]):
        return None
    return Interval(found["value"], found["low"], found["high"])


@dataclass(frozen=True)
class Decile:
    """A tenth of the customers, by expected spend."""

    customers: int
    expected_mean: float
    actual_mean: float


def spend_deciles(expected: Floats, actual: Floats) -> list[Decile]:
    """Customers sorted by expected spend → ten groups of equal size, highest first; fewer when there are under ten."""
    order = np.argsort(-expected, kind="stable")
    groups = [group for group in np.array_split(order, 10) if len(group)]
    return [Decile(len(group), float(expected[group].mean()), float(actual[group].mean())) for group in groups]


@dataclass(frozen=True)
class SpendForecast:
    """One way to foresee spend: its mean absolute error and its total."""

    name: str
    mean_absolute_error: float
    total: float


def compare_spend(forecasts: dict[str, Floats], actual: Floats) -> list[SpendForecast]:
    """Named forecasts of the same customers → error and total of each, in the given order."""
    return [
        SpendForecast(name, float(np.abs(forecast - actual).mean()), float(forecast.sum()))
        for name, forecast in forecasts.items()
    ]
