"""Histories and fitted models → what customers are expected to buy and to be worth; NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ringmill.lifetime.bgnbd import BetaGeo, Floats
from ringmill.lifetime.gamma_gamma import GammaGamma

# Days of a period; and periods of a month of lifetime value, as lifetimes counts them.
DAYS = {"day": 1.0, "week": 7.0, "month": 30.4375}
MONTH = {"day": 30.0, "week": 4.345, "month": 1.0}


@dataclass(frozen=True)
class Ahead:
    """How far to look: purchases so many days ahead, and the value of so many months, each discounted.

    `period` is that of the histories: day, week or month.
    """

    horizons_days: tuple[int, ...]
    months: int
    discount_per_month: float
    period: str = "day"


def foresee_columns(
    purchases: BetaGeo, values: GammaGamma | None, ahead: Ahead, history: tuple[Floats, Floats, Floats, Floats]
) -> Mapping[str, Floats | None]:
    """(rows) of frequency, recency, T and mean value → what is foreseen, by name.

    alive_probability, expected_purchases_<days>d, and in currency expected_value (of one purchase) and lifetime_value;
    the last two None where no value model is.

    Lifetime value is that of lifetimes' customer_lifetime_value: the purchases expected in each month ahead × the value
    of one, divided by (1 + discount) to the power of the month's number.
    """
    x, recency, age, mean = history
    found: dict[str, Floats | None] = {"alive_probability": purchases.alive(x, recency, age)}
    for days in ahead.horizons_days:
        found[f"expected_purchases_{days}d"] = purchases.expected(days / DAYS[ahead.period], x, recency, age)
    if values is None:
        return found | {"expected_value": None, "lifetime_value": None}
    worth = expected_value(values, x, mean)
    discounted, before = np.zeros_like(x), np.zeros_like(x)
    for month in range(1, ahead.months + 1):
        until = purchases.expected(month * MONTH[ahead.period], x, recency, age)
        discounted += (until - before) / (1.0 + ahead.discount_per_month) ** month
        before = until
    return found | {"expected_value": worth, "lifetime_value": discounted * worth}


def expected_value(values: GammaGamma, frequency: Floats, mean: Floats) -> Floats:
    """(rows) of repeat purchases and their mean value → expected value of a purchase, in currency.

    A mean of 0, of gifts alone, was left out of the fit: it tells as little of the value as no repeat purchase.
    """
    return values.expected(np.where(mean > 0, frequency, 0.0), mean)
