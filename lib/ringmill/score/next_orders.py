"""A published model of order sequences: batches of customers' orders → the next one's category and time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ringmill.errors import InputError
from ringmill.features.lists import tensor_array
from ringmill.features.order_state import OrderState, encode
from ringmill.score.batches import ORDER_SCORES
from ringmill.train.metrics import Values
from ringmill.train.saved import answers, load_model
from ringmill.train.start import import_tensorflow
from ringmill.train.tasks.class_metrics import ClassOutputs

STATE = "orders.json"
# Customers that a model sees at once: what it holds of each is many times its orders.
AT_ONCE = 4_096


def order_file(
    state: OrderState, heads: Mapping[str, str], *, horizon_days: int, code_characters: int
) -> dict[str, Any]:
    """What scoring needs besides what the ranks left: the state, the name of each label's head, the horizon, and how
    many characters of a code name its group."""
    return {
        "state": state.to_json(),
        "heads": dict(heads),
        "horizon_days": horizon_days,
        "code_characters": code_characters,
    }


@dataclass(frozen=True)
class OrderModel:
    """What a model's folder says of how it reads orders: law 9 is that scoring reads them so, whatever is configured
    now. `heads` are the names of the labels' heads, `classes` those of each label with classes."""

    state: OrderState
    heads: Mapping[str, str]
    classes: Mapping[str, tuple[str, ...]]
    horizon_days: int
    code_characters: int

    @classmethod
    def read(cls, folder: Path) -> OrderModel:
        """Raises InputError where a file of it is missing, or does not say all of it."""
        try:
            orders = json.loads((folder / STATE).read_text(encoding="utf-8"))
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InputError.not_published("train", str(error.filename)) from error
        if "code_characters" not in orders:  # of a version that took the configuration's
            raise InputError.not_published("train", f"{folder / STATE}, with 'code_characters'")
        classes = {label: tuple(manifest["heads"][name].get("classes", ())) for label, name in orders["heads"].items()}
        state, days = OrderState.from_json(orders["state"]), orders["horizon_days"]
        return cls(state, orders["heads"], classes, days, orders["code_characters"])


def within_horizon(days: Values, *, horizon_days: int) -> Values:
    """Days as a next order within the horizon may have them: from 0 to the last before its end."""
    found: Values = np.clip(days, 0.0, horizon_days - 1.0)
    return found


@dataclass(frozen=True)
class OrderScorer:
    """A loaded model, the type of its input, and how it reads orders."""

    model: Any
    dtype: str
    orders: OrderModel

    @classmethod
    def load(cls, folder: Path) -> OrderScorer:
        """Read a model folder. Raises as `OrderModel.read`."""
        import_tensorflow(threads=1)
        orders = OrderModel.read(folder)
        model = load_model(folder / "model.keras")
        return cls(model, str(model.inputs[0].dtype), orders)

    @property
    def schema(self) -> pa.Schema:
        """Of what is answered."""
        return ORDER_SCORES

    def answer(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """(rows) with the lists of their orders → (rows) of `ORDER_SCORES`."""
        classes = self.orders.classes
        said = self._said(encode(batch, self.orders.state))
        comes = ClassOutputs(said["comes"]).probabilities[:, classes["comes"].index("yes")]
        chances = ClassOutputs(said["category"]).probabilities
        best = chances.argmax(axis=1)
        columns = [
            pa.array(comes),
            pa.array(np.array(classes["category"], object)[best], pa.string()),
            pa.array(chances[np.arange(len(best)), best]),
            tensor_array(chances, "double"),
            pa.array(within_horizon(said["days"], horizon_days=self.orders.horizon_days)),
        ]
        return pa.record_batch(columns, schema=ORDER_SCORES)

    def _said(self, x: NDArray[np.float32]) -> dict[str, Values]:
        """(rows, places, numbers) → by label (rows, …), what the model says."""
        said = answers(lambda part: self.model(part.astype(self.dtype), training=False), x, at_once=AT_ONCE)
        return {label: said[f"head_{name}"] for label, name in self.orders.heads.items()}
