"""Segments of rows to trained weights: one segment is one graph call on each rank, whatever the number of ranks.

Each step minimises, over the rows of the *global* batch,

    Σ w · BCE(label_buy, logit) ÷ Σ w  +  spend_weight · Σ w · buy · (log(1 + label_spend) − mu)² ÷ Σ w · buy

A rank computes its own rows' share of both sums; the divisors are the global ones, known to every rank from the plan;
so the sum of the ranks' gradients is the gradient. Weight decay is decoupled: it acts once per step, in the optimizer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ringmill.config.models import Train
from ringmill.errors import LawError, TrainingError
from ringmill.handoff.columns import Input
from ringmill.train.checkpoint import Arrays, State
from ringmill.train.feed import SIGNATURE, Feed, Segment, Totals, signature
from ringmill.train.marks import Marks
from ringmill.train.models import BUY, SPEND, Outputs, mlp
from ringmill.train.optimizer import build_optimizer
from ringmill.train.ranks import Ring


@dataclass(frozen=True)
class Passed:
    """What the steps of an epoch gave so far, over all ranks.

    `losses` are the two weighted sums of losses, `divisors` what each is divided by in the end; `seen` the rows that
    were fed, and `signature` that of their ids. `clock` holds one rank's seconds: of getting rows ready, of training,
    and of so many sums of gradients as there were steps, which are a part of training.
    """

    losses: tuple[float, float] = (0.0, 0.0)
    divisors: tuple[float, float] = (0.0, 0.0)
    seen: int = 0
    signature: int = 0
    clock: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Passed:
        """Of what a checkpoint holds; {}: nothing yet."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in tree.items()
        }
        return cls(**fields)

    def __add__(self, other: Passed) -> Passed:
        return Passed(
            (self.losses[0] + other.losses[0], self.losses[1] + other.losses[1]),
            (self.divisors[0] + other.divisors[0], self.divisors[1] + other.divisors[1]),
            self.seen + other.seen,
            (self.signature + other.signature) & int(SIGNATURE),
            (self.clock[0] + other.clock[0], self.clock[1] + other.clock[1], self.clock[2] + other.clock[2]),
        )

    def pace(self, ranks: int) -> dict[str, float]:
        """Rows a second of one rank, and the shares of its time that went into data and into sums of gradients."""
        data, training, sums = self.clock
        whole = max(data + training, 1e-9)
        return {
            "rows_per_second": round(self.seen / ranks / whole, 1),
            "share_data": round(data / whole, 4),
            "share_allreduce": round(min(sums / whole, 1.0), 4),
        }

    def loss(self, spend_weight: float) -> float:
        """The epoch's mean loss, as seen on the way."""
        buy, spend = (total / _divisor(by) for total, by in zip(self.losses, self.divisors, strict=True))
        return float(buy + spend_weight * spend)


