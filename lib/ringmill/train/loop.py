"""Segments of rows to trained weights: one segment is one graph call on each rank, whatever the number of ranks.

Each step minimises what the task says: sums of losses over the rows of the *global* batch, each by its divisor. A rank
computes its own rows' share of these sums; the divisors are the global ones, known to every rank from the plan;
so the sum of the ranks' gradients is the gradient. Weight decay is decoupled, and an L1 or L2 penalty is of the
weights: both act once per step, in the optimizer, and are in no loss that is reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ringmill.config.train import Train
from ringmill.errors import LawError, TrainingError
from ringmill.handoff.columns import Input
from ringmill.train.augment import augmented
from ringmill.train.build import build_model
from ringmill.train.checkpoint import Arrays, State
from ringmill.train.feed import SIGNATURE, Feed, Segment, signature
from ringmill.train.marks import Marks
from ringmill.train.passed import Passed, divisor
from ringmill.train.ranks import Ring
from ringmill.train.scaling import Scaling
from ringmill.train.step import Step, during
from ringmill.train.tasks.task import Task
from ringmill.train.updates import Update, updates_of
from ringmill.train.vary import varied
from ringmill.train.vary_words import KnownIds

NONE_KNOWN = KnownIds()
# Numbers that the widest layer may hold of the rows that are scored together.
ACTIVATIONS_AT_ONCE = 2**24


class Trainer:
    """The model and the optimizer, or the optimizers, of one rank."""

    def __init__(
        self,
        section: Train,
        feed: Feed,
        ring: Ring,
        *,
        task: Task,
        seed: int,
        steps: int,
        x: Input,
        marks: Marks,
        known: KnownIds = NONE_KNOWN,
    ) -> None:
        self._section, self._feed, self._ring, self._task, self.marks = section, feed, ring, task, marks
        self._known = known
        self._x, self._seed, self._seen = x, seed, Scaling.of(x, section.weights_dtype)
        heads = task.starts(feed.totals.rows, feed.totals.sums)
        self.model = build_model(section, x, heads, seed=seed)
        widest = max(map(_numbers_of, self.model.layers))
        self._scored_at_once = max(1, ACTIVATIONS_AT_ONCE // widest)
        self._updates = updates_of(section, task, self.model, ring, steps=steps)
        self.optimizer = self._updates[0].optimizer
        # Every rank starts from rank 0's numbers, even where initialisers differ by machine.
        ring.broadcast([*self.model.variables, *self._moments])
        self._sum_seconds = sum(each.optimizer.seconds_of_a_sum(self._on_replicas) for each in self._updates)

    def weights(self) -> Arrays:
        return tuple(variable.numpy() for variable in self.model.variables)

    def copies(self) -> list[Arrays]:
        """The weights as each replica of this process has them: here the one."""
        return [self.weights()]

    def optimizer_state(self) -> Arrays:
        return tuple(variable.numpy() for variable in self._moments)

    @property
    def _moments(self) -> list[Any]:
        """All that the optimizers keep, one after the other."""
        return [variable for each in self._updates for variable in each.optimizer.variables]

    def restore(self, state: State) -> None:
        """Continue from `state`."""
        self.assign(state.weights)
        for variable, value in zip(self._moments, state.optimizer, strict=True):
            variable.assign(value)

    def assign(self, weights: Arrays) -> None:
        for variable, value in zip(self.model.variables, weights, strict=True):
            variable.assign(value)

    def score(self, x: NDArray[Any]) -> Any:
        """(rows, length) as decoded → the task's outputs."""
        parts = []
        for start in range(0, max(len(x), 1), self._scored_at_once):
            parts.append(self._forward(tf.constant(x[start : start + self._scored_at_once])))
            self.marks.pulse.moved()
        heads = {name: np.concatenate([part[name].numpy() for part in parts]) for name in self._task.heads}
        return self._task.outputs({name: values.astype(np.float64) for name, values in heads.items()})

    @tf.function(jit_compile=False, autograph=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def _forward(self, x: Any) -> Any:
        return self.model(self._shaped(self._seen(x)), training=False)

    def _shaped(self, x: Any) -> Any:
        """(rows, length) → (rows, …), as the model's input is shaped."""
        shape = self.model.inputs[0].shape[1:]
        return x if len(shape) == 1 else tf.reshape(x, [-1, *shape])

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
        """One step of the optimizer, or of each, for each of the segment's; what they gave over all ranks."""
        dtype = self._section.weights_dtype
        window = segment.window
        self.marks.segment(epoch, segment.first)
        losses = self._steps(
            tf.constant(epoch, tf.int64),
            (window.row_id, window.x, window.labels),
            tf.constant(self._in_passes(segment.index, fill=window.x.shape[0] - 1)),
            tf.constant(self._in_passes(segment.weight, fill=0), dtype),
            tf.constant(divisor(segment.divisors), dtype),
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
        losses, divisors = (tuple(np.sum(of_steps, axis=0).tolist()) for of_steps in (by_step, segment.divisors))
        return Passed(losses, divisors, int(parts[0]), int(parts[1] & SIGNATURE))

    @tf.function(jit_compile=False, autograph=False, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def _steps(self, epoch: Any, columns: Any, index: Any, weight: Any, divisors: Any) -> Any:
        """All steps of a segment in one graph call, since leaving the graph between steps would cost more than a step;
        (steps, losses): this rank's sums of losses in each."""
        steps = tf.shape(index)[0]

        def body(step: Any, losses: Any) -> tuple[Any, Any]:
            self.marks.step(step)
            sums = self._step(epoch, columns, index[step], weight[step], divisors[step])
            return step + 1, losses.write(step, sums)

        start = (tf.constant(0), tf.TensorArray(tf.float64, size=steps, element_shape=[divisors.shape[1]]))
        # One at a time: a step's collective must not start before the last step's weights are there.
        _, losses = tf.while_loop(lambda step, _: step < steps, body, start, parallel_iterations=1)
        return losses.stack()

    def _in_passes(self, places: NDArray[Any], *, fill: int) -> NDArray[Any]:
        """(steps, local_batch) → (steps, passes, places of a pass); what is left over is padding."""
        passes = self._section.optimizer.passes
        each = -(-places.shape[1] // passes)
        missing = passes * each - places.shape[1]
        return np.pad(places, ((0, 0), (0, missing)), constant_values=fill).reshape(len(places), passes, each)

    def _step(self, epoch: Any, columns: Any, index: Any, weight: Any, divisors: Any) -> Any:
        """One step of (passes, places of a pass); (losses,): its sums of losses, as the last update found them."""
        losses = divisors
        for update in self._updates:
            losses, gradients = self._gradients(update, epoch, columns, index, weight, divisors)
            # Each rank's gradient covers its own rows of the global batch; their sum, which the optimizer forms, is the
            # batch's.
            update.optimizer.apply(gradients, update.variables)
        return losses

    def _on_replicas(self, function: Callable[[], list[Any]]) -> list[Any]:
        """What `function` gives where a step's gradients are computed."""
        return function()

    def _gradients(
        self, update: Update, epoch: Any, columns: Any, index: Any, weight: Any, divisors: Any
    ) -> tuple[Any, Any]:
        """(passes, places of a pass) → the sums of losses of these places, and their share of the gradients."""
        if self._section.optimizer.passes == 1:
            return self._pass(update, epoch, columns, index[0], weight[0], divisors)
        return self._accumulated(update, epoch, columns, index, weight, divisors)

    def _accumulated(
        self, update: Update, epoch: Any, columns: Any, index: Any, weight: Any, divisors: Any
    ) -> tuple[Any, Any]:
        """As one pass over all places, with the activations of one part of them in memory at a time."""

        def body(place: Any, losses: Any, sums: Any) -> tuple[Any, Any, Any]:
            more, gradients = self._pass(update, epoch, columns, index[place], weight[place], divisors)
            added = [total + tf.convert_to_tensor(one) for total, one in zip(sums, gradients, strict=True)]
            return place + 1, losses + more, added

        zeros = [tf.zeros(variable.shape, variable.dtype) for variable in update.variables]
        start = (tf.constant(0), tf.zeros(divisors.shape, tf.float64), zeros)
        passes = self._section.optimizer.passes
        _, losses, sums = tf.while_loop(lambda place, *_: place < passes, body, start, parallel_iterations=1)
        return losses, sums

    def _pass(
        self, update: Update, epoch: Any, columns: Any, index: Any, weight: Any, divisors: Any
    ) -> tuple[Any, list[Any]]:
        """(places,) → the sums of losses of these places, and their share of the global batch's gradients."""
        (row_id, x, labels), real = columns, weight > 0
        step = Step(real, lambda: tf.gather(row_id, index), epoch, self._seed, self._ring)
        # Zeros stand in for whatever padding holds, before any arithmetic: 0 · inf is no zero.
        with tf.device("CPU:0"):  # the rows stay in the host's memory: a GPU gets those of one pass alone
            taken = tf.gather(x, index)
            labelled = {name: tf.gather(column, index) for name, column in labels.items()}
        seen = tf.where(real[:, None], self._seen(self._varied(taken, step)), 0)
        dtype = self._section.weights_dtype
        mine = {name: tf.where(real, tf.cast(column, dtype), 0) for name, column in labelled.items()}
        with tf.GradientTape() as tape:
            with during(step):
                heads = self.model(self._shaped(seen), training=True)
            sums = self._task.losses(heads, mine, weight)
            loss = update.optimizer.scale_loss(update.loss(sums, tf.unstack(divisors)))
        gradients = tape.gradient(loss, update.variables)
        return tf.cast(tf.stack(sums), tf.float64), gradients

    def _varied(self, x: Any, step: Step) -> Any:
        """Images or texts as training sees them in this epoch."""
        images, texts = self._section.augmentation, self._section.text_augmentation
        if images.is_on:
            return augmented(x, step.keys, images, self._x.shape)
        return varied(tf.where(step.real[:, None], x, 0), step.keys, texts, self._known) if texts.is_on else x


def _numbers_of(layer: Any) -> int:
    """That a layer holds of a row at once."""
    return max(int(np.prod(layer.output.shape[1:])), getattr(layer, "numbers_inside", 0))
