"""A run's folder → a model that infers: without ranks, without Horovod, without the table that it was trained on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ringmill.errors import InputError
from ringmill.train.tasks.class_metrics import ClassOutputs
from ringmill.train.tasks.classes import LOGITS


def load_model(path: str | Path) -> Any:
    """A saved model, ready to apply; nothing of the file is run as code."""
    import keras

    # Keras finds our layers by their registered names.
    import ringmill.train.layers
    import ringmill.train.order_layers
    import ringmill.train.text_layers
    import ringmill.train.tower_layers  # noqa: F401

    return keras.saving.load_model(path, compile=False, safe_mode=True)


@dataclass(frozen=True)
class Classifier:
    """A trained model of the task 'classes', what it sees of a row, and the names of its classes."""

    model: Any
    scaling: Any
    classes: tuple[str, ...]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Of a run's folder. Raises InputError where a file of it is missing."""
        from ringmill.train.scaling import Scaling
        from ringmill.train.spec import Job

        try:
            job = Job.read(folder / "spec.json")
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InputError.not_published("train", str(error.filename)) from error
        scaling = Scaling.of(job.spec.input, job.spec.train.weights_dtype)
        return cls(load_model(folder / "model.keras"), scaling, tuple(manifest["classes"]))

    def outputs(self, x: NDArray[Any]) -> ClassOutputs:
        """(rows, …) as stored, bytes or numbers → the logits of each row."""
        if not len(x):
            return ClassOutputs(np.zeros((0, len(self.classes))))
        seen = np.asarray(self.scaling(x.reshape(len(x), -1)))
        heads = self.model(seen.reshape(-1, *self.model.inputs[0].shape[1:]), training=False)
        return ClassOutputs(np.asarray(heads[LOGITS]).astype(np.float64))
