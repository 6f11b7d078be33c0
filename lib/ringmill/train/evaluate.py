"""Decoded rows to exact metrics: each rank scores its rows, sums are added over ranks and divided once (law 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ringmill.handoff.budget import SCORED_AT_ONCE
from ringmill.handoff.columns import Rows
from ringmill.train.metrics import Confusion, Errors, Mean, Values, log_losses
from ringmill.train.models import Outputs
from ringmill.train.ranks import Ring
from ringmill.train.scores import Scores, scores_of

Score = Callable[[NDArray[Any]], Outputs]
Take = Callable[[Rows, Outputs], None]


class Split(Protocol):
    """Rows that ranks can go through together, a block at a time."""

    def __len__(self) -> int:
        """Over all ranks."""

    def blocks(self, rank: int, ranks: int, *, size: int) -> Iterator[Rows]:
        """This rank's rows, at most `size` at a time; every rank has as many blocks, some maybe empty."""


@dataclass(frozen=True)
class Smearing:
    """Sums over the buyers: of 1 + label_spend, of exp(log_spend), of the ratios of the two, and how many they are."""

    actual: float = 0.0
    predicted: float = 0.0
    ratios: float = 0.0
    buyers: float = 0.0

    @classmethod
    def of(cls, outputs: Outputs, rows: Rows) -> Self:
        buyers = rows.label_buy > 0
        actual = 1.0 + rows.label_spend[buyers]
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
            Mean.of(log_losses(outputs.logit, rows.label_buy), weight),
            Mean.of((probability - rows.label_buy) ** 2, weight),
            Errors.of(outputs.log_spend, np.log1p(rows.label_spend), weight * rows.label_buy),
            Confusion.of(probability, rows.label_buy, weight),
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


@dataclass(frozen=True)
class Evaluation:
    """A split's metrics, the same on every rank, and what they were made of."""

    rows: int
    metrics: dict[str, Any]
    scores: Scores
    smearing: Smearing


def evaluate(score: Score, split: Split, ring: Ring, *, take: Take = lambda rows, outputs: None) -> Evaluation:
    """Score the split's rows once over all ranks; `take` gets each block of this rank's with its outputs."""
    sums, scores = Sums.empty(), scores_of(len(split))
    for rows in split.blocks(ring.rank, ring.size, size=SCORED_AT_ONCE):
        outputs = score(rows.x)
        sums = sums.merge(Sums.of(outputs, rows))
        scores.add(outputs, rows)
        take(rows, outputs)
    # Sums and counts of each rank's rows; divided after they are added, so unequal parts do not matter.
    (total,) = ring.sum([sums.vector()], name="metric_sums")
    scores.merge(ring)
    merged = Sums.from_vector(np.asarray(total))
    metrics = merged.compute() | scores.metrics() | {"rows": len(split)}
    return Evaluation(len(split), metrics, scores, merged.smearing)
