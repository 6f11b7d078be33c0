"""The Gamma-Gamma model of the value of a purchase, fitted by partial sums: no customer's row reaches the driver.

A customer's purchases are gamma(p, ν) with ν gamma(q, v). Source: Fader and Hardie, The Gamma-Gamma Model of Monetary
Value (2013); the likelihood is its equation 1a.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from ringmill.lifetime.likelihood import STEP, Fitted, hessian, standard_errors

Floats = NDArray[np.float64]
NAMES = ("p", "q", "v")
# v is looked for between these multiples of the geometric mean of the values, on so many points at once, until the
# range of its logarithm is that narrow; what is left is interpolated.
RANGE, GRID, NARROW = (1e-4, 1e6), 32, 1e-3


@dataclass(frozen=True)
class Totals:
    """Repeat buyers by frequency, (frequencies) each: their number, and the sum of ln(mean value) over them."""

    frequency: Floats
    customers: Floats
    log_value: Floats


@dataclass(frozen=True)
class Partial:
    """For one v and each frequency x: Σ ln(x·m + v) and Σ v ÷ (x·m + v) over the buyers' mean values m."""

    log_sum: Floats
    share_sum: Floats


# Values of v → for each what it needs of the data: one pass over the partitions, or over arrays in memory.
Pass = Callable[[Sequence[float]], Sequence[Partial]]


@dataclass(frozen=True)
class GammaGamma:
    """The three parameters; v in currency."""

    p: float
    q: float
    v: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def mean(self) -> float | None:
        """The mean value of a purchase over all customers; None where q ≤ 1: it is not finite."""
        return self.v * self.p / (self.q - 1.0) if self.q > 1.0 else None

    def expected(self, frequency: Floats, value: Floats) -> Floats:
        """(rows) of repeat purchases and their mean value → a customer's expected value of a purchase.

        Who has no repeat purchase gets the mean over all. Source: equation 5. Needs q > 1.
        """
        total = np.where(frequency > 0, frequency * value, 0.0)
        return self.p * (self.v + total) / (self.p * frequency + self.q - 1.0)


def fit(totals: Totals, passed: Pass) -> Fitted:
    """Totals by frequency and a pass over the data → parameters, standard errors, log-likelihood.

    Only v needs the data itself; for a given v the best p and q follow from sums by frequency. So v is looked for where
    the likelihood's slope, at the best p and q, turns from rising to falling: each pass serves `GRID` values of v and
    narrows their range to one gap between them.
    """
    total = float(totals.customers.sum())
    sums, kept = _sums(totals), dict[float, Partial]()

    def ask(values: Sequence[float]) -> None:
        new = [value for value in values if value not in kept]
        kept.update(zip(new, passed(new) if new else (), strict=True))

    def evaluate(log_values: Floats) -> tuple[float, Floats]:
        v = float(np.exp(log_values[2]))
        ask([v])
        p, q = (float(value) for value in np.exp(log_values[:2]))
        value, gradient = _likelihood(totals, sums, kept[v], p, q, v)
        return -value / total, -gradient / total

    start, found = np.array([1.0, 1.0]), False
    low, high = (float(totals.log_value.sum() / total + np.log(bound)) for bound in RANGE)
    while high - low > NARROW:
        grid = np.linspace(low, high, GRID)
        ask([float(np.exp(log_v)) for log_v in grid])
        slopes = [-evaluate(_best(evaluate, start, float(log_v)))[1][2] for log_v in grid]
        turns = [at for at in range(GRID - 1) if slopes[at] > 0 >= slopes[at + 1]]
        if not (found := bool(turns)):
            break
        at = turns[0]
        share = slopes[at] / (slopes[at] - slopes[at + 1])
        low, high = float(grid[at]), float(grid[at + 1])
        start = _best(evaluate, start, low)[:2]
    log_v = low + share * (high - low) if found else low
    ask([float(np.exp(log_v + shift)) for shift in (0.0, STEP, -STEP)])
    log_values = _best(evaluate, start, log_v)
    values = np.exp(log_values)
    least, slope = evaluate(log_values)
    errors = standard_errors(hessian(lambda at: evaluate(at)[1] * total, log_values), values)
    return Fitted(
        values=dict(zip(NAMES, map(float, values), strict=True)),
        standard_errors=dict(zip(NAMES, errors, strict=True)),
        log_likelihood=-least * total,
        customers=total,
        converged=found and float(np.abs(slope).max()) < 1e-6,
    )


def _best(evaluate: Callable[[Floats], tuple[float, Floats]], start: Floats, log_v: float) -> Floats:
    """The logarithms of p, q and v at the best p and q for this v."""

    def at(logs: Floats) -> tuple[float, Floats]:
        value, gradient = evaluate(np.append(logs, log_v))
        return value, gradient[:2]

    found = minimize(at, start, jac=True, method="BFGS", options={"gtol": 1e-10, "maxiter": 200})
    return np.append(found.x, log_v)


def _sums(totals: Totals) -> tuple[float, float, float]:
    """Σ x, Σ x (ln m + ln x) and Σ ln m over repeat buyers."""
    x, n, log_m = totals.frequency, totals.customers, totals.log_value
    return float((n * x).sum()), float((x * log_m + n * x * np.log(x)).sum()), float(log_m.sum())


def _likelihood(
    totals: Totals, sums: tuple[float, float, float], partial: Partial, p: float, q: float, v: float
) -> tuple[float, Floats]:
    """The log-likelihood and its gradient by the parameters' logarithms."""
    x, n = totals.frequency, totals.customers
    count = n.sum()
    _, weighted, log_m = sums
    gammas = (n * (gammaln(p * x + q) - gammaln(p * x))).sum() - count * gammaln(q)
    value = gammas + count * q * np.log(v) + p * weighted - log_m - ((p * x + q) * partial.log_sum).sum()
    both = digamma(p * x + q)
    gradient = np.array(
        [
            (n * x * (both - digamma(p * x))).sum() + weighted - (x * partial.log_sum).sum(),
            (n * both).sum() - count * digamma(q) + count * np.log(v) - partial.log_sum.sum(),
            count * q - ((p * x + q) * partial.share_sum).sum(),
        ]
    )
    return float(value), gradient * np.array([p, q, 1.0])


def in_memory(frequency: Floats, value: Floats) -> tuple[Totals, Pass]:
    """(customers) of frequencies and mean values, all above 0 → totals and a pass over the two arrays."""
    xs, inverse = np.unique(frequency, return_inverse=True)

    def by_x(each: Floats) -> Floats:
        return np.bincount(inverse, each).astype(np.float64)

    def passed(values: Sequence[float]) -> list[Partial]:
        return [Partial(by_x(np.log(frequency * value + v)), by_x(v / (frequency * value + v))) for v in values]

    return Totals(xs, np.bincount(inverse).astype(np.float64), by_x(np.log(value))), passed
