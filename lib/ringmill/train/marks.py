"""Marks that a graph leaves on its way, for the pulse: Python stands still while a graph does a segment of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from ringmill.handoff.storage import Opened
from ringmill.train.pulse import BUILDING, TRAINING, Pulse
from ringmill.train.ranks import Ring


class Marks:
    """Counters of one rank: the steps that the graph has begun in its segment, and the exchanges it is in or behind."""

    def __init__(self, pulse: Pulse) -> None:
        self.pulse, self._built = pulse, False
        with tf.device("CPU:0"):  # the pulse reads them: on a GPU it would wait for the step to end
            self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
            self._exchanges = tf.Variable(0, dtype=tf.int64, trainable=False)
        pulse.follow(
            lambda: (int(self._step.numpy()), int(self._exchanges.numpy())), lambda: (Opened.path, Opened.batches)
        )

    def segment(self, epoch: int, first: int) -> None:
        """A segment begins at step `first` of `epoch`, both from 0."""
        self._step.assign(0)
        self.pulse.at(TRAINING if self._built else BUILDING, epoch=epoch + 1, step=first)
        self._built = True

    def step(self, step: Any) -> None:
        """In a graph: step `step` of the segment, from 0, begins."""
        self._step.assign(tf.cast(step, tf.int64) + 1, read_value=False)

    def exchange(self, ring: Ring, tensors: Sequence[Any], name: str) -> list[Any]:
        """In a graph: `ring.sum`, between two marks."""
        with tf.control_dependencies(list(tensors)):
            begun = self._exchanges.assign_add(1, read_value=False)
        with tf.control_dependencies([begun]):
            summed = ring.sum(tensors, name=name)
        with tf.control_dependencies(summed):
            self._exchanges.assign_add(1, read_value=False)
        return summed

    def exchange_rows(self, ring: Ring, slices: Any, name: str) -> Any:
        """In a graph: `ring.sum_rows`, between two marks."""
        with tf.control_dependencies([slices.values, slices.indices]):
            begun = self._exchanges.assign_add(1, read_value=False)
        with tf.control_dependencies([begun]):
            summed = ring.sum_rows(slices, name=name)
        with tf.control_dependencies([summed.values, summed.indices]):
            self._exchanges.assign_add(1, read_value=False)
        return summed


class PulsedRing:
    """A ring whose launcher is told when this rank waits in it for the others."""

    def __init__(self, ring: Ring, marks: Marks) -> None:
        self._ring, self._marks = ring, marks
        self.size, self.rank, self.host = ring.size, ring.rank, ring.host

    def sum(self, tensors: Sequence[Any], *, name: str) -> list[Any]:
        if tf.inside_function():
            return self._marks.exchange(self._ring, tensors, name)
        with self._marks.pulse.waiting():
            return self._ring.sum(tensors, name=name)

    def sum_rows(self, slices: Any, *, name: str) -> Any:
        return self._marks.exchange_rows(self._ring, slices, name)

    def gather(self, rows: NDArray[Any], *, name: str) -> NDArray[Any]:
        with self._marks.pulse.waiting():
            return self._ring.gather(rows, name=name)

    def broadcast(self, variables: Sequence[Any]) -> None:
        with self._marks.pulse.waiting():
            self._ring.broadcast(variables)

    def close(self) -> None:
        self._ring.close()