class Trainer:
    """The model and the optimizer of one rank."""

    def __init__(
        self, section: Train, feed: Feed, ring: Ring, *, seed: int, steps: int, x: Input, marks: Marks
    ) -> None:
        self._section, self._feed, self._ring, self.marks = section, feed, ring, marks
        self._seen = Scaling.of(x, section.weights_dtype)
        self.model = _model(section, seed, feed.totals)
        self.optimizer = build_optimizer(section, ring, steps=steps)
        self.optimizer.build(self.model.trainable_variables)
        # Every rank starts from rank 0's numbers, even where initialisers differ by machine.
        ring.broadcast([*self.model.variables, *self.optimizer.variables])
        self._sum_seconds = self.optimizer.seconds_of_a_sum(self._on_replicas)

    def weights(self) -> Arrays:
        return tuple(variable.numpy() for variable in self.model.variables)

    def copies(self) -> list[Arrays]:
        """The weights as each replica of this process has them: here the one."""
        return [self.weights()]

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

    def score(self, x: NDArray[Any]) -> Outputs:
        """(rows, length) as decoded → the model's outputs."""
        heads = self._forward(tf.constant(x))
        self.marks.pulse.moved()
        return Outputs(*(heads[name].numpy().astype(np.float64) for name in (BUY, SPEND)))

    @tf.function(jit_compile=False, autograph=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def _forward(self, x: Any) -> Any:
        return self.model(self._seen(x), training=False)

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[int, Passed]]:
        """Train on the rows of epoch `number` from step `first` on; after each segment, the steps done and its part.

        Raises:
            TrainingError: the loss of a step is no number.
        """
        segments = self._feed.segments(number, first)
        while True:
            began = time.perf_counter()
            if (segment := next(segments, None)) is None:
                return
            ready = time.perf_counter()
            passed = self.train_on(number, segment)
            clock = (ready - began, time.perf_counter() - ready, self._sum_seconds * len(segment))
            yield segment.first + len(segment), replace(passed, clock=clock)

    def check_seen(self, passed: Passed) -> int:
        """Law 4 of what was really fed in an epoch: how many rows, and which, over all ranks. Raises LawError."""
        totals = self._feed.totals
        if (passed.seen, passed.signature) != (totals.rows, totals.signature):
            expected = f"{totals.rows} rows, each once"
            raise LawError.broken("Law 4 (each row exactly once)", "training epoch", expected, f"{passed.seen}")
        return passed.seen

    def train_on(self, epoch: int, segment: Segment) -> Passed:
        """One optimizer step for each of the segment's; what they gave over all ranks."""
        dtype = self._section.weights_dtype
        window = segment.window
        self.marks.segment(epoch, segment.first)
        losses = self._steps(
            (window.x, window.buy, window.log_spend),
            tf.constant(self._in_passes(segment.index, fill=window.x.shape[0] - 1)),
            tf.constant(self._in_passes(segment.weight, fill=0), dtype),
            tf.constant(_divisor(segment.rows), dtype),
            tf.constant(_divisor(segment.buyers), dtype),
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

    def _in_passes(self, places: NDArray[Any], *, fill: int) -> NDArray[Any]:
        """(steps, local_batch) → (steps, passes, places of a pass); what is left over is padding."""
        passes = self._section.optimizer.passes
        each = -(-places.shape[1] // passes)
        missing = passes * each - places.shape[1]
        return np.pad(places, ((0, 0), (0, missing)), constant_values=fill).reshape(len(places), passes, each)

    def _step(self, columns: Any, index: Any, weight: Any, rows: Any, buyers: Any) -> Any:
        """One step of (passes, places of a pass); (2,): its sums of losses."""
        losses, gradients = self._gradients(columns, index, weight, rows, buyers)
        # Each rank's gradient covers its own rows of the global batch; their sum, which the optimizer forms, is the
        # batch's.
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return losses

    def _on_replicas(self, function: Callable[[], list[Any]]) -> list[Any]:
        """What `function` gives where a step's gradients are computed."""
        return function()

    def _gradients(self, columns: Any, index: Any, weight: Any, rows: Any, buyers: Any) -> tuple[Any, Any]:
        """(passes, places of a pass) → the sums of losses of these places, and their share of the gradients."""
        if self._section.optimizer.passes == 1:
            return self._pass(columns, index[0], weight[0], rows, buyers)
        return self._accumulated(columns, index, weight, rows, buyers)

    def _accumulated(self, columns: Any, index: Any, weight: Any, rows: Any, buyers: Any) -> tuple[Any, Any]:
        """As one pass over all places, with the activations of one part of them in memory at a time."""

        def body(place: Any, losses: Any, sums: Any) -> tuple[Any, Any, Any]:
            more, gradients = self._pass(columns, index[place], weight[place], rows, buyers)
            added = [total + tf.convert_to_tensor(one) for total, one in zip(sums, gradients, strict=True)]
            return place + 1, losses + more, added

        zeros = [tf.zeros(variable.shape, variable.dtype) for variable in self.model.trainable_variables]
        start = (tf.constant(0), tf.zeros([2], tf.float64), zeros)
        passes = self._section.optimizer.passes
        _, losses, sums = tf.while_loop(lambda place, *_: place < passes, body, start, parallel_iterations=1)
        return losses, sums

    def _pass(self, columns: Any, index: Any, weight: Any, rows: Any, buyers: Any) -> tuple[Any, list[Any]]:
        """(places,) → the sums of losses of these places, and their share of the global batch's gradients."""
        real = weight > 0
        # Zeros stand in for whatever padding holds, before any arithmetic: 0 · inf is no zero.
        with tf.device("CPU:0"):  # the rows stay in the host's memory: a GPU gets those of one pass alone
            taken = [tf.gather(column, index) for column in columns]
        x = tf.where(real[:, None], self._seen(taken[0]), 0)
        labels = (tf.cast(column, self._section.weights_dtype) for column in taken[1:])
        buy, log_spend = (tf.where(real, label, 0) for label in labels)
        with tf.GradientTape() as tape:
            heads = self.model(x, training=True)
            crossed = tf.nn.sigmoid_cross_entropy_with_logits(labels=buy, logits=heads[BUY])
            buy_sum = tf.reduce_sum(weight * crossed)
            spend_sum = tf.reduce_sum(weight * buy * tf.square(log_spend - heads[SPEND]))
            loss = self.optimizer.scale_loss(buy_sum / rows + self._section.spend_weight * spend_sum / buyers)
        gradients = tape.gradient(loss, self.model.trainable_variables)
        return tf.cast(tf.stack([buy_sum, spend_sum]), tf.float64), gradients


@dataclass(frozen=True)
class Scaling:
    """Decoded values → what the model sees of them, (value − mean) × inverse; both None: the values as they are."""

    dtype: str
    mean: Any
    inverse: Any

    @classmethod
    def of(cls, x: Input, dtype: str) -> Scaling:
        if not x.scale:
            return cls(dtype, None, None)
        places = x.length // len(x.scale)
        mean = np.tile(np.asarray(x.mean, dtype), places)
        return cls(dtype, mean, np.tile((1.0 / np.asarray(x.scale)).astype(dtype), places))

    def __call__(self, values: Any) -> Any:
        values = tf.cast(values, self.dtype)
        return values if self.mean is None else (values - self.mean) * self.inverse


def _divisor(total: Any) -> Any:
    """A sum of weights to divide by; of nothing at all the losses' sum is 0, and so is what 1 makes of it."""
    return np.where(np.asarray(total) > 0, total, 1.0)


def _model(section: Train, seed: int, totals: Totals) -> Any:
    """The model, its heads started at the training rows' log-odds of buying and their buyers' mean log spend."""
    # Whatever the weights' scale, half a row is the least that either class can stand for.
    scale = totals.rows / _divisor(totals.weight)
    buyers = max(totals.buyers * scale, 0.5)
    others = max(totals.rows - buyers, 0.5)
    return mlp(
        totals.features,
        section.hidden,
        dtype=section.dtype,
        seed=seed,
        buy_bias=float(np.log(buyers / others)),
        spend_bias=totals.log_spend * scale / buyers,
    )
