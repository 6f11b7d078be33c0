"""A published model of texts with the frozen state of its tokens: batches of clean texts → chances of each class."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ringmill.errors import InputError
from ringmill.features.lists import tensor_array
from ringmill.features.text.state import TextState, encode
from ringmill.score.batches import CLASS_SCORES
from ringmill.train.metrics import Values
from ringmill.train.saved import Classifier
from ringmill.train.start import import_tensorflow

STATE = "texts.json"
# Texts that a model sees at once: what it holds of each is many times its ids.
AT_ONCE = 1_024


@dataclass(frozen=True)
class TextScorer:
    """What scoring needs of a model folder: the classifier, and the state that makes ids of texts."""

    model: Classifier
    state: TextState

    @property
    def schema(self) -> pa.Schema:
        """Of what is answered."""
        return CLASS_SCORES

    @classmethod
    def load(cls, folder: Path) -> TextScorer:
        """Read a model folder. Raises InputError where a file of it is missing."""
        import_tensorflow(threads=1)
        try:
            state = TextState.from_json(json.loads((folder / STATE).read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise InputError.not_published("train", str(error.filename)) from error
        return cls(Classifier.load(folder), state)

    def answer(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """(rows) with a column text → (rows) of `CLASS_SCORES`, by the model's classes."""
        found = self.probabilities(batch.column("text"))
        said = pa.array(np.array(self.model.classes, object)[found.argmax(axis=1)], pa.string())
        return pa.record_batch([said, tensor_array(found, "double")], schema=CLASS_SCORES)

    def probabilities(self, texts: pa.Array) -> Values:
        """(rows) clean texts → (rows, classes)."""
        ids = encode(texts, self.state).flatten().to_numpy().reshape(len(texts), self.state.length)
        return self.model.outputs(ids, at_once=AT_ONCE).probabilities
