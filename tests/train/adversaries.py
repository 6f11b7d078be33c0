"""What ranks run for test_gan: small adversarial trainings in one process, since its start is what takes time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from train.pictures import BREAKS as OF_PICTURES

ROWS, EPOCHS = 68, 9
SHAPES = {"rows": (5,), "images": (4, 4, 1)}
SECTION: dict[str, Any] = {
    "task": {"kind": "adversarial", "discriminator_rate": 0.5},
    "model": {"kind": "gan", "latent": 4, "hidden": (6,), "filters": (3, 2), "dropout": 0.3},
    "batch": 13,
    "learning_rate": 0.01,
    "optimizer": {"kind": "adam"},
    "keep": "last",
    "dtype": "float64",
}


def real_rows(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Row ids, and rows of numbers that hang together."""
    draw = np.random.default_rng(5)
    x = draw.normal(size=(ROWS, int(np.prod(shape))))
    return draw.permutation(ROWS) * 7919, np.cumsum(x, axis=1)


def train_adversaries(join: Callable[[], Any], variants: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Of each variant (the shape of a row, what padding holds, what is broken on purpose), how it ended."""
    ring = join()
    return {name: _trained(ring, **variant) for name, variant in variants.items()}


def _trained(
    ring: Any, shape: str = "rows", fill: float = 0.0, broken: str = "", resume_after: int = 0
) -> dict[str, Any]:
    from ringmill.config.train import Train
    from ringmill.handoff.columns import Columns, Input
    from ringmill.handoff.memory import Memory
    from ringmill.handoff.plan import Plan
    from ringmill.handoff.resident import Decoded, decoded_bytes
    from ringmill.train.checkpoint import State
    from ringmill.train.feed import GlobalFeed
    from ringmill.train.loop import Trainer
    from ringmill.train.marks import Marks, PulsedRing
    from ringmill.train.passed import Passed
    from ringmill.train.pulse import Pulse
    from ringmill.train.tasks.find import task_of

    train, seen = Train(**SECTION), Input("x", SHAPES[shape])
    task = task_of(train)
    columns = Columns(seen, task.labels)
    rows = Decoded.lay(ROWS, columns, Memory.private(decoded_bytes(ROWS, columns)))
    rows.row_id[:-1], rows.x[:-1] = real_rows(SHAPES[shape])
    rows.pad(fill)
    rows.sort("rows")
    plan = Plan(rows=ROWS, batch=train.batch, ranks=ring.size, seed=3)
    marks = Marks(Pulse())
    feed = GlobalFeed.of(plan, ring.rank, rows, task=task)

    def trainer() -> Any:
        same: dict[str, Any] = {"task": task, "seed": 3, "steps": plan.steps, "x": seen, "marks": marks}
        return Trainer(train, feed, PulsedRing(ring, marks), **same)

    with BREAKS[broken]():
        current, passed = trainer(), []
        for epoch in range(EPOCHS):
            if resume_after and epoch == resume_after:
                held = State(epoch, current.weights(), current.optimizer_state(), current.weights()).to_bytes("same")
                current = trainer()
                current.restore(State.from_bytes(held)[0])
            passed.append(sum((part for _, part in current.epoch(epoch)), start=Passed()))
    networks = {name: current.model.get_layer(name).variables for name in ("generator", "discriminator")}
    owners = {id(variable): name for name, variables in networks.items() for variable in variables}
    return {
        "weights": [value.tolist() for value in current.weights()],
        "networks": [owners[id(variable)] for variable in current.model.variables],
        "losses": [one.loss(task) for one in passed],
        "steps": [int(update.optimizer.iterations.numpy()) for update in current._updates],
    }


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _made_of_padding() -> Iterator[None]:
    """Made rows count where there is no real one."""
    import tensorflow as tf

    from ringmill.train.tasks.adversarial import AdversarialTask

    real = AdversarialTask.losses

    def losses(self: Any, heads: Any, labels: Any, weight: Any) -> Any:
        judged, _ = real(self, heads, labels, weight)
        return [judged, tf.reduce_sum(tf.nn.softplus(-heads["made"]))]

    with mock.patch.object(AdversarialTask, "losses", losses):
        yield


BREAKS: dict[str, Callable[[], Any]] = {
    "": _nothing,
    "made rows of padding": _made_of_padding,
    "draws by place": OF_PICTURES["draws by place"],
}
