"""What ranks run for test_texts_ring: small trainings on texts in one process, since its start is what takes time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

ROWS, LENGTH, IDS, CLASSES, EPOCHS = 68, 7, 23, ("a", "b", "c"), 9
KNOWN = {"synonyms": [[4, 5, 6], [7, 8]], "marks": [2, 3]}
SECTION: dict[str, Any] = {
    "task": {"kind": "classes"},
    "text_augmentation": {
        "synonym": 0.3,
        "synonyms": {"told": ("by", "ids")},
        "unknown": 0.1,
        "swap": 0.2,
        "delete": 0.1,
        "punctuation": 0.1,
    },
    "batch": 13,
    "learning_rate": 0.01,
    "dtype": "float64",
}


def texts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row ids, (rows, length) ids of tokens of which some rows have none, and classes that hang on the tokens."""
    draw = np.random.default_rng(5)
    classes = np.arange(ROWS) % len(CLASSES)
    ids = draw.integers(2, IDS, size=(ROWS, LENGTH))
    ids[:, 0] = 2 + classes
    ids[np.arange(LENGTH)[None, :] >= draw.integers(0, LENGTH + 1, size=ROWS)[:, None]] = 0
    return draw.permutation(ROWS) * 7919, ids, classes


def train_texts(join: Callable[[], Any], variants: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Of each variant (changes to the section, what padding holds), how it ended."""
    ring = join()
    return {name: _trained(ring, **variant) for name, variant in variants.items()}


def _trained(ring: Any, section: Mapping[str, Any], fill: float = 0.0) -> dict[str, Any]:
    from ringmill.handoff.columns import Input
    from train.small import train_small

    seen, (row_id, ids, classes) = Input("ids", (LENGTH,), "int32", ids=IDS), texts()
    rows = (row_id, ids, {"class": classes})
    more: dict[str, Any] = {"known": KNOWN, "classes": CLASSES}
    return train_small(ring, {**SECTION, **section}, seen, rows, fill=fill, epochs=EPOCHS, **more)
