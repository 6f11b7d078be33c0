"""Outputs of the purchase model beside what became of the customers: sums that merge, divided once (law 6)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from ringmill.handoff.columns import Rows
from ringmill.train.metrics import Confusion, Errors, Mean, Values, log_losses, sigmoid

# The labels, by name: the two columns of the table, and log(1 + label_spend).
BUY, SPEND, LOG_SPEND = "label_buy", "label_spend", "log_spend"


@dataclass(frozen=True)
class Outputs:
    """(rows,) each: the logit of a purchase, and the mean of log(1 + spend) of those who buy."""

    logit: Values
    log_spend: Values

    @property
    def probability(self) -> Values:
        return sigmoid(self.logit)

    def expected_spend(self, smearing: float) -> Values:
        """P(buy) × E[spend | buy], with E[spend | buy] = max(smearing · exp(log_spend) − 1, 0), in currency.

        With log(1 + spend) = log_spend + error, E[1 + spend | buy] = exp(log_spend) · E[exp(error)]: `smearing`
        estimates the last factor. See `Smearing`.
        """
        result: Values = self.probability * np.maximum(smearing * np.exp(self.log_spend) - 1.0, 0.0)
        return result


@dataclass(frozen=True)
class Smearing:
    """Sums over the buyers: of 1 + label_spend, of exp(log_spend), of the ratios of the two, and how many they are."""

    actual: float = 0.0
    predicted: float = 0.0
    ratios: float = 0.0
    buyers: float = 0.0

    @classmethod
    def of(cls, outputs: Outputs, rows: Rows) -> Self:
        buyers = rows.labels[BUY] > 0
        actual = 1.0 + rows.labels[SPEND][buyers]
        # A model that has diverged may say anything; its validation loss tells.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            predicted = np.exp(outputs.log_spend[buyers])
            return cls(
                float(actual.sum()), float(predicted.sum()), float((actual / predicted).sum()), float(buyers.sum())
            )

    def merge(self, other: Self) -> Self:
        pairs = ((getattr(self, one.name), getattr(other, one.name)) for one in fields(self))
        return type(self)(*(mine + theirs for mine, theirs in pairs))

    def compute(self) -> dict[str, float]:
        """Factors that carry exp(log_spend) back to currency, over the buyers; rows' weights play no part.

        With log(1 + s) = mu + e, E[1 + s | buy] = exp(mu) · E[exp(e)]. `smearing` solves Σ (1 + s) = c · Σ exp(mu) for
        c: the buyers' predicted total is then their actual total, even where the spread of e depends on mu.
        `smearing_duan` is the mean of exp(e) (Duan 1983), which assumes that it does not. Both are 1 where nobody buys.
        """
        if not self.buyers:
            return {"smearing": 1.0, "smearing_duan": 1.0}
        return {"smearing": self.actual / self.predicted, "smearing_duan": self.ratios / self.buyers}


@dataclass(frozen=True)
class Sums:
    """The mergeable half of a split's metrics; a vector of them is what ranks add up."""

    log_loss: Mean
    brier: Mean
    log_spend: Errors
    confusion: Confusion
    smearing: Smearing

    @classmethod
    def empty(cls) -> Self:
        return cls(Mean(), Mean(), Errors(), Confusion(), Smearing())

    @classmethod
    def of(cls, outputs: Outputs, rows: Rows) -> Self:
        probability, weight = outputs.probability, rows.weight
        return cls(
            Mean.of(log_losses(outputs.logit, rows.labels[BUY]), weight),
            Mean.of((probability - rows.labels[BUY]) ** 2, weight),
            Errors.of(outputs.log_spend, rows.labels[LOG_SPEND], weight * rows.labels[BUY]),
            Confusion.of(probability, rows.labels[BUY], weight),
            Smearing.of(outputs, rows),
        )

    def vector(self) -> Values:
        parts = [getattr(self, field.name) for field in fields(self)]
        return np.array([getattr(part, inner.name) for part in parts for inner in fields(part)])

    @classmethod
    def from_vector(cls, vector: Values) -> Self:
        values = iter(float(value) for value in vector)

        def state(kind: Any) -> Any:
            return kind(*(next(values) for _ in fields(kind)))

        return cls(state(Mean), state(Mean), state(Errors), state(Confusion), state(Smearing))

    def merge(self, other: Self) -> Self:
        return self.from_vector(self.vector() + other.vector())

    def compute(self) -> dict[str, Any]:
        return {
            "log_loss": self.log_loss.compute(),
            "brier": self.brier.compute(),
            **{f"log_spend_{name}": value for name, value in self.log_spend.compute().items()},
            "weight": self.log_loss.weight,
            **self.confusion.compute(),
        }
