"""Which weights a step moves, by which optimizer, and what they minimise.

Most tasks have one loss that one optimizer minimises over all weights. Networks that play against each other have one
each, and take turns within a step: what the first has become, the second sees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ringmill.config.train import Train
from ringmill.train.optimizer import RingOptimizer, build_optimizer
from ringmill.train.ranks import Ring
from ringmill.train.tasks.adversarial import DISCRIMINATOR, GENERATOR, AdversarialTask
from ringmill.train.tasks.task import Task

Loss = Callable[[Sequence[Any], Sequence[Any]], Any]


@dataclass(frozen=True)
class Update:
    """One optimizer's part of a step: it moves `variables` so that `loss`, of the sums of the task's losses and of what
    each is divided by, falls."""

    optimizer: RingOptimizer
    variables: Sequence[Any]
    loss: Loss


def updates_of(section: Train, task: Task, model: Any, ring: Ring, *, steps: int) -> tuple[Update, ...]:
    """The updates of a step in their order, with optimizers that are built; an epoch has `steps` of each."""
    if not isinstance(task, AdversarialTask):
        return (_update(section, model, task.loss, ring, steps),)
    judging = section.model_copy(update={"learning_rate": section.learning_rate * task.discriminator_rate})
    return (
        _update(judging, model.get_layer(DISCRIMINATOR), task.discriminator_loss, ring, steps),
        _update(section, model.get_layer(GENERATOR), task.generator_loss, ring, steps),
    )


def _update(section: Train, network: Any, loss: Loss, ring: Ring, steps: int) -> Update:
    optimizer = build_optimizer(section, ring, steps=steps)
    optimizer.build(network.trainable_variables)
    return Update(optimizer, network.trainable_variables, loss)
