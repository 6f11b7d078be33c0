"""What ranks run for test_layers: small trainings on images in one process, since its start is what takes time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

ROWS, SHAPE, CLASSES, EPOCHS = 68, (8, 8, 1), ("a", "b", "c"), 9
SECTION: dict[str, Any] = {
    "task": {"kind": "classes"},
    "model": {"kind": "cnn", "filters": (3, 4), "dense": 6, "dropout": 0.4, "dilation": 2, "attention": "channels"},
    "augmentation": {"flip": 0.5, "crop_pixels": 1, "brightness": 0.2, "noise": 5},
    "batch": 13,
    "learning_rate": 0.01,
    "dtype": "float64",
}


def train_pictures(join: Callable[[], Any], variants: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Of each variant (changes to the section, what padding holds, what is broken on purpose), how it ended."""
    ring = join()
    return {name: _trained(ring, **variant) for name, variant in variants.items()}


def _trained(ring: Any, section: Mapping[str, Any] = {}, fill: float = 0.0, broken: str = "") -> dict[str, Any]:
    from ringmill.config.train import Train
    from ringmill.handoff.columns import Columns, Input
    from ringmill.handoff.memory import Memory
    from ringmill.handoff.plan import Plan
    from ringmill.handoff.resident import Decoded, decoded_bytes
    from ringmill.train.feed import GlobalFeed
    from ringmill.train.loop import Trainer
    from ringmill.train.marks import Marks, PulsedRing
    from ringmill.train.passed import Passed
    from ringmill.train.pulse import Pulse
    from ringmill.train.tasks.find import task_of

    train = Train(**{**SECTION, **section})
    task, seen = task_of(train, CLASSES), Input("pixels", SHAPE, "uint8", mean=(100.0,), scale=(64.0,))
    generator = np.random.default_rng(5)
    classes = np.arange(ROWS) % len(CLASSES)
    pixels = generator.integers(0, 200, size=(ROWS, 64)) // (1 + classes[:, None])
    columns = Columns(seen, task.labels)
    rows = Decoded.lay(ROWS, columns, Memory.private(decoded_bytes(ROWS, columns)))
    rows.row_id[:-1] = generator.permutation(ROWS) * 7919
    rows.x[:-1], rows.labels["class"][:-1] = pixels, classes
    rows.pad(fill)
    rows.sort("pictures")
    plan = Plan(rows=ROWS, batch=train.batch, ranks=ring.size, seed=3)
    marks = Marks(Pulse())
    feed = GlobalFeed.of(plan, ring.rank, rows, task=task)
    with BREAKS[broken]():
        trainer = Trainer(
            train, feed, PulsedRing(ring, marks), task=task, seed=3, steps=plan.steps, x=seen, marks=marks
        )
        passed = [sum((part for _, part in trainer.epoch(epoch)), start=Passed()) for epoch in range(EPOCHS)]
    return {
        "weights": [value.tolist() for value in trainer.weights()],
        "losses": [one.loss(task) for one in passed],
        "steps": int(trainer.optimizer.iterations.numpy()),
    }


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _own_gradient() -> Iterator[None]:
    """Sums over ranks whose gradient is this rank's part alone."""
    import tensorflow as tf

    from ringmill.train.step import Step

    def summed(self: Any, values: Any, *, name: str) -> Any:
        @tf.custom_gradient
        def total(mine: Any) -> Any:
            return self.ring.sum([mine], name=name)[0], lambda upstream: upstream

        return total(values)

    with mock.patch.object(Step, "summed", summed):
        yield


@contextmanager
def _padding_counts() -> Iterator[None]:
    """Moments of all places of a batch, those of padding too."""
    import tensorflow as tf

    from ringmill.train.layers import BatchNorm

    real = BatchNorm._sums
    with mock.patch.object(BatchNorm, "_sums", lambda self, values, mask: real(self, values, tf.ones_like(mask))):
        yield


@contextmanager
def _by_place() -> Iterator[None]:
    """Draws by the place in a rank's batch, not by the row's id."""
    import tensorflow as tf

    from ringmill.train.draws import row_keys
    from ringmill.train.step import Step

    def keys(self: Any) -> Any:
        return row_keys(self.seed, self.epoch, tf.range(tf.size(self.real, tf.int64)))

    with mock.patch.object(Step, "keys", property(keys)):
        yield


@contextmanager
def _padding_seen() -> Iterator[None]:
    """What padding holds reaches the model: where(real, x, 0) gives x."""
    import tensorflow as tf

    from ringmill.train.loop import Trainer

    real = Trainer._varied

    def varied(self: Any, x: Any, step: Any) -> Any:
        values = real(self, x, step)
        # The first real row takes on what the padding row holds.
        return tf.where(tf.reduce_all(step.real), values, tf.maximum(values, values[-1]))

    with mock.patch.object(Trainer, "_varied", varied):
        yield


BREAKS: dict[str, Callable[[], Any]] = {
    "": _nothing,
    "a rank's own gradient of the moments": _own_gradient,
    "padding among the moments": _padding_counts,
    "draws by place": _by_place,
    "padding's values used": _padding_seen,
}
