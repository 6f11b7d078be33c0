"""A published model with the frozen state of its features: batches of measures → probability and expected spend."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ringmill.errors import InputError
from ringmill.features.apply import apply
from ringmill.features.lifetime import LifetimeValue
from ringmill.features.state import State
from ringmill.score.batches import SCORES
from ringmill.train.metrics import Values
from ringmill.train.saved import answers, load_model
from ringmill.train.start import import_tensorflow, show_hidden
from ringmill.train.tasks.purchase import LOG, LOGIT
from ringmill.train.tasks.purchase_metrics import Outputs

AT_ONCE = 4_096


@dataclass(frozen=True)
class Scorer:
    """What scoring needs of a model folder: model.keras, features.json and the smearing factor of manifest.json."""

    model: Any
    state: State
    smearing: float

    @classmethod
    def load(cls, folder: Path) -> Scorer:
        """Read a model folder. Raises InputError where a file of it is missing."""
        import_tensorflow(threads=1)
        try:
            state = State.from_json(json.loads((folder / "features.json").read_text(encoding="utf-8")))
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InputError.not_published("train", str(error.filename)) from error
        model = load_model(folder / "model.keras")
        if any(part.kind == LifetimeValue.kind for part in state.parts):
            show_hidden()  # BG/NBD is applied by SciPy's functions
        return cls(model, state, manifest["smearing"])

    @property
    def schema(self) -> pa.Schema:
        """Of what is answered."""
        return SCORES

    def answer(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """(rows) of measures → (rows) of `SCORES`."""
        return pa.record_batch([pa.array(values) for values in self.score(batch)], schema=SCORES)

    def score(self, batch: pa.RecordBatch) -> tuple[Values, Values]:
        """(rows) of measures → (rows,) probability to buy, (rows,) expected spend in currency."""
        outputs = apply_model(self.model, apply(batch, self.state))
        return outputs.probability, outputs.expected_spend(self.smearing)


def apply_model(model: Any, x: NDArray[np.float32]) -> Outputs:
    """(rows, features) → outputs of each row."""
    said = answers(lambda part: model(part.astype(model.inputs[0].dtype), training=False), x, at_once=AT_ONCE)
    return Outputs(said[LOGIT], said[LOG])
