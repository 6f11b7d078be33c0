"""Training on rows that a stage encoded by one frozen state: what such trainings share, whatever the rows are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import LEDGER_HISTORY
from ringmill.errors import InputError
from ringmill.lake.key import digest
from ringmill.lake.ledger import Entry
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run
from ringmill.pipeline.train import (
    SPLITS,
    history_rows,
    launcher_of,
    model_holds,
    prepared,
    result_of,
    say,
    training_of,
)

if TYPE_CHECKING:
    from ringmill.handoff.columns import Input
    from ringmill.handoff.contract import Contract
    from ringmill.train.spec import TrainResult, TrainSpec


class FrozenState(Protocol):
    """What a stage fitted on the train split: plain data, as the ledger keeps it."""

    @property
    def hash(self) -> str: ...

    def to_json(self) -> dict[str, Any]: ...


S = TypeVar("S", bound=FrozenState)


@dataclass(frozen=True)
class Fitted(Generic[S]):
    """Trainings on features/`name`, which `stage` wrote; its rows are called `many`, and `code` trains.

    `state` reads the frozen state from the ledger, `x` says how its tensor stands in the table, and `values` are those
    of its `vocabulary`. With the model lies the file `file`, with what `kept` makes of the state. `group` names the
    column whose rows belong together, and `more` gives further fields of the spec.
    """

    code: tuple[str, ...]
    stage: str
    name: str
    many: str
    state: Callable[[Mapping[str, Any]], S]
    x: Callable[[S], Input]
    vocabulary: str
    values: Callable[[S], Sequence[str]]
    file: str
    kept: Callable[[S], Mapping[str, Any]]
    group: str = ""
    more: Callable[[S], Mapping[str, Any]] = lambda state: {}

    def inputs(self, run: Run) -> Mapping[str, Any]:
        """As `prepared`."""
        return prepared(run, self.stage, self.name)

    def is_there(self, run: Run, entry: Entry) -> bool:
        """Whether the model's folder still has the state."""
        return model_holds(run, entry, self.file)


def configuration(config: Config) -> dict[str, Any]:
    """What such a training's result depends on, besides its inputs."""
    return {"train": dump(config.train), "seed": config.seed}


def planned_fitted(run: Run, kind: Fitted[S]) -> str:
    """The hand-off's plan for the published rows, as text. Raises as `check_promises`."""
    from ringmill.train.run import plan

    spec, _ = _checked(run, kind.inputs(run), kind)
    _, hand_off = plan(spec)
    return "\n".join(hand_off.lines())


def train_fitted(
    run: Run,
    inputs: Mapping[str, Any],
    step: Step,
    kind: Fitted[S],
    judge: Callable[[TrainSpec, TrainResult], tuple[str, Mapping[str, Any]]],
) -> Result:
    """Train on the pinned version, and complete the model's folder with what scoring needs of the state.

    `judge` says how good the model is: in words, and in what the ledger keeps besides.

    Raises as `check_promises`, and as `train.run.train`.
    """
    from ringmill.train.run import train

    step.say(f"checking the {kind.many} against their manifest")
    spec, state = _checked(run, inputs, kind)
    step.say(f"starting {spec.train.ranks} ranks")
    trained = train(spec, launcher_of(run), on_progress=lambda line: say(step, line))
    run.lake.append_arrow(LEDGER_HISTORY.path, history_rows(trained))
    (trained.folder / kind.file).write_text(json.dumps(kind.kept(state), indent=1), encoding="utf-8")
    words, judged = judge(spec, trained)
    # Not before: who is killed while judging goes on with them.
    shutil.rmtree(spec.checkpoint_folder, ignore_errors=True)
    result = result_of(run, kind.name, trained, words)
    return replace(result, detail={**result.detail, **judged})


def check_promises(contract: Contract, spec: TrainSpec, *, state: str, vocabulary: str, values: Sequence[str]) -> None:
    """Check a pinned version, the hash of its frozen state, and the values of a vocabulary against their manifest.

    Raises:
        InputError: see `check_contract`; or the state, or the vocabulary, is another.
        PlanError: a file is gone.
    """
    from ringmill.handoff.contract import check_contract
    from ringmill.handoff.manifest import pin_splits

    where, x = f"{spec.table}, version {spec.version}", spec.x.column if spec.x else "x"
    if (known := contract.vocabularies[vocabulary]) != (found := digest(values)):
        raise InputError.differs(where, vocabulary, f"the values {known[:12]}", f"the values {found[:12]}")
    if state != contract.state:
        raise InputError.differs(where, x, f"the state {contract.state[:12]}", f"the state {state[:12]}")
    check_contract(contract, spec.table, spec.version, list(pin_splits(spec.table, spec.version, SPLITS).values()))


def _checked(run: Run, inputs: Mapping[str, Any], kind: Fitted[S]) -> tuple[TrainSpec, S]:
    """The training of the pinned version, which is as its manifest says."""
    from ringmill.handoff.contract import Contract

    detail = run.ledger.resolve(kind.stage).detail
    if "manifest" not in detail:
        table = f"features/{kind.name}"
        where = f"{run.lake.path(table)}, version {inputs[table]}, with a manifest"
        raise InputError.not_published(kind.stage, where)
    state, group = kind.state(detail["state"]), run.config.train.interval_group or kind.group
    x, more = kind.x(state), kind.more(state)
    spec = training_of(run, inputs, kind.name, code=kind.code, features=x.length, x=x, group=group, **more)
    contract, values = Contract.from_json(detail["manifest"]), kind.values(state)
    check_promises(contract, spec, state=state.hash, vocabulary=kind.vocabulary, values=values)
    return spec, state
