"""The state between two segments of an epoch, as data and as bytes (law 7)."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ringmill.config.train import Train

Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class State:
    """Everything that the next step depends on; the data's order and the learning rate follow from the step's number.

    `step` steps of epoch `epoch` (from 0) are done, and gave `passed`: the fields of `Passed`. `best_loss` is None
    before the first epoch. `optimizer` holds the step count and the moments, `best_weights` the weights of the epoch
    with the lowest validation loss, `waited` the epochs since it. `ranks` is how many ranks made the last step.
    """

    epoch: int
    weights: Arrays
    optimizer: Arrays
    best_weights: Arrays
    best_loss: float | None = None
    best_epoch: int = 0
    waited: int = 0
    history: tuple[Mapping[str, Any], ...] = ()
    step: int = 0
    passed: Mapping[str, Any] = field(default_factory=dict)
    ranks: int = 0

    def within(self, step: int, passed: Mapping[str, Any], weights: Arrays, optimizer: Arrays) -> State:
        """The state after `step` steps of the running epoch."""
        return replace(self, step=step, passed=dict(passed), weights=weights, optimizer=optimizer)

    def after(
        self, entry: Mapping[str, Any], weights: Arrays, optimizer: Arrays, *, keep: Literal["best", "last"] = "best"
    ) -> State:
        """The state after one more epoch, whose figures are `entry`, `val_loss` among them; with `keep` 'last' each is
        the best so far."""
        loss = float(entry["val_loss"])
        history = (*self.history, dict(entry))
        moved = replace(
            self, epoch=self.epoch + 1, step=0, passed={}, weights=weights, optimizer=optimizer, history=history
        )
        if keep == "best" and self.best_loss is not None and not loss < self.best_loss:
            return replace(moved, waited=self.waited + 1)
        return replace(moved, best_loss=loss, best_epoch=moved.epoch, best_weights=weights, waited=0)

    def finished(self, train: Train) -> bool:
        return self.epoch >= train.epochs or self.waited >= train.patience

    def to_bytes(self, fingerprint: str) -> bytes:
        """One .npz: the arrays, and the rest as JSON under the name 'about'."""
        about = {
            "fingerprint": fingerprint,
            "epoch": self.epoch,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "waited": self.waited,
            "history": list(self.history),
            "step": self.step,
            "passed": dict(self.passed),
            "ranks": self.ranks,
        }
        groups = {"weights": self.weights, "optimizer": self.optimizer, "best_weights": self.best_weights}
        arrays = {f"{name}_{place}": value for name, group in groups.items() for place, value in enumerate(group)}
        buffer = io.BytesIO()
        np.savez(buffer, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, blob: bytes) -> tuple[State, str]:
        """A state and the fingerprint of the job that it belongs to."""
        with np.load(io.BytesIO(blob), allow_pickle=False) as file:
            about = json.loads(file["about"].tobytes())
            state = cls(
                epoch=about["epoch"],
                weights=_group(file, "weights"),
                optimizer=_group(file, "optimizer"),
                best_weights=_group(file, "best_weights"),
                best_loss=about["best_loss"],
                best_epoch=about["best_epoch"],
                waited=about["waited"],
                history=tuple(about["history"]),
                step=about["step"],
                passed=about["passed"],
                ranks=about["ranks"],
            )
        return state, about["fingerprint"]


def _group(file: Any, name: str) -> Arrays:
    count = sum(key.rsplit("_", 1)[0] == name for key in file.files)
    return tuple(file[f"{name}_{place}"] for place in range(count))
