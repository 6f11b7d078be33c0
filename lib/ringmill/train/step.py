"""What a layer may know of the step that it computes: which rows are real, which rows they are, and the other ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tensorflow as tf

from ringmill.train.draws import row_keys
from ringmill.train.ranks import Ring


@dataclass(frozen=True)
class Step:
    """A forward pass over some places of a step. `real` (places,) bool: false for padding; `ids` gives their row ids,
    (places,) int64; `epoch` is a scalar of int64."""

    real: Any
    ids: Callable[[], Any]
    epoch: Any
    seed: int
    ring: Ring

    @cached_property
    def keys(self) -> Any:
        """(places,) uint64: what stands for (seed, epoch, row id); made only where a layer draws."""
        return row_keys(self.seed, self.epoch, self.ids())

    def summed(self, values: Any, *, name: str) -> Any:
        """`values` summed over all ranks; the gradient is summed over them too, since each rank's loss hangs on the
        sum, and a rank knows its own loss alone."""

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def total(mine: Any) -> Any:
            (everyone,) = self.ring.sum([mine], name=name)

            def back(upstream: Any) -> Any:
                # Each rank has the part that its own loss contributes.
                return self.ring.sum([upstream], name=f"{name}_gradient")[0]

            return everyone, back

        return total(values)


_CURRENT: ContextVar[Step | None] = ContextVar("step", default=None)


@contextmanager
def during(step: Step) -> Iterator[None]:
    """Layers that are called in it see `step`."""
    token = _CURRENT.set(step)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current() -> Step | None:
    """The step that is being computed; None outside of training."""
    return _CURRENT.get()
