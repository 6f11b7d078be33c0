"""What ranks every row against every other: AUC, ROC and calibration, from all scores or from bins of them (law 6).

Up to `SCORES_KEPT` rows all scores are gathered, and AUC is exact. Above, each rank counts its rows in bins of equal
width over the logit, which are added up: memory does not grow, and `auc_error_at_most` says what the bins may hide.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ringmill.handoff.budget import SCORES_KEPT
from ringmill.handoff.columns import Rows
from ringmill.train.metrics import Values, area, auc, calibration, roc_of, roc_points, sigmoid
from ringmill.train.ranks import Ring
from ringmill.train.tasks.purchase_metrics import BUY, Outputs

BINS = 2**16
# Logits beyond it share the outermost bins: chances below 2 in 10 million.
REACH = 16.0


class Scores(Protocol):
    """A rank's scores, block by block, and then all ranks'."""

    def add(self, outputs: Outputs, rows: Rows) -> None:
        """Take a block."""

    def merge(self, ring: Ring) -> None:
        """Bring the ranks' scores together; every rank calls it once, after its last block."""

    def metrics(self) -> dict[str, float | None]:
        """`auc`, and by how much it may be off."""

    def curves(self) -> dict[str, Any]:
        """`roc` and `calibration`, thinned for drawing."""


def scores_of(rows: int) -> Scores:
    """What keeps the scores of a split of so many rows."""
    return Kept() if rows <= SCORES_KEPT else Binned()


@dataclass
class Kept:
    """All scores, exactly."""

    _blocks: list[NDArray[np.float64]] = field(default_factory=lambda: [np.zeros((0, 3))])

    def add(self, outputs: Outputs, rows: Rows) -> None:
        self._blocks.append(np.stack([outputs.logit, rows.labels[BUY], rows.weight], axis=1))

    def merge(self, ring: Ring) -> None:
        # AUC ranks every row against every other: it needs all scores.
        self._blocks = [ring.gather(np.concatenate(self._blocks), name="scores")]

    def metrics(self) -> dict[str, float | None]:
        return {"auc": auc(*self._columns()), "auc_error_at_most": 0.0}

    def curves(self) -> dict[str, Any]:
        logit, label, weight = self._columns()
        return {
            "roc": roc_points(logit, label, weight),
            "calibration": calibration(sigmoid(logit), label, weight),
        }

    def _columns(self) -> tuple[Values, Values, Values]:
        (everyone,) = self._blocks
        return everyone[:, 0], everyone[:, 1], everyone[:, 2]


@dataclass
class Binned:
    """Of each bin, by ascending logit: the weights of positives and negatives, and the weighted sum of chances."""

    _sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, BINS)))

    def add(self, outputs: Outputs, rows: Rows) -> None:
        place = np.clip((np.nan_to_num(outputs.logit) / REACH + 1.0) * (BINS / 2), 0, BINS - 1).astype(np.int64)
        label, weight = rows.labels[BUY], rows.weight
        parts = (weight * label, weight * (1.0 - label), weight * outputs.probability)
        self._sums += np.stack([np.bincount(place, part, BINS) for part in parts])

    def merge(self, ring: Ring) -> None:
        # Each rank has counted its own rows.
        self._sums = np.asarray(ring.sum([self._sums], name="score_bins")[0])

    def metrics(self) -> dict[str, float | None]:
        positive, negative, _ = self._sums
        pairs = float(positive.sum() * negative.sum())
        # A pair within one bin counts one half, where it may have been 0 or 1.
        error = float(np.sum(positive * negative)) / (2 * pairs) if pairs else None
        return {"auc": area(positive, negative), "auc_error_at_most": error}

    def curves(self) -> dict[str, Any]:
        positive, negative, probability = self._sums
        return {"roc": roc_of(positive, negative), "calibration": _calibration(positive, negative, probability)}


def _calibration(positive: Values, negative: Values, probability: Values, *, bins: int = 10) -> list[dict[str, float]]:
    """As `metrics.calibration`, but of about equal weight each, since a bin is not cut."""
    weight = positive + negative
    reached = np.cumsum(weight)
    group = np.minimum((bins * (reached - weight / 2) / max(reached[-1], 1e-300)).astype(int), bins - 1)
    sums = [np.bincount(group, part, bins) for part in (probability, positive, weight)]
    return [
        {"predicted": float(p / w), "actual": float(y / w), "weight": float(w)}
        for p, y, w in zip(*sums, strict=True)
        if w
    ]
