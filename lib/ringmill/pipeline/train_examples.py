"""Stage train of a pipeline of examples alone: features/<name>, a tensor and labels → a model under models/<name>."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import LEDGER_HISTORY
from ringmill.errors import InputError
from ringmill.lake.key import digest
from ringmill.lake.ledger import Entry
from ringmill.pipeline.examples import FrozenState, kind_of, section_of
from ringmill.pipeline.progress import Step
from ringmill.pipeline.promote import settle
from ringmill.pipeline.stage import Result, Run, Stage
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
from ringmill.train.build import modules

if TYPE_CHECKING:
    from ringmill.train.spec import TrainSpec

MODULES = ("ringmill.pipeline.train_examples", "ringmill.train.rank", *modules())


def _configuration(config: Config) -> Mapping[str, Any]:
    return {"train": dump(config.train), "seed": config.seed}


def _inputs(run: Run) -> Mapping[str, Any]:
    return prepared(run, kind_of(run.config).stage, section_of(run.config).name)


def planned_examples(run: Run) -> str:
    """The hand-off's plan for the published examples, as text."""
    from ringmill.train.run import plan

    spec, _ = _checked(run, _inputs(run))
    _, hand_off = plan(spec)
    return "\n".join(hand_off.lines())


def _checked(run: Run, inputs: Mapping[str, Any]) -> tuple[TrainSpec, FrozenState]:
    """The training of the pinned version, which is as its manifest says.

    Raises:
        InputError: see `check_contract`; or the ledger's row has no manifest, or another state than it names.
    """
    from ringmill.handoff.contract import Contract, check_contract
    from ringmill.handoff.manifest import pin_splits

    kind, name = kind_of(run.config), section_of(run.config).name
    detail = run.ledger.resolve(kind.stage).detail
    table, version = run.lake.path(f"features/{name}"), inputs[f"features/{name}"]
    where = f"{table}, version {version}"
    if "manifest" not in detail:
        raise InputError.not_published(kind.stage, f"{where}, with a manifest")
    contract, state = Contract.from_json(detail["manifest"]), kind.state(detail["state"])
    if (known := contract.vocabularies["label"]) != (found := digest(state.classes)):
        raise InputError.differs(where, "label", f"the classes {known[:12]}", f"the classes {found[:12]}")
    if state.hash != contract.state:
        raise InputError.differs(where, kind.tensor, f"the state {contract.state[:12]}", f"the state {state.hash[:12]}")
    check_contract(contract, table, version, list(pin_splits(table, version, SPLITS).values()))
    return _spec(run, inputs, state), state


def _spec(run: Run, inputs: Mapping[str, Any], state: FrozenState) -> TrainSpec:
    kind = kind_of(run.config)
    x, known = kind.x(state), kind.known(state, run.config.train.text_augmentation)
    more = {"x": x, "known": known, "group": run.config.train.interval_group or ""}
    return training_of(run, inputs, section_of(run.config).name, code=MODULES, features=x.length, **more)


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from ringmill.train.run import train

    kind = kind_of(run.config)
    step.say(f"checking the {kind.many} against their manifest")
    spec, state = _checked(run, inputs)
    step.say(f"starting {spec.train.ranks} ranks")
    trained = train(spec, launcher_of(run), on_progress=lambda line: say(step, line))
    run.lake.append_arrow(LEDGER_HISTORY.path, history_rows(trained))
    (trained.folder / kind.state_file).write_text(json.dumps(state.to_json(), indent=1), encoding="utf-8")
    shutil.rmtree(spec.checkpoint_folder, ignore_errors=True)
    right = trained.manifest["metrics"]["test"]["accuracy"]
    words = f"no {kind.one} in the test split" if right is None else f"{right:.1%} of the test split right"
    return result_of(run, section_of(run.config).name, trained, words)


def _is_there(run: Run, entry: Entry) -> bool:
    return model_holds(run, entry, kind_of(run.config).state_file)


TRAIN_EXAMPLES = Stage("train", MODULES, _configuration, _inputs, _body, _is_there, settle)
