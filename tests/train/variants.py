"""What ranks run for test_optimizer: many small trainings in one process, since its start is what takes time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

ROWS, FEATURES, EPOCHS = 68, 3, 12


def train_variants(join: Callable[[], Any], sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Of each section of `train`, the weights after some epochs, the losses on the way, and the optimizer's steps."""
    ring = join()
    return {name: _trained(ring, section) for name, section in sections.items()}


def _trained(ring: Any, section: Mapping[str, Any]) -> dict[str, Any]:
    from ringmill.config.train import Train
    from ringmill.handoff.columns import Columns, Input
    from ringmill.handoff.memory import Memory
    from ringmill.handoff.plan import Plan
    from ringmill.handoff.resident import Decoded, decoded_bytes
    from ringmill.train.feed import GlobalFeed
    from ringmill.train.loop import Trainer
    from ringmill.train.marks import Marks
    from ringmill.train.passed import Passed
    from ringmill.train.pulse import Pulse
    from ringmill.train.tasks.find import task_of

    train = Train(**{"model": {"hidden": (6,)}, "batch": 13, "learning_rate": 0.02, "dtype": "float64", **section})
    task = task_of(train)
    generator = np.random.default_rng(5)
    x = generator.normal(size=(ROWS, FEATURES)).astype(np.float32)
    buy = (x @ [1.0, -2.0, 0.5] + generator.normal(size=ROWS) > 0).astype(np.float64)
    seen = Input("x", (FEATURES,))
    columns = Columns(seen, task.labels)
    rows = Decoded.lay(ROWS, columns, Memory.private(decoded_bytes(ROWS, columns)))
    spend = buy * np.exp(x[:, 0] + 3.0)
    rows.row_id[:-1], rows.x[:-1], rows.labels["label_buy"][:-1] = np.arange(ROWS), x, buy
    rows.labels["label_spend"][:-1], rows.labels["log_spend"][:-1] = spend, np.log1p(spend)
    rows.pad(1e30)
    rows.sort("variants")
    plan = Plan(rows=ROWS, batch=train.batch, ranks=ring.size, seed=3)
    feed = GlobalFeed.of(plan, ring.rank, rows, task=task)
    marks = Marks(Pulse())
    trainer = Trainer(train, feed, ring, task=task, seed=3, steps=plan.steps, x=seen, marks=marks)
    losses = []
    for epoch in range(EPOCHS):
        passed = sum((part for _, part in trainer.epoch(epoch)), start=Passed())
        losses.append(passed.loss(task))
    return {
        "weights": [value.tolist() for value in trainer.weights()],
        "dtypes": sorted({value.dtype.name for value in trainer.weights()}),
        "losses": losses,
        "steps": int(trainer.optimizer.iterations.numpy()),
    }


def train_embedding(join: Callable[[], Any], words: int, compression: str) -> list[Any]:
    """A table of `words` rows and a dense layer after 4 steps of 12 global rows of 2 words each; table, then kernel."""
    ring = join()
    import keras
    import tensorflow as tf

    from ringmill.train.optimizer import RingOptimizer

    table = keras.layers.Embedding(words, 2, dtype="float64", embeddings_initializer=keras.initializers.Ones())
    dense = keras.layers.Dense(1, dtype="float64", kernel_initializer=keras.initializers.Ones())
    model = keras.Sequential([keras.Input((2,), dtype="int32"), table, keras.layers.Flatten(), dense])
    inner = keras.optimizers.Adam(0.1, global_clipnorm=0.5)
    optimizer = RingOptimizer(inner, ring, compression=compression)
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=False)
    def step(ids: Any, label: Any) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(model(ids)[:, 0] - label)) / 12.0
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    generator = np.random.default_rng(0)
    first, last = ring.rank * 12 // ring.size, (ring.rank + 1) * 12 // ring.size
    for _ in range(4):
        ids, label = generator.integers(0, words, (12, 2)), generator.normal(size=12)
        step(tf.constant(ids[first:last], tf.int32), tf.constant(label[first:last]))
    return [variable.numpy().tolist() for variable in model.trainable_variables]
