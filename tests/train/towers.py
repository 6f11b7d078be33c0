"""What ranks run for test_two_tower: small trainings in one process, since its start is what takes time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

ROWS, HISTORY, PRODUCTS, EPOCHS = 68, 4, 9, 9
SECTION: dict[str, Any] = {
    "task": {"kind": "pairs"},
    "model": {"kind": "two_tower", "units": 5, "hidden": (6,), "dropout": 0.3},
    "batch": 13,
    "learning_rate": 0.02,
    "dtype": "float64",
}


def purchases() -> tuple[np.ndarray, np.ndarray]:
    """Row ids, and (rows, 1 + HISTORY) ids: a product of few, and others of its customer, of which some have none."""
    draw = np.random.default_rng(5)
    product = np.minimum(draw.geometric(0.3, ROWS), PRODUCTS)
    others = np.where(draw.random((ROWS, HISTORY)) < 0.5, product[:, None] % PRODUCTS + 1, draw.integers(1, PRODUCTS))
    others[np.arange(HISTORY)[None, :] >= draw.integers(0, HISTORY + 1, size=ROWS)[:, None]] = 0
    return draw.permutation(ROWS) * 7919, np.concatenate([product[:, None], others], axis=1)


def train_towers(join: Callable[[], Any], fills: Mapping[str, float]) -> dict[str, Any]:
    """By name how a training ended whose padding holds the number."""
    ring = join()
    return {name: _trained(ring, fill) for name, fill in fills.items()}


def _trained(ring: Any, fill: float) -> dict[str, Any]:
    from ringmill.handoff.columns import Input
    from train.small import train_small

    seen, (row_id, x) = Input("x", (1 + HISTORY,), "int32", ids=1 + PRODUCTS), purchases()
    return train_small(ring, SECTION, seen, (row_id, x, {"product": x[:, 0]}), fill=fill, epochs=EPOCHS, ids=seen.ids)
