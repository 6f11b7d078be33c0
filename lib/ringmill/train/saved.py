"""A run's folder → a model that infers: without ranks, without Horovod, without the table that it was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ringmill.errors import InputError
from ringmill.train.tasks.class_metrics import ClassOutputs
from ringmill.train.tasks.classes import LOGITS

FULL = 64  # rows: a multiple of what any processor takes at once


def load_model(path: str | Path) -> Any:
    """A saved model, ready to apply; nothing of the file is run as code."""
    import keras

    # Keras finds our layers by their registered names.
    import ringmill.train.layers
    import ringmill.train.order_layers
    import ringmill.train.text_layers
    import ringmill.train.tower_layers  # noqa: F401

    return keras.saving.load_model(path, compile=False, safe_mode=True)


def answers(
    say: Callable[[NDArray[Any]], Mapping[str, Any]], x: NDArray[Any], *, at_once: int
) -> dict[str, NDArray[np.float64]]:
    """(rows, …) → by head (rows, …), what a model says: `at_once` rows at a time, the last filled up by zeros.

    TensorFlow computes the rows that fill no vector of the processor by other instructions, whose sums differ in the
    last bit now and then. With them filled up a row's answer hangs on no other row, in whatever batch it comes (law 9).
    Rows so large that fewer than `FULL` go at once are told one by one, for the same reason.
    """
    at_once = at_once - at_once % FULL or 1
    heads: dict[str, list[NDArray[np.float64]]] = {}
    for at in range(0, max(len(x), 1), at_once):
        part = x[at : at + at_once]
        filled = min(at_once, max(FULL, len(part) + -len(part) % FULL))
        whole = np.concatenate([part, np.zeros((filled - len(part), *x.shape[1:]), x.dtype)])
        for name, said in say(whole).items():
            heads.setdefault(name, []).append(np.asarray(said)[: len(part)].astype(np.float64))
    return {name: np.concatenate(parts) for name, parts in heads.items()}


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

    def outputs(self, x: NDArray[Any], *, at_once: int) -> ClassOutputs:
        """(rows, …) as stored, bytes or numbers → the logits of each row, of `at_once` at a time."""

        def say(part: NDArray[Any]) -> Mapping[str, Any]:
            seen = np.asarray(self.scaling(part.reshape(len(part), -1)))
            said: Mapping[str, Any] = self.model(seen.reshape(-1, *self.model.inputs[0].shape[1:]), training=False)
            return said

        return ClassOutputs(answers(say, x, at_once=at_once)[LOGITS])
