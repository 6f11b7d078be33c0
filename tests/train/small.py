"""A small training on the ranks of a ring, of rows that are laid out in memory: what the modules beside share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def train_small(
    ring: Any,
    section: Mapping[str, Any],
    seen: Any,
    rows: tuple[np.ndarray, np.ndarray, Mapping[str, np.ndarray]],
    *,
    fill: float,
    epochs: int,
    known: Mapping[str, Any] | None = None,
    **task_of_what: Any,
) -> dict[str, Any]:
    """How it ended: weights, the mean loss of each epoch, and steps.

    `seen` is the input, `rows` are its row ids, numbers and labels, `fill` is what padding holds, and `known` what
    varies texts; the rest is what the task knows of the rows.
    """
    from ringmill.config.train import Train
    from ringmill.handoff.columns import Columns
    from ringmill.handoff.memory import Memory
    from ringmill.handoff.plan import Plan
    from ringmill.handoff.resident import Decoded, decoded_bytes
    from ringmill.train.feed import GlobalFeed
    from ringmill.train.loop import Trainer
    from ringmill.train.marks import Marks, PulsedRing
    from ringmill.train.passed import Passed
    from ringmill.train.pulse import Pulse
    from ringmill.train.tasks.find import task_of
    from ringmill.train.vary_words import KnownIds

    train, count = Train(**section), len(rows[0])
    task = task_of(train, **task_of_what)
    columns = Columns(seen, task.labels)
    laid = Decoded.lay(count, columns, Memory.private(decoded_bytes(count, columns)))
    laid.row_id[:-1], laid.x[:-1], labels = rows
    for name, values in labels.items():
        laid.labels[name][:-1] = values
    laid.pad(fill)
    laid.sort("rows")
    plan = Plan(rows=count, batch=train.batch, ranks=ring.size, seed=3)
    marks = Marks(Pulse())
    feed = GlobalFeed.of(plan, ring.rank, laid, task=task)
    varied = KnownIds.from_json(known) if known else KnownIds()
    same: dict[str, Any] = {"task": task, "seed": 3, "steps": plan.steps, "x": seen, "marks": marks, "known": varied}
    trainer = Trainer(train, feed, PulsedRing(ring, marks), **same)
    passed = [sum((part for _, part in trainer.epoch(epoch)), start=Passed()) for epoch in range(epochs)]
    return {
        "weights": [value.tolist() for value in trainer.weights()],
        "losses": [one.loss(task) for one in passed],
        "steps": int(trainer.optimizer.iterations.numpy()),
    }
