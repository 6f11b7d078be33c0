"""The configuration's section `train` → the task as the loop sees it."""

from __future__ import annotations

from collections.abc import Sequence

from ringmill.config.tasks import Adversarial, ClassesHead, Pairs, Purchase, Reconstruction, Several
from ringmill.config.train import Train
from ringmill.errors import ConfigError
from ringmill.train.tasks.adversarial import AdversarialTask
from ringmill.train.tasks.classes import ClassesTask
from ringmill.train.tasks.pairs import PairsTask
from ringmill.train.tasks.purchase import PurchaseTask
from ringmill.train.tasks.reconstruction import ReconstructionTask
from ringmill.train.tasks.several import SeveralTask
from ringmill.train.tasks.several_heads import ClassHead, NumberHead, OneHead
from ringmill.train.tasks.task import Task


def task_of(
    section: Train, classes: Sequence[str] = (), by_head: Sequence[Sequence[str]] = (), *, ids: int = 0
) -> Task:
    """The task of a section; `classes` are those of the train split, () where the task has none or as long as they are
    not looked up, `by_head` those of each head of a task of several, and `ids` how many ids the input has.

    Raises:
        ConfigError: `train.class_weights` names a class that is not among them, or leaves none a weight.
    """
    weights = section.class_weights
    if isinstance(section.task, Reconstruction):
        return ReconstructionTask()
    if isinstance(section.task, Adversarial):
        return AdversarialTask(section.task.discriminator_rate, section.task.smoothing)
    if isinstance(section.task, Pairs):
        return PairsTask(section.task.product, ids)
    if isinstance(section.task, Several):
        return _several(section.task, by_head or [()] * len(section.task.heads))
    if isinstance(section.task, Purchase):
        by_label = tuple(weights.get(label, 1.0) for label in ("0", "1")) if weights else ()
        return PurchaseTask(section.task.spend_weight, by_label)
    if not classes or not weights:
        return ClassesTask(section.task.label, tuple(classes), smoothing=section.task.label_smoothing)
    if unknown := sorted(set(weights) - set(classes)):
        raise ConfigError.bad_value("train", "train.class_weights", f"classes among {', '.join(classes)}", unknown)
    by_class = tuple(weights.get(name, 1.0) for name in classes)
    if not any(by_class):
        raise ConfigError.bad_value("train", "train.class_weights", "a class that weighs more than 0", weights)
    return ClassesTask(section.task.label, tuple(classes), by_class, section.task.label_smoothing)


def _several(task: Several, by_head: Sequence[Sequence[str]]) -> SeveralTask:
    parts: list[OneHead] = []
    for (name, head), classes in zip(task.heads.items(), by_head, strict=True):
        if isinstance(head, ClassesHead):
            parts.append(ClassHead(name, head.label, tuple(classes), head.weight, head.label_smoothing))
        else:
            parts.append(NumberHead(name, head.label, head.weight))
    return SeveralTask(tuple(parts))
