"""Decoded rows to exact metrics: each rank scores its stretch, sums are added over ranks and divided once (law 6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ringmill.handoff.plan import share
from ringmill.handoff.read import Rows
from ringmill.train.metrics import Confusion, Errors, Mean, Values, auc, log_losses
from ringmill.train.models import Outputs
from ringmill.train.ranks import Ring

Score = Callable[[NDArray[np.float32]], Outputs]


@dataclass(frozen=True)
class Sums:
    """The mergeable half of a split's metrics; a vector of them is what ranks add up."""

    log_loss: Mean
    brier: Mean
    log_spend: Errors
    confusion: Confusion

    @classmethod
    def of(cls, outputs: Outputs, rows: Rows) -> Self:
        weight = np.ones(len(rows))
        probability = outputs.probability
        return cls(
            Mean.of(log_losses(outputs.logit, rows.label_buy), weight),
            Mean.of((probability - rows.label_buy) ** 2, weight),
            Errors.of(outputs.log_spend, np.log1p(rows.label_spend), weight * rows.label_buy),
            Confusion.of(probability, rows.label_buy, weight),
        )

    def vector(self) -> Values:
        parts = [getattr(self, field.name) for field in fields(self)]
        return np.array([getattr(part, inner.name) for part in parts for inner in fields(part)])

    @classmethod
    def from_vector(cls, vector: Values) -> Self:
        values = iter(float(value) for value in vector)

        def state(kind: Any) -> Any:
            return kind(*(next(values) for _ in fields(kind)))

        return cls(state(Mean), state(Mean), state(Errors), state(Confusion))

    def compute(self) -> dict[str, Any]:
        return {
            "log_loss": self.log_loss.compute(),
            "brier": self.brier.compute(),
            **{f"log_spend_{name}": value for name, value in self.log_spend.compute().items()},
            **self.confusion.compute(),
        }


@dataclass(frozen=True)
class Evaluation:
    """A split's metrics, and the outputs of all its rows, the same on every rank."""

    metrics: dict[str, Any]
    outputs: Outputs


def evaluate(score: Score, rows: Rows, ring: Ring) -> Evaluation:
    """Score `rows` once over all ranks."""
    first, last = share(len(rows), ring.rank, ring.size)
    mine = rows.take(np.arange(first, last))
    outputs = score(mine.x)
    # Sums and counts of each rank's stretch; divided after they are added, so unequal stretches do not matter.
    (total,) = ring.sum([Sums.of(outputs, mine).vector()], name="metric_sums")
    # AUC ranks every row against every other: it needs all scores.
    columns = ring.gather(np.stack([outputs.logit, outputs.log_spend], axis=1), name="scores")
    everyone = Outputs(columns[:, 0], columns[:, 1])
    area = auc(everyone.logit, rows.label_buy, np.ones(len(rows)))
    metrics = Sums.from_vector(np.asarray(total)).compute() | {"auc": area, "rows": len(rows)}
    return Evaluation(metrics, everyone)


def smearing(log_spend: Values, label_spend: Values, label_buy: Values) -> dict[str, float]:
    """Factors that carry exp(log_spend) back to currency, over the buyers.

    With log(1 + s) = mu + e, E[1 + s | buy] = exp(mu) · E[exp(e)]. `smearing` solves Σ (1 + s) = c · Σ exp(mu) for c:
    the buyers' predicted total is then their actual total, even where the spread of e depends on mu. `smearing_duan`
    is the mean of exp(e) (Duan 1983), which assumes that it does not. Both are 1 where nobody buys.
    """
    buyers = label_buy > 0
    if not buyers.any():
        return {"smearing": 1.0, "smearing_duan": 1.0}
    actual, predicted = 1.0 + label_spend[buyers], np.exp(log_spend[buyers])
    return {
        "smearing": float(actual.sum() / predicted.sum()),
        "smearing_duan": float(np.mean(actual / predicted)),
    }
