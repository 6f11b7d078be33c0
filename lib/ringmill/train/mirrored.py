"""The engine 'mirrored': one process whose replicas, one a device, are what ranks are to the engine 'ring'.

TensorFlow's MirroredStrategy holds a copy of the model on each device and sums gradients between them, by NCCL between
GPUs. Replica r takes rank r's places of each global batch, with the same model, losses, divisors and optimizer, so that
law 5 holds between the engines. The loop over a segment's steps stands outside of what the replicas run, since they
cannot meet inside a loop of their own; the optimizer acts once, on the sum, and writes every copy. The rows stay in the
host's memory, and evaluation runs on the first replica.

Tried on two logical CPU devices; it has not run on GPUs yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from ringmill.config.train import Train
from ringmill.train.checkpoint import Arrays
from ringmill.train.feed import GlobalFeed, Segment, Totals
from ringmill.train.loop import Trainer


@dataclass(frozen=True)
class Replicas:
    """The replicas of one process as a ring. What they run calls `sum`; the rest of the process is a ring of one."""

    size: int
    rank: int = 0
    host: str = "localhost"

    def sum(self, tensors: Sequence[Any], *, name: str) -> list[Any]:
        if tf.distribute.in_cross_replica_context() or not tf.distribute.has_strategy():
            return list(tensors)  # outside of the replicas there is nothing to add
        # What a replica itself makes lies on its device; a constant may lie nowhere yet.
        own = [tf.identity(tensor) for tensor in tensors]
        summed: list[Any] = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, own)
        return summed

    def sum_rows(self, slices: Any, *, name: str) -> Any:
        # Nothing travels over a network: the whole table is as good as its touched rows.
        return self.sum([tf.convert_to_tensor(slices)], name=name)[0]

    def gather(self, rows: NDArray[Any], *, name: str) -> NDArray[Any]:
        return rows

    def broadcast(self, variables: Sequence[Any]) -> None:
        """A mirrored variable's copies are made equal."""

    def close(self) -> None:
        """There is nothing to leave."""


@dataclass(frozen=True)
class MirroredFeed:
    """The feeds of all replicas in step: a segment's index and weight are (steps, replicas, local_batch)."""

    feeds: tuple[GlobalFeed, ...]

    @property
    def totals(self) -> Totals:
        return self.feeds[0].totals

    def segments(self, epoch: int, first: int = 0) -> Iterator[Segment]:
        for parts in zip(*(feed.segments(epoch, first) for feed in self.feeds), strict=True):
            yield replace(
                parts[0],
                index=np.stack([part.index for part in parts], axis=1),
                weight=np.stack([part.weight for part in parts], axis=1),
                row_id=np.concatenate([part.row_id for part in parts]),
            )


class MirroredTrainer(Trainer):
    """The model and the optimizer of all replicas, one for each of the feed's ranks; `feed` is that of any of them,
    `named` what a `Trainer` takes by name."""

    def __init__(self, section: Train, feed: GlobalFeed, **named: Any) -> None:
        ranks = feed.plan.ranks
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        self._strategy = tf.distribute.MirroredStrategy([device.name for device in devices[:ranks]])
        feeds = MirroredFeed(tuple(replace(feed, rank=rank) for rank in range(ranks)))
        with self._strategy.scope():
            super().__init__(section, feeds, Replicas(ranks), **named)

    def copies(self) -> list[Arrays]:
        held = [self._local(variable.value) for variable in self.model.variables]
        return [tuple(value.numpy() for value in copy) for copy in zip(*held, strict=True)]

    def _in_passes(self, places: NDArray[Any], *, fill: int) -> NDArray[Any]:
        """(steps, replicas, local_batch) → (steps, replicas, passes, places of a pass)."""
        cut = super()._in_passes(places.reshape(-1, places.shape[2]), fill=fill)
        return cut.reshape(*places.shape[:2], *cut.shape[1:])

    def _step(self, epoch: Any, columns: Any, index: Any, weight: Any, divisors: Any) -> Any:
        """One step of (replicas, passes, places of a pass); (losses,): the sums of losses of all replicas."""
        (update,) = self._updates

        def of_one() -> Any:
            place = _replica()
            losses, gradients = self._gradients(update, epoch, columns, index[place], weight[place], divisors)
            return losses, update.optimizer.reduce(gradients)

        losses, gradients = self._strategy.run(of_one)
        # All replicas have the same sum. Applied inside of them, Keras would add the sums up once more.
        first = [None if one is None else self._local(one)[0] for one in gradients]
        update.optimizer.apply_summed(first, update.variables)
        return tf.add_n(self._local(losses))

    def _on_replicas(self, function: Callable[[], list[Any]]) -> list[Any]:
        return [self._local(one)[0] for one in self._strategy.run(function)]

    def _local(self, value: Any) -> tuple[Any, ...]:
        """A value of each replica → one of each."""
        held: tuple[Any, ...] = self._strategy.experimental_local_results(value)
        return held


def _replica() -> int:
    """The number of the replica whose part of the graph is being built."""
    return int(tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group))
