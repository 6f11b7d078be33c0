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

    train, seen = Train(**SECTION), Input("x", (1 + HISTORY,), "int32", ids=1 + PRODUCTS)
    task = task_of(train, ids=seen.ids)
    columns = Columns(seen, task.labels)
    rows = Decoded.lay(ROWS, columns, Memory.private(decoded_bytes(ROWS, columns)))
    rows.row_id[:-1], rows.x[:-1] = purchases()
    rows.labels["product"][:-1] = rows.x[:-1, 0]
    rows.pad(fill)
    rows.sort("purchases")
    plan = Plan(rows=ROWS, batch=train.batch, ranks=ring.size, seed=3)
    marks = Marks(Pulse())
    feed = GlobalFeed.of(plan, ring.rank, rows, task=task)
    same: dict[str, Any] = {"task": task, "seed": 3, "steps": plan.steps, "x": seen, "marks": marks}
    trainer = Trainer(train, feed, PulsedRing(ring, marks), **same)
    passed = [sum((part for _, part in trainer.epoch(epoch)), start=Passed()) for epoch in range(EPOCHS)]
    return {
        "weights": [value.tolist() for value in trainer.weights()],
        "losses": [one.loss(task) for one in passed],
        "steps": int(trainer.optimizer.iterations.numpy()),
    }
