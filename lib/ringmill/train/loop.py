"""Segments of rows to trained weights: one segment is one graph call on each rank, whatever the number of ranks.

Each step minimises, over the rows of the *global* batch,

    Σ w · BCE(label_buy, logit) ÷ Σ w  +  spend_weight · Σ w · buy · (log(1 + label_spend) − mu)² ÷ Σ w · buy

A rank computes its own rows' share of both sums; the divisors are the global ones, known to every rank from the plan;
so the sum of the ranks' gradients is the gradient. Weight decay is decoupled: it acts once per step, in the optimizer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ringmill.config.models import Train
from ringmill.errors import LawError, TrainingError
from ringmill.train.checkpoint import Arrays, State
from ringmill.train.feed import SIGNATURE, Feed, Segment, Totals, signature
from ringmill.train.marks import Marks
from ringmill.train.models import BUY, SPEND, Outputs, mlp
from ringmill.train.ranks import Ring

SCORE_ROWS = 2**15


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """`rate`, reached linearly over the first `steps` global steps; the number of ranks has no part in it."""

    def __init__(self, rate: float, steps: float) -> None:
        self.rate, self.steps = rate, max(steps, 1.0)

    def __call__(self, step: Any) -> Any:
        return self.rate * tf.minimum((tf.cast(step, tf.float32) + 1.0) / self.steps, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"rate": self.rate, "steps": self.steps}


@dataclass(frozen=True)
class Passed:
    """What the steps of an epoch gave so far, over all ranks.

    `losses` are the two weighted sums of losses, `divisors` what each is divided by in the end; `seen` the rows that
    were fed, and `signature` that of their ids.
    """

    losses: tuple[float, float] = (0.0, 0.0)
    divisors: tuple[float, float] = (0.0, 0.0)
    seen: int = 0
    signature: int = 0

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Passed:
        """Of what a checkpoint holds; {}: nothing yet."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in tree.items()})

    def __add__(self, other: Passed) -> Passed:
        return Passed(
            (self.losses[0] + other.losses[0], self.losses[1] + other.losses[1]),
            (self.divisors[0] + other.divisors[0], self.divisors[1] + other.divisors[1]),
            self.seen + other.seen,
            (self.signature + other.signature) & int(SIGNATURE),
        )

    def loss(self, spend_weight: float) -> float:
        """The epoch's mean loss, as seen on the way."""
        buy, spend = (total / max(by, 1.0) for total, by in zip(self.losses, self.divisors, strict=True))
        return buy + spend_weight * spend


class Trainer:
    """The model and the optimizer of one rank."""

    def __init__(self, section: Train, feed: Feed, ring: Ring, *, seed: int, steps: int, marks: Marks) -> None:
        self._section, self._feed, self._ring, self.marks = section, feed, ring, marks
        self.model = _model(section, seed, feed.totals)
        self.optimizer = keras.optimizers.AdamW(
            WarmUp(section.learning_rate, section.warmup_epochs * steps), weight_decay=section.weight_decay
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
        heads = []
        for start in range(0, max(len(x), 1), SCORE_ROWS):
            heads.append(self._forward(tf.constant(x[start : start + SCORE_ROWS], dtype=self._section.dtype)))
            self.marks.pulse.moved()
        columns = (np.concatenate([head[name].numpy() for head in heads]) for name in (BUY, SPEND))
        return Outputs(*(column.astype(np.float64) for column in columns))

    @tf.function(jit_compile=False, autograph=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def _forward(self, x: Any) -> Any:
        return self.model(x, training=False)

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[int, Passed]]:
        """Train on the rows of epoch `number` from step `first` on; after each segment, the steps done and its part.

        Raises:
            TrainingError: the loss of a step is no number.
        """
        for segment in self._feed.segments(number, first):
            yield segment.first + len(segment), self._segment(number, segment)

    def check_seen(self, passed: Passed) -> int:
        """Law 4 of what was really fed in an epoch: how many rows, and which, over all ranks. Raises LawError."""
        totals = self._feed.totals
        if (passed.seen, passed.signature) != (totals.rows, totals.signature):
            expected = f"{totals.rows} rows, each once"
            raise LawError.broken("Law 4 (each row exactly once)", "training epoch", expected, f"{passed.seen}")
        return passed.seen

    def _segment(self, epoch: int, segment: Segment) -> Passed:
        dtype = self._section.dtype
        window = segment.window
        self.marks.segment(epoch, segment.first)
        losses = self._steps(
            (window.x, window.buy, window.log_spend),
            tf.constant(segment.index, tf.int32),
            tf.constant(segment.weight, dtype),
            tf.constant(segment.rows, dtype),
            tf.constant(np.maximum(segment.buyers, 1.0), dtype),
        )
        # Each rank knows the losses of its own rows only.
        (total,) = self._ring.sum([losses], name="segment_losses")
        by_step = total.numpy()
        if not (finite := np.isfinite(by_step).all(axis=1)).all():
            step = int(np.argmin(finite))
            raise TrainingError.diverged(epoch + 1, segment.first + step + 1, float(by_step[step].sum()))
        # One small exchange tells which rows the others were fed.
        mine = np.array([[len(segment.row_id), signature(segment.row_id)]], np.int64)
        parts = self._ring.gather(mine, name="rows_seen").astype(np.uint64).sum(axis=0)
        buy, spend = by_step.sum(axis=0)
        divisors = (float(segment.rows.sum()), float(segment.buyers.sum()))
        return Passed((float(buy), float(spend)), divisors, int(parts[0]), int(parts[1] & SIGNATURE))

    @tf.function(jit_compile=False, autograph=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def _steps(self, columns: Any, index: Any, weight: Any, rows: Any, buyers: Any) -> Any:
        """All steps of a segment in one graph call, since leaving the graph between steps would cost more than a step;
        (steps, 2): this rank's two sums of losses in each."""
        steps = tf.shape(index)[0]

        def body(step: Any, losses: Any) -> tuple[Any, Any]:
            self.marks.step(step)
            sums = self._step(columns, index[step], weight[step], rows[step], buyers[step])
            return step + 1, losses.write(step, sums)

        start = (tf.constant(0), tf.TensorArray(tf.float64, size=steps, element_shape=[2]))
        # One at a time: a step's collective must not start before the last step's weights are there.
        _, losses = tf.while_loop(lambda step, _: step < steps, body, start, parallel_iterations=1)
        return losses.stack()

    def _step(self, columns: Any, index: Any, weight: Any, rows: Any, buyers: Any) -> Any:
        real = weight > 0
        # Zeros stand in for whatever padding holds, before any arithmetic: 0 · inf is no zero.
        x = tf.where(real[:, None], tf.gather(columns[0], index), 0)
        buy, log_spend = (tf.where(real, tf.gather(column, index), 0) for column in columns[1:])
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


def _model(section: Train, seed: int, totals: Totals) -> Any:
    """The model, its heads started at the training rows' log-odds of buying and their buyers' mean log spend."""
    buyers = max(totals.buyers, 0.5)
    others = max(totals.rows - buyers, 0.5)
    return mlp(
        totals.features,
        section.hidden,
        dtype=section.dtype,
        seed=seed,
        buy_bias=float(np.log(buyers / others)),
        spend_bias=totals.log_spend / buyers,
    )
