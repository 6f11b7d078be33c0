"""The BG/NBD model of repeat purchases: fitted by maximum likelihood on distinct histories with counts.

A customer buys at a gamma-distributed Poisson rate (r, alpha) and drops out after any purchase with a beta-distributed
probability (a, b). A history is (frequency, recency, T): repeat purchases, age at the last one, age now, in one unit of
time. Source: Fader, Hardie and Lee, Counting Your Customers the Easy Way (Marketing Science 24, 2005).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, expit, gammaln, hyp2f1

from ringmill.lifetime.likelihood import Fitted, hessian, newton, standard_errors

Floats = NDArray[np.float64]
NAMES = ("r", "alpha", "a", "b")


@dataclass(frozen=True)
class Histories:
    """Distinct (frequency, recency, T), (rows) each, and how many customers have them."""

    frequency: Floats
    recency: Floats
    age: Floats
    customers: Floats

    def in_units(self, unit: float) -> Histories:
        """The same, with times in so many units of time."""
        return Histories(self.frequency, self.recency / unit, self.age / unit, self.customers)


@dataclass(frozen=True)
class Counted:
    """What is needed once of all histories: customers by frequency, (frequencies) each, ascending; the longest age."""

    frequency: Floats
    customers: Floats
    longest: float

    @property
    def unit(self) -> float:
        """The unit of time in which it is fitted, a tenth of the longest age: in days the line searches lose digits."""
        return self.longest / 10.0 or 1.0


# (r, alpha, a, b) → the sums of `terms` over all histories, both in units of `Counted.unit`; one pass over them.
Pass = Callable[[Sequence[float]], Floats]


@dataclass(frozen=True)
class BetaGeo:
    """The four parameters; alpha in the unit of time of the histories."""

    r: float
    alpha: float
    a: float
    b: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def alive(self, frequency: Floats, recency: Floats, age: Floats) -> Floats:
        """(rows) → probability that the customer has not dropped out by now; 1 for who never came again.

        Source: Fader, Hardie and Lee, Computing P(alive) Using the BG/NBD Model (2008).
        """
        alive: Floats = np.where(frequency > 0, expit(-self._log_odds(frequency, recency, age)), 1.0)
        return alive

    def expected(self, ahead: float, frequency: Floats, recency: Floats, age: Floats) -> Floats:
        """(rows) → expected purchases in the next `ahead` units of time.

        Equation 10 of the source, its hypergeometric function by Euler's transformation: the plain one overflows for
        customers with many purchases. The transformed one does where a is large (all drop out alike); there the plain
        one holds.
        """
        a = self.a if abs(self.a - 1.0) > 1e-7 else 1.0 + 1e-7  # the formula's limit at 1 is finite
        ends, c = self.alpha + age + ahead, a + self.b + frequency - 1.0
        left = (self.alpha + age) / ends
        again = self.r + frequency
        with np.errstate(invalid="ignore", over="ignore"):
            none = left ** (a - 1.0) * hyp2f1(c - again, a - 1.0, c, ahead / ends)
            plain = left**again * hyp2f1(again, self.b + frequency, c, ahead / ends)
        none = np.where(np.isfinite(none), none, plain)
        expected: Floats = c / (a - 1.0) * (1.0 - none) * self.alive(frequency, recency, age)
        return expected

    def buys(self, ahead: float, frequency: Floats, recency: Floats, age: Floats) -> Floats:
        """(rows) → probability of at least one purchase in the next `ahead` units of time.

        Who is alive stays so until the next purchase, and buys at a rate that is gamma(r + x, alpha + T): no purchase
        comes with probability ((alpha + T) / (alpha + T + ahead))^(r + x).
        """
        waits = np.log(self.alpha + age) - np.log(self.alpha + age + ahead)
        buys: Floats = -np.expm1((self.r + frequency) * waits) * self.alive(frequency, recency, age)
        return buys

    def _log_odds(self, frequency: Floats, recency: Floats, age: Floats) -> Floats:
        """Log of the odds of having dropped out, for customers who came again."""
        elapsed = np.log(self.alpha + age) - np.log(self.alpha + recency)
        again = np.maximum(frequency, 1.0)
        odds: Floats = np.log(self.a) - np.log(self.b + again - 1.0) + (self.r + frequency) * elapsed
        return odds


def in_memory(histories: Histories) -> tuple[Counted, Pass]:
    """Histories that fit in memory → what `fit` takes."""
    frequency, inverse = np.unique(histories.frequency, return_inverse=True)
    customers = np.bincount(inverse, histories.customers).astype(np.float64)
    counted = Counted(frequency, customers, float(histories.age.max()))
    return counted, pass_in_memory(histories, counted.unit)


def pass_in_memory(histories: Histories, unit: float) -> Pass:
    """A pass over histories that fit in memory, times in so many units."""
    scaled = histories.in_units(unit)
    return lambda values: np.array([each.sum() for each in terms(scaled, values)])


def terms(histories: Histories, values: Sequence[float]) -> tuple[Floats, ...]:
    """(rows) → five of (rows): what a history adds to the log-likelihood beside gamma functions of its frequency, and
    to its derivatives by r, alpha, a and b; times its customers."""
    r, alpha, a, b = values
    x, n, age, recency = histories.frequency, histories.customers, alpha + histories.age, alpha + histories.recency
    again = x > 0
    drops_out = b + np.maximum(x, 1.0) - 1.0
    log_age, log_recency = np.log(age), np.log(recency)
    staying = -(r + x) * log_age
    leaving = np.log(a) - np.log(drops_out) - (r + x) * log_recency
    both = np.where(again, np.logaddexp(staying, leaving), staying)
    left = np.where(again, np.exp(leaving - both), 0.0)  # share of the likelihood in which the customer left
    stayed = 1.0 - left
    by_r, by_alpha = stayed * log_age + left * log_recency, (r + x) * (stayed / age + left / recency)
    return n * both, -n * by_r, -n * by_alpha, n * left / a, -n * left / drops_out


def fit(counted: Counted, passed: Pass) -> Fitted:
    """Counts and passes over the histories (some forty) → parameters, standard errors and the log-likelihood.

    Minimised over the logarithms of the parameters by BFGS with the exact gradient; standard errors by the delta method
    from the inverse Hessian of the negative log-likelihood. A line search ends where the likelihood's last digits do,
    long before the gradient's: one step of Newton's, by the same Hessian, goes the rest of the way.
    """
    total = float(counted.customers.sum())
    evaluate = _negative(counted, passed)
    found = minimize(evaluate, np.full(4, 0.1), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 500})
    curvature = hessian(lambda log_values: evaluate(log_values)[1] * total, found.x)
    log_values = found.x + newton(curvature, found.jac * total)
    values = np.exp(log_values) * np.array([1.0, counted.unit, 1.0, 1.0])
    errors = standard_errors(curvature, values)
    repeats = float((counted.customers * counted.frequency).sum())
    return Fitted(
        values=dict(zip(NAMES, map(float, values), strict=True)),
        standard_errors=dict(zip(NAMES, errors, strict=True)),
        # Each purchase's density is per unit of time: undo the scaling.
        log_likelihood=-float(found.fun) * total - repeats * float(np.log(counted.unit)),
        customers=total,
        converged=float(np.abs(found.jac).max()) < 1e-5 and bool(np.isfinite(values).all()),
    )


def _negative(counted: Counted, passed: Pass) -> Callable[[Floats], tuple[float, Floats]]:
    """The mean negative log-likelihood and its gradient, as a function of the parameters' logarithms."""
    x, n = counted.frequency, counted.customers
    total = n.sum()

    def evaluate(log_values: Floats) -> tuple[float, Floats]:
        values = np.exp(log_values)
        r, alpha, a, b = values
        # Gamma functions depend on the frequency alone: of those there are few.
        common = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        common += gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        slopes = np.stack(
            [
                common,
                digamma(r + x) - digamma(r) + np.log(alpha),
                np.full(len(x), r / alpha),
                digamma(a + b) - digamma(a + b + x),
                digamma(a + b) + digamma(b + x) - digamma(b) - digamma(a + b + x),
            ]
        )
        sums = (slopes * n).sum(axis=1) + passed(tuple(map(float, values)))
        return -sums[0] / total, -sums[1:] * values / total

    return evaluate
