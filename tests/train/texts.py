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
    from ringmill.config.train import Train
    from ringmill.handoff.columns import Columns, Input
    from ringmill.handoff.memory import Memory
    from ringmill.handoff.plan import Plan
    from ringmill.handoff.resident import Decoded, decoded_bytes
    from ringmill.train.feed import GlobalFeed
    from ringmill.train.loop import Passed, Trainer
    from ringmill.train.marks import Marks, PulsedRing
    from ringmill.train.pulse import Pulse
    from ringmill.train.tasks.find import task_of
    from ringmill.train.vary_words import KnownIds

    train = Train(**{**SECTION, **section})
    task, seen = task_of(train, CLASSES), Input("ids", (LENGTH,), "int32", ids=IDS)
    columns = Columns(seen, task.labels)
    rows = Decoded.lay(ROWS, columns, Memory.private(decoded_bytes(ROWS, columns)))
    rows.row_id[:-1], rows.x[:-1], rows.labels["class"][:-1] = texts()
    rows.pad(fill)
    rows.sort("texts")
    plan = Plan(rows=ROWS, batch=train.batch, ranks=ring.size, seed=3)
    marks = Marks(Pulse())
    feed = GlobalFeed.of(plan, ring.rank, rows, task=task)
    same: dict[str, Any] = {"task": task, "seed": 3, "steps": plan.steps, "x": seen, "marks": marks}
    trainer = Trainer(train, feed, PulsedRing(ring, marks), known=KnownIds.from_json(KNOWN), **same)
    passed = [sum((part for _, part in trainer.epoch(epoch)), start=Passed()) for epoch in range(EPOCHS)]
    return {
        "weights": [value.tolist() for value in trainer.weights()],
        "losses": [one.loss(task) for one in passed],
        "steps": int(trainer.optimizer.iterations.numpy()),
    }
