"""Decoded rows to trained weights: one epoch is one graph call on each rank, whatever the number of ranks.

Each step minimises, over the rows of the *global* batch,

    Σ w · BCE(label_buy, logit) ÷ Σ w  +  spend_weight · Σ w · buy · (log(1 + label_spend) − mu)² ÷ Σ w · buy

A rank computes its own rows' share of both sums; the divisors are the global ones, known to every rank from the plan;
so the sum of the ranks' gradients is the gradient. Weight decay is decoupled: it acts once per step, in the optimizer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ringmill.config.models import Train
from ringmill.errors import LawError
from ringmill.handoff.plan import Plan, Slots
from ringmill.handoff.read import Rows
from ringmill.train.checkpoint import Arrays, State
from ringmill.train.models import BUY, SPEND, Outputs, mlp
from ringmill.train.ranks import Ring

SCORE_ROWS = 2**15
_MASK = np.uint64(2**62 - 1)  # a signature is exchanged as int64
_FINALISER = np.array([0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64)


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """`rate`, reached linearly over the first `steps` global steps; the number of ranks has no part in it."""

    def __init__(self, rate: float, steps: float) -> None:
        self.rate, self.steps = rate, max(steps, 1.0)

    def __call__(self, step: Any) -> Any:
        return self.rate * tf.minimum((tf.cast(step, tf.float32) + 1.0) / self.steps, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"rate": self.rate, "steps": self.steps}


@dataclass(frozen=True)
class Divisors:
    """(steps,) each: rows and buyers of every global batch, what its two sums are divided by."""

    rows: NDArray[np.float64]
    buyers: NDArray[np.float64]


class Trainer:
    """The model, the optimizer and the resident training rows of one rank."""

    def __init__(self, section: Train, plan: Plan, rows: Rows, ring: Ring, *, padding_fill: float = 0.0) -> None:
        self._section, self._plan, self._ring = section, plan, ring
        self._label_buy, self._row_id = rows.label_buy, rows.row_id
        # The row that padding refers to comes last; what it holds reaches no number, see _step.
        self._x = _padded(rows.x, padding_fill, section.dtype)
        self._buy = _padded(rows.label_buy, padding_fill, section.dtype)
        self._log_spend = _padded(np.log1p(rows.label_spend), padding_fill, section.dtype)
        self.model = _model(section, plan.seed, rows)
        self.optimizer = keras.optimizers.AdamW(
            WarmUp(section.learning_rate, section.warmup_epochs * plan.steps), weight_decay=section.weight_decay
        )
        self.optimizer.build(self.model.trainable_variables)
        # Every rank starts from rank 0's numbers, even where initialisers differ by machine.
        ring.broadcast([*self.model.variables, *self.optimizer.variables])

    def weights(self) -> Arrays:
        return tuple(variable.numpy() for variable in self.model.variables)

    def optimizer_state(self) -> Arrays:
        return tuple(variable.numpy() for variable in self.optimizer.variables)

    def restore(self, state: State) -> None:
        """Continue from `state`."""
        self.assign(state.weights)
        for variable, value in zip(self.optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)

    def assign(self, weights: Arrays) -> None:
        for variable, value in zip(self.model.variables, weights, strict=True):
            variable.assign(value)

    def score(self, x: NDArray[np.float32]) -> Outputs:
        """(rows, features) → the model's outputs; in blocks, so that activations of a whole split are never there."""
        blocks = [x[start : start + SCORE_ROWS] for start in range(0, max(len(x), 1), SCORE_ROWS)]
        heads = [self._forward(tf.constant(block, dtype=self._section.dtype)) for block in blocks]
        columns = (np.concatenate([head[name].numpy() for head in heads]) for name in (BUY, SPEND))
        return Outputs(*(column.astype(np.float64) for column in columns))

    @tf.function(jit_compile=False, autograph=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def _forward(self, x: Any) -> Any:
        return self.model(x, training=False)

    def epoch(self, number: int) -> tuple[float, int]:
        """Train on every row once; returns the mean loss on the way, and the rows that all ranks saw.

        Raises:
            LawError: some row was not seen exactly once.
        """
        slots = self._plan.slots(number, self._ring.rank)
        divisors = self._divisors(number)
        dtype = self._section.dtype
        sums = self._steps(
            tf.constant(slots.index, tf.int32),
            tf.constant(slots.weight, dtype),
            tf.constant(divisors.rows, dtype),
            tf.constant(np.maximum(divisors.buyers, 1.0), dtype),
        )
        # Each rank knows the losses of its own rows only.
        (total,) = self._ring.sum([sums], name="epoch_losses")
        buy, spend = total.numpy() / [divisors.rows.sum(), max(divisors.buyers.sum(), 1.0)]
        return float(buy + self._section.spend_weight * spend), self._check_seen(slots)

    def _divisors(self, number: int) -> Divisors:
        batches = self._plan.batches(number)
        buy = np.append(self._label_buy, 0.0)
        return Divisors((batches < self._plan.rows).sum(axis=1).astype(np.float64), buy[batches].sum(axis=1))

    def _check_seen(self, slots: Slots) -> int:
        mine = self._row_id[slots.index[slots.weight > 0]]
        # One small exchange proves law 4 of what was really fed: how many rows, and which, over all ranks.
        parts = self._ring.gather(np.array([[len(mine), _signature(mine)]], np.int64), name="rows_seen")
        count, signature = int(parts[:, 0].sum()), int(parts[:, 1].astype(np.uint64).sum() & _MASK)
        if (count, signature) != (len(self._row_id), _signature(self._row_id)):
            raise LawError.broken(
                "Law 4 (each row exactly once)", "training epoch", f"{len(self._row_id)} rows, each once", f"{count}"
            )
        return count

    @tf.function(jit_compile=False, autograph=False)  # type: ignore[untyped-decorator]
    def _steps(self, index: Any, weight: Any, rows: Any, buyers: Any) -> Any:
        """All steps of an epoch in one graph call: leaving the graph between steps would cost more than a step."""

        def body(step: Any, sums: Any) -> tuple[Any, Any]:
            return step + 1, sums + self._step(index[step], weight[step], rows[step], buyers[step])

        start = (tf.constant(0), tf.zeros([2], tf.float64))
        # One at a time: a step's collective must not start before the last step's weights are there.
        _, sums = tf.while_loop(lambda step, _: step < index.shape[0], body, start, parallel_iterations=1)
        return sums

    def _step(self, index: Any, weight: Any, rows: Any, buyers: Any) -> Any:
        real = weight > 0
        # Zeros stand in for whatever padding holds, before any arithmetic: 0 · inf is no zero.
        x = tf.where(real[:, None], tf.gather(self._x, index), 0)
        buy = tf.where(real, tf.gather(self._buy, index), 0)
        log_spend = tf.where(real, tf.gather(self._log_spend, index), 0)
        with tf.GradientTape() as tape:
            heads = self.model(x, training=True)
            crossed = tf.nn.sigmoid_cross_entropy_with_logits(labels=buy, logits=heads[BUY])
            buy_sum = tf.reduce_sum(weight * crossed)
            spend_sum = tf.reduce_sum(weight * buy * tf.square(log_spend - heads[SPEND]))
            loss = buy_sum / rows + self._section.spend_weight * spend_sum / buyers
        variables = self.model.trainable_variables
        # Each rank's gradient covers its own rows of the global batch; their sum is the batch's.
        gradients = self._ring.sum(tape.gradient(loss, variables), name="gradients")
        self.optimizer.apply(gradients, variables)
        return tf.cast(tf.stack([buy_sum, spend_sum]), tf.float64)


def _padded(column: NDArray[Any], fill: float, dtype: str) -> Any:
    """The column as a tensor, and one row of `fill` after its last."""
    return tf.constant(np.append(column, np.full_like(column[:1], fill, shape=(1, *column.shape[1:])), axis=0), dtype)


def _model(section: Train, seed: int, rows: Rows) -> Any:
    """The model, its heads started at the training rows' log-odds of buying and their buyers' mean log spend."""
    buyers = max(float(rows.label_buy.sum()), 0.5)
    others = max(float(len(rows)) - buyers, 0.5)
    log_spend = float(np.sum(rows.label_buy * np.log1p(rows.label_spend))) / buyers
    return mlp(
        rows.x.shape[1],
        section.hidden,
        dtype=section.dtype,
        seed=seed,
        buy_bias=float(np.log(buyers / others)),
        spend_bias=log_spend,
    )


def _signature(row_ids: NDArray[np.int64]) -> int:
    """A sum of the ids' 64-bit hashes (splitmix64), modulo 2^62: equal multisets agree, others all but never."""
    z = row_ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * _FINALISER[0]
    z = (z ^ (z >> np.uint64(27))) * _FINALISER[1]
    return int(np.sum(z ^ (z >> np.uint64(31)), dtype=np.uint64) & _MASK)
