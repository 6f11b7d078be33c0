"""The BG/NBD model of repeat purchases: fitted by maximum likelihood on distinct histories with counts.

A customer buys at a gamma-distributed Poisson rate (r, alpha) and drops out after any purchase with a beta-distributed
probability (a, b). A history is (frequency, recency, T): repeat purchases, age at the last one, age now, in one unit of
time. Source: Fader, Hardie and Lee, Counting Your Customers the Easy Way (Marketing Science 24, 2005).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, expit, gammaln, hyp2f1

from ringmill.lifetime.likelihood import Fitted, standard_errors

Floats = NDArray[np.float64]
NAMES = ("r", "alpha", "a", "b")


@dataclass(frozen=True)
class Histories:
    """Distinct (frequency, recency, T), (rows) each, and how many customers have them."""

    frequency: Floats
    recency: Floats
    age: Floats
    customers: Floats


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


def fit(histories: Histories) -> Fitted:
    """Histories → parameters, their standard errors and the log-likelihood.

    Minimised over the logarithms of the parameters by BFGS with the exact gradient, time in tenths of the longest age;
    standard errors by the delta method from the inverse Hessian of the negative log-likelihood.
    """
    unit = float(histories.age.max()) / 10.0 or 1.0
    scaled = Histories(histories.frequency, histories.recency / unit, histories.age / unit, histories.customers)
    total = float(histories.customers.sum())
    evaluate = _negative(scaled, total)
    found = minimize(evaluate, np.full(4, 0.1), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 500})
    values = np.exp(found.x) * np.array([1.0, unit, 1.0, 1.0])
    errors = standard_errors(lambda log_values: evaluate(log_values)[1] * total, found.x, values)
    repeats = float((histories.customers * histories.frequency).sum())
    gradient = float(np.abs(found.jac).max())
    return Fitted(
        values=dict(zip(NAMES, map(float, values), strict=True)),
        standard_errors=dict(zip(NAMES, errors, strict=True)),
        # Each purchase's density is per unit of time: undo the scaling.
        log_likelihood=-float(found.fun) * total - repeats * float(np.log(unit)),
        customers=total,
        converged=gradient < 1e-5 and bool(np.isfinite(values).all()),
    )


def _negative(histories: Histories, total: float) -> Callable[[Floats], tuple[float, Floats]]:
    """The mean negative log-likelihood and its gradient, as a function of the parameters' logarithms."""
    x, recency, age, n = histories.frequency, histories.recency, histories.age, histories.customers
    # Gamma functions depend on the frequency alone: of those there are few.
    xs, inverse = np.unique(x, return_inverse=True)
    by_x = np.bincount(inverse, n)
    again = x > 0

    def evaluate(log_values: Floats) -> tuple[float, Floats]:
        r, alpha, a, b = np.exp(log_values)
        common = gammaln(r + xs) - gammaln(r) + r * np.log(alpha)
        common += gammaln(a + b) + gammaln(b + xs) - gammaln(b) - gammaln(a + b + xs)
        log_age, log_recency = np.log(alpha + age), np.log(alpha + recency)
        staying = -(r + x) * log_age
        leaving = np.log(a) - np.log(b + np.maximum(x, 1.0) - 1.0) - (r + x) * log_recency
        both = np.where(again, np.logaddexp(staying, leaving), staying)
        left = np.where(again, np.exp(leaving - both), 0.0)  # share of the likelihood in which the customer left
        stayed = 1.0 - left
        value = (by_x * common).sum() + (n * both).sum()
        gradient = np.array(
            [
                (by_x * (digamma(r + xs) - digamma(r) + np.log(alpha))).sum()
                - (n * (stayed * log_age + left * log_recency)).sum(),
                (by_x * r / alpha).sum() - (n * (r + x) * (stayed / (alpha + age) + left / (alpha + recency))).sum(),
                (by_x * (digamma(a + b) - digamma(a + b + xs))).sum() + (n * left).sum() / a,
                (by_x * (digamma(a + b) + digamma(b + xs) - digamma(b) - digamma(a + b + xs))).sum()
                - (n * left / (b + np.maximum(x, 1.0) - 1.0)).sum(),
            ]
        )
        return -value / total, -gradient * np.exp(log_values) / total

    return evaluate
