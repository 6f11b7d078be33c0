"""A row's own numbers, said again through a narrow code: what is learnt is the code.

Each step minimises, over the rows of the *global* batch, Σ w · mean over columns of (x − said)² ÷ Σ w. The model forms
the mean itself (train/models/autoencoder.py): it is the one that knows x as well as what it says of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from ringmill.handoff.columns import Label
from ringmill.train.tasks.mean import LossOfRows
from ringmill.train.tasks.task import Head, Labels, Values

SQUARED_ERROR = "squared_error"
PREDICTIONS = pa.schema([("row_id", pa.int64()), (SQUARED_ERROR, pa.float64())])


@dataclass(frozen=True)
class ReconstructionTask(LossOfRows):
    """It has no labels; a row counts what `train.sample_weight` says."""

    labels: tuple[Label, ...] = ()
    targets: tuple[str, ...] = ()
    heads: tuple[str, ...] = (SQUARED_ERROR,)
    schema: pa.Schema = PREDICTIONS

    def totals(self, weight: Values, labels: Labels) -> list[float]:
        return [float(weight.sum())]

    def starts(self, rows: int, totals: Sequence[float]) -> dict[str, Head]:
        """The one head; an error has no bias to start from."""
        return {SQUARED_ERROR: Head((), (0.0,))}
