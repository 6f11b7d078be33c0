"""Keras optimizers on the ring: gradients are summed over the ranks before the optimizer that Keras ships sees them.

Horovod's own wrappers fail on Keras 3. Here the order is fixed: a rank's gradients are compressed, summed over the
ranks in one fused operation, and decompressed; those of penalties are added; then Keras unscales, clips and applies
them. Whatever Keras decides by looking at gradients (whether they are finite, how long they are) it therefore decides
alike on every rank.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from ringmill.config.train import Train
from ringmill.config.training import Cosine, Exponential, Optimizer, Stepwise
from ringmill.train.penalty import Penalty
from ringmill.train.ranks import Ring

PROBES = 16
NO_PENALTY = Penalty()


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """`after`, a rate or a schedule of it, reached linearly over the first `steps` steps."""

    def __init__(self, after: Any, steps: float) -> None:
        self.after, self.steps = after, max(steps, 1.0)

    def __call__(self, step: Any) -> Any:
        rate = self.after(step) if callable(self.after) else self.after
        return rate * tf.minimum((tf.cast(step, tf.float32) + 1.0) / self.steps, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"after": self.after, "steps": self.steps}


class RingOptimizer(keras.optimizers.Optimizer):  # type: ignore[misc]
    """`inner`, given the sum of all ranks' gradients instead of this rank's own.

    It is a sum and no mean: each rank's loss is divided by the weights of the *global* batch before. Gradients of
    embeddings (tf.IndexedSlices) are gathered row by row, or summed as the whole table where that sends less. Compile
    a model with `jit_compile=False`: Horovod's operations have no XLA kernel here.
    """

    def __init__(self, inner: Any, ring: Ring, *, compression: str = "none", penalty: Penalty = NO_PENALTY) -> None:
        super().__init__(learning_rate=0.0, name="ring")
        self.inner, self._ring, self._penalty = inner, ring, penalty
        self._wire = tf.float16 if compression == "fp16" else None

    def build(self, variables: Sequence[Any]) -> None:
        self.inner.build(variables)
        super().build(variables)

    @property
    def variables(self) -> list[Any]:
        """Those of the inner optimizer: a checkpoint holds nothing of the ring."""
        return list(self.inner.variables)

    @property
    def iterations(self) -> Any:
        return self.inner.iterations

    @property
    def learning_rate(self) -> Any:
        return self.inner.learning_rate

    def seconds_of_a_sum(self, on_replicas: Callable[[Callable[[], list[Any]]], list[Any]]) -> float:
        """Seconds in which the ranks sum gradients as large as the model, all of them dense; 0 for one rank alone.

        Measured by some sums of zeros, so every rank must call it; `on_replicas` runs a function where gradients are.
        Within a step nothing can be timed: operations that tell the time are refused where all operations have to be
        deterministic.
        """
        if self._ring.size == 1:
            return 0.0
        zeros = [tf.zeros(one.shape, self._wire or one.dtype) for one in self.inner._trainable_variables]

        @tf.function(jit_compile=False, autograph=False)  # type: ignore[untyped-decorator]
        def sums() -> Any:
            def body(turn: Any, held: Any) -> tuple[Any, Any]:
                return turn + 1, on_replicas(lambda: self._ring.sum(held, name="probe"))

            start = (tf.constant(0), zeros)
            return tf.while_loop(lambda turn, _: turn < PROBES, body, start, parallel_iterations=1)[0]

        sums()
        began = time.perf_counter()
        sums()
        return (time.perf_counter() - began) / PROBES

    def scale_loss(self, loss: Any) -> Any:
        return self.inner.scale_loss(loss)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        self.apply_summed(self.reduce(grads), trainable_variables)

    def apply_summed(self, gradients: Sequence[Any], variables: Sequence[Any] | None = None) -> None:
        """Apply the sums of all ranks' gradients, and what the penalty adds to them."""
        weights = self._trainable_variables if variables is None else variables
        self.inner.apply(self._penalty.added(gradients, weights, self.scale_loss), variables)

    def reduce(self, gradients: Sequence[Any]) -> list[Any]:
        """This rank's gradients → their sums over the ranks; None where a variable has none."""
        reduced = list(gradients)
        dense = []
        for place, gradient in enumerate(gradients):
            if isinstance(gradient, tf.IndexedSlices) and self._sends_less(gradient):
                # One gather a table: its rows differ from rank to rank. A row may be there several times, and Keras'
                # optimizers would take the square of each part in the place of that of their sum.
                reduced[place] = tf.convert_to_tensor(self._ring.sum_rows(gradient, name=f"embedding_{place}"))
            elif gradient is not None:
                dense.append(place)
        addends = [tf.convert_to_tensor(gradients[place]) for place in dense]
        # All dense gradients travel as one message: latency is paid once a step.
        sums = self._ring.sum([tf.cast(one, self._wire or one.dtype) for one in addends], name="gradients")
        for place, addend, total in zip(dense, addends, sums, strict=True):
            reduced[place] = tf.cast(total, addend.dtype)
        return reduced

    def _sends_less(self, gradient: Any) -> bool:
        """Whether the touched rows of all ranks are fewer than the table's; the number of rows must be static."""
        rows, table = gradient.values.shape[0], gradient.dense_shape
        whole = tf.get_static_value(table)
        return rows is None or whole is None or rows * self._ring.size < int(whole[0])


def build_optimizer(section: Train, ring: Ring, *, steps: int) -> RingOptimizer:
    """The optimizer of a training with `steps` steps an epoch; its rate is a function of the step alone, whatever the
    number of ranks."""
    inner = _inner(section.optimizer, rate_of(section, steps=steps), section.weight_decay)
    if section.dtype == "mixed_float16":
        # Gradients below float16's smallest number would be lost; the scale that prevents it adapts itself.
        inner = keras.optimizers.LossScaleOptimizer(inner)
    return RingOptimizer(inner, ring, compression=section.optimizer.compression, penalty=Penalty.of(section))


def rate_of(section: Train, *, steps: int) -> WarmUp:
    """Step → learning rate: scaled for the global batch once, warmed up, then as the schedule says."""
    scaled = section.rate_for_batch.factor(section.batch) if section.rate_for_batch else 1.0
    rate = section.learning_rate * scaled
    schedules = keras.optimizers.schedules
    match section.schedule:
        case Cosine(floor=floor):
            after = schedules.CosineDecay(rate, section.epochs * steps, alpha=floor)
        case Exponential(factor=factor):
            after = schedules.ExponentialDecay(rate, steps, factor)
        case Stepwise(epochs=epochs, factor=factor):
            # Keras keeps a value up to and including its boundary.
            ends = [(epoch - 1) * steps - 1 for epoch in epochs]
            after = schedules.PiecewiseConstantDecay(ends, [rate * factor**drop for drop in range(len(ends) + 1)])
        case _:
            after = rate
    return WarmUp(after, section.warmup_epochs * steps)


def _inner(section: Optimizer, rate: Any, weight_decay: float) -> Any:
    common = {"learning_rate": rate, "weight_decay": weight_decay or None, "global_clipnorm": section.clip_norm}
    match section.kind:
        case "adamw":
            return keras.optimizers.AdamW(beta_1=section.beta_1, **common | {"weight_decay": weight_decay})
        case "adam":
            return keras.optimizers.Adam(beta_1=section.beta_1, **common)
        case "sgd":
            return keras.optimizers.SGD(momentum=section.momentum, **common)
        case "rmsprop":
            return keras.optimizers.RMSprop(momentum=section.momentum, **common)
        case "lion":
            return keras.optimizers.Lion(beta_1=section.beta_1, **common)
