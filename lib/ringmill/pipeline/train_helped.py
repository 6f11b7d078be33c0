"""Stages that train on a table of one's own with help for its rare class: heavier rows, repeated rows, made rows.

Each is `train_table`'s training but for the one thing, and a model of a name of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.errors import InputError
from ringmill.lake.ledger import Entry
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.pipeline.train import checkpoints_of
from ringmill.pipeline.train_table import is_there, pinned, table_spec, trained_on
from ringmill.pipeline.trained import finish
from ringmill.train.build import modules

if TYPE_CHECKING:
    from ringmill.train.spec import TrainSpec

MODULES = ("ringmill.pipeline.train_helped", "ringmill.train.rank", *modules())
WEIGHTED, OVERSAMPLED, GENERATED = "train_weighted", "train_oversampled", "train_generated"
# What of `augment`'s row each stage depends on.
Wanted = Callable[[Run, Entry], Mapping[str, Any]]


def _configuration(config: Config) -> Mapping[str, Any]:
    return {"table": dump(config.table), "train": dump(config.train), "seed": config.seed}


def balanced(counts: Mapping[str, int]) -> dict[str, float]:
    """Rows of each class → what a row of it weighs, so that all classes weigh the same, and rows 1 on average."""
    whole = sum(counts.values())
    return {name: whole / (len(counts) * rows) for name, rows in counts.items()}


def _weights(run: Run, helped: Entry) -> Mapping[str, Any]:
    return {"class_weights": balanced(helped.detail["classes"]["train"])}


def _table_of(kind: str) -> Wanted:
    def found(run: Run, helped: Entry) -> Mapping[str, Any]:
        path = f"{kind}/{run.config.table.name}"
        return {path: helped.outputs[path]}

    return found


def _helped(run: Run, now: Mapping[str, Any]) -> Entry:
    """The last row of `augment`, which saw the table as it is pinned `now`.

    Raises:
        InputError: there is none, it was of a table of another name, or it saw another table or version.
    """
    last = run.ledger.resolve("augment")
    for path in (f"{kind}/{run.config.table.name}" for kind in ("generated", "oversampled")):
        if path not in last.outputs:
            raise InputError.not_published("augment", run.lake.path(path))
    if (seen := {key: last.inputs.get(key) for key in now}) != now:
        raise InputError.other_version("augment", now, seen)
    return last


def _spec(run: Run, inputs: Mapping[str, Any], stage: str) -> TrainSpec:
    name = f"{run.config.table.name}_{stage.removeprefix('train_')}"
    spec = replace(table_spec(run, inputs, name), checkpoints=checkpoints_of(run, inputs, name, code=MODULES))
    if "class_weights" in inputs:
        return replace(spec, train=spec.train.model_copy(update={"class_weights": inputs["class_weights"]}))
    added = {path: inputs[path] for path in inputs if path.partition("/")[0] in ("generated", "oversampled")}
    return replace(spec, added=tuple((run.lake.path(path), version) for path, version in added.items()))


def _stage(name: str, wanted: Wanted) -> Stage:
    def inputs(run: Run) -> Mapping[str, Any]:
        now = pinned(run)
        return {**now, **wanted(run, _helped(run, now))}

    def body(run: Run, given: Mapping[str, Any], step: Step) -> Result:
        return trained_on(run, _spec(run, given, name), step)

    return Stage(name, MODULES, _configuration, inputs, body, is_there, finish)


TRAIN_WEIGHTED = _stage(WEIGHTED, _weights)
TRAIN_OVERSAMPLED = _stage(OVERSAMPLED, _table_of("oversampled"))
TRAIN_GENERATED = _stage(GENERATED, _table_of("generated"))
