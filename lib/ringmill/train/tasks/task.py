"""What the loop, the feed and the results ask of a task; they know nothing else of labels, heads and losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ringmill.handoff.columns import Label, Rows
from ringmill.train.ranks import Ring

Values = NDArray[np.float64]
Labels = Mapping[str, Values]


@dataclass(frozen=True)
class Head:
    """An output of the model, in front of any activation: `units` numbers of a row, (): a single one, without an axis.

    `bias` is what it says before anything is learnt, one number per unit.
    """

    units: tuple[int, ...]
    bias: tuple[float, ...]


class Measure(Protocol):
    """What a rank finds in the rows of a split, block by block, and then all ranks together (law 6)."""

    def add(self, outputs: Any, rows: Rows) -> None:
        """Take a block, with the task's outputs of it."""

    def merge(self, ring: Ring) -> None:
        """Bring the ranks' findings together; every rank calls it once, after its last block."""

    def metrics(self) -> dict[str, Any]:
        """The figures of all ranks' rows."""

    def curves(self) -> dict[str, Any]:
        """What is drawn."""


class Task(Protocol):
    """A task as the loop sees it. `labels` are what is read, `targets` the names of those that the loss is made of."""

    @property
    def labels(self) -> tuple[Label, ...]: ...

    @property
    def targets(self) -> tuple[str, ...]: ...

    @property
    def heads(self) -> tuple[str, ...]:
        """The names of the model's outputs."""

    def masses(self, weight: Values, labels: Labels) -> list[Values]:
        """What each row adds to each divisor of the losses; shapes as `weight`."""

    def totals(self, weight: Values, labels: Labels) -> list[float]:
        """Sums over training rows from which the model starts; those of parts are added up."""

    def starts(self, rows: int, totals: Sequence[float]) -> dict[str, Head]:
        """The model's heads, from the sums over all `rows` training rows."""

    def losses(self, heads: Mapping[str, Any], labels: Mapping[str, Any], weight: Any) -> list[Any]:
        """In a graph: the weighted sums of the losses over some places; the labels of padding are 0."""

    def loss(self, sums: Sequence[Any], divisors: Sequence[Any]) -> Any:
        """What is minimised: sums of losses, each by its divisor, put together; of tensors and of numbers."""

    def outputs(self, heads: Mapping[str, Values]) -> Any:
        """The model's outputs of some rows, as `Measure.add` and `predicted` take them."""

    def measure(self, rows: int) -> Measure:
        """What takes up a split of so many rows over all ranks."""

    def validation_loss(self, metrics: Mapping[str, Any]) -> float | None:
        """By which epochs are compared; None where no row has a weight."""

    def epoch_figures(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """What the history keeps of the validation rows' metrics."""

    def facts(self, measures: Mapping[str, Measure]) -> dict[str, Any]:
        """What scoring needs besides the weights, from train and validation rows; a part of the manifest."""

    def predicted(self, outputs: Any, rows: Rows, facts: Mapping[str, Any]) -> Values:
        """(rows, numbers): what predictions.parquet says of each, `schema` without row_id."""

    def table(self, row_id: NDArray[np.int64], numbers: Values) -> pa.Table:
        """Gathered rows of `predicted` → rows of predictions.parquet."""

    @property
    def schema(self) -> pa.Schema:
        """Of predictions.parquet."""
