"""What ranks run for test_sequence: small trainings of three heads in one process, whose start takes time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

ROWS, LENGTH, CATEGORIES, NUMBERS, EPOCHS = 68, 4, 3, 2, 9
BY_HEAD = (("no", "yes"), tuple("ABC"), ())
SECTION: dict[str, Any] = {
    "task": {
        "kind": "several",
        "heads": {
            "comes": {"kind": "classes", "label": "comes"},
            "category": {"kind": "classes", "label": "category", "label_smoothing": 0.1},
            "days": {"kind": "number", "label": "days", "weight": 0.1},
        },
    },
    "batch": 13,
    "learning_rate": 0.02,
    "dtype": "float64",
}


def orders() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Row ids; (rows, length, 1 + numbers), of which some rows have no order; and labels of which many are missing:
    the next category follows the last, and an order that is soon comes at all."""
    draw = np.random.default_rng(5)
    x = np.concatenate(
        [draw.integers(1, CATEGORIES + 2, (ROWS, LENGTH, 1)), draw.normal(size=(ROWS, LENGTH, NUMBERS))], axis=2
    ).astype(np.float32)
    x[np.arange(LENGTH)[None, :] < LENGTH - draw.integers(0, LENGTH + 1, size=ROWS)[:, None]] = 0
    days = 5.0 + 2.0 * x[:, -1, 1]
    comes = days < 6
    labels = {
        "comes": comes.astype(np.float64),
        "category": np.where(comes, x[:, -1, 0] % CATEGORIES, np.nan),
        "days": np.where(comes, days, np.nan),
    }
    return draw.permutation(ROWS) * 7919, x.reshape(ROWS, -1), labels


def train_sequences(join: Callable[[], Any], variants: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Of each variant (the model, what padding holds), how it ended."""
    ring = join()
    return {name: _trained(ring, **variant) for name, variant in variants.items()}


def _trained(ring: Any, model: Mapping[str, Any], fill: float = 0.0) -> dict[str, Any]:
    from ringmill.handoff.columns import Input
    from train.small import train_small

    section, seen = {**SECTION, "model": model}, Input("x", (LENGTH, 1 + NUMBERS), ids=CATEGORIES + 2)
    return train_small(ring, section, seen, orders(), fill=fill, epochs=EPOCHS, by_head=BY_HEAD)
