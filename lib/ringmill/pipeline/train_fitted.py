"""Training on rows that a stage encoded by one frozen state: what such trainings share, whatever the rows are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.lake.ledger import Entry
from ringmill.pipeline.prepared import check_promises, prepared, prepared_row
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.pipeline.train import (
    launcher_of,
    model_holds,
    plan_lines,
    say,
    training_of,
)
from ringmill.pipeline.trained import finish, result_of

if TYPE_CHECKING:
    from ringmill.features.frozen import Frozen
    from ringmill.handoff.columns import Input
    from ringmill.train.spec import TrainResult, TrainSpec


S = TypeVar("S", bound="Frozen")


@dataclass(frozen=True)
class Fitted(Generic[S]):
    """Trainings on features/`name`, which `stage` wrote; its rows are called `many`, and `code` trains.

    `state` reads the frozen state from the ledger, and `x` says how its tensor stands in the table. With the model lies
    the file `file`, with what `kept` makes of the state. `group` names the column whose rows belong together, and
    `more` gives further fields of the spec.
    """

    code: tuple[str, ...]
    stage: str
    name: str
    many: str
    state: Callable[[Mapping[str, Any]], S]
    x: Callable[[S], Input]
    file: str
    kept: Callable[[S], Mapping[str, Any]]
    group: str = ""
    more: Callable[[S], Mapping[str, Any]] = lambda state: {}


# How good a trained model is: in words, and in what the ledger keeps besides.
Judge = Callable[[Run, Step, "TrainSpec", "TrainResult"], tuple[str, Mapping[str, Any]]]


def fitted_stage(
    code: Sequence[str],
    fitted: Callable[[Config], Fitted[S]],
    judge: Judge,
    more: Callable[[Config], Mapping[str, Any]] = lambda config: {},
) -> Stage:
    """Stage train of what the configuration says is to be `fitted`, by the modules `code`.

    `more` is what its result depends on besides the training's section, the seed and the inputs.
    """

    def configuration(config: Config) -> Mapping[str, Any]:
        return {"train": dump(config.train), "seed": config.seed, **more(config)}

    def inputs(run: Run) -> Mapping[str, Any]:
        return _inputs(run, fitted(run.config))

    def body(run: Run, given: Mapping[str, Any], step: Step) -> Result:
        return _train(run, given, step, fitted(run.config), judge)

    def is_there(run: Run, entry: Entry) -> bool:
        return model_holds(run, entry, fitted(run.config).file)

    return Stage("train", tuple(code), configuration, inputs, body, is_there, finish)


def planned_fitted(run: Run, kind: Fitted[S]) -> str:
    """The hand-off's plan for the published rows, as text. Raises as `check_promises`."""
    spec, _ = _checked(run, _inputs(run, kind), kind)
    return "\n".join(plan_lines(run, spec))


def _inputs(run: Run, kind: Fitted[S]) -> Mapping[str, Any]:
    return prepared(run, kind.stage, kind.name)


def _train(run: Run, inputs: Mapping[str, Any], step: Step, kind: Fitted[S], judge: Judge) -> Result:
    """Train on the pinned version, and complete the model's folder with what scoring needs of the state.

    Raises as `check_promises`, and as `train.run.train`.
    """
    from ringmill.train.run import train

    step.say(f"checking the {kind.many} against their manifest")
    spec, state = _checked(run, inputs, kind)
    step.say(f"starting {spec.train.ranks} ranks")
    trained = train(spec, launcher_of(run), on_progress=lambda line: say(step, line))
    (trained.folder / kind.file).write_text(json.dumps(kind.kept(state), indent=1), encoding="utf-8")
    words, judged = judge(run, step, spec, trained)
    result = result_of(run, spec, trained, words)
    return replace(result, detail={**result.detail, **judged})


def _checked(run: Run, inputs: Mapping[str, Any], kind: Fitted[S]) -> tuple[TrainSpec, S]:
    """The training of the pinned version, which is as its manifest says."""
    row, group = prepared_row(run, kind.stage, kind.name, inputs), run.config.train.interval_group
    state = kind.state(row.detail["state"])
    x, more = kind.x(state), kind.more(state)
    spec = training_of(
        run, inputs, kind.name, code=kind.code, features=x.length, x=x, group=group or kind.group, **more
    )
    check_promises(spec, row, state)
    return spec, state
