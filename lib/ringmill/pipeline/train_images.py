"""Stage train of a pipeline of images: features/<name>, pixels and labels → a model under models/<name>/<run id>."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringmill.config.images import Images
from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import LEDGER_HISTORY
from ringmill.errors import ConfigError, InputError
from ringmill.lake.key import digest
from ringmill.lake.ledger import Entry
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.pipeline.train import SPLITS, history_rows, launcher_of, point_at, result_of, say, training_of
from ringmill.train.build import modules

if TYPE_CHECKING:
    from ringmill.features.images.state import ImageState
    from ringmill.train.spec import TrainSpec

MODULES = ("ringmill.pipeline.train_images", "ringmill.train.rank", *modules())
STATE = "images.json"


def _section(config: Config) -> Images:
    if config.images is None:
        raise ConfigError.bad_value(f"pipeline {config.pipeline}", "images", "a section 'images'", None)
    return config.images


def _configuration(config: Config) -> Mapping[str, Any]:
    return {"train": dump(config.train), "seed": config.seed}


def _inputs(run: Run) -> Mapping[str, Any]:
    table, images = f"features/{_section(run.config).name}", run.ledger.resolve("images")
    if table not in images.outputs:
        raise InputError.not_published("images", run.lake.path(table))
    return {table: images.outputs[table], "state": images.detail["state_hash"]}


def planned_images(run: Run) -> str:
    """The hand-off's plan for the published images, as text."""
    from ringmill.train.run import plan

    spec, _ = _checked(run, _inputs(run))
    _, hand_off = plan(spec)
    return "\n".join(hand_off.lines())


def _checked(run: Run, inputs: Mapping[str, Any]) -> tuple[TrainSpec, ImageState]:
    """The training of the pinned version, which is as its manifest says.

    Raises:
        InputError: see `check_contract`; or the ledger's row has no manifest, or another state than it names.
    """
    from ringmill.features.images.state import ImageState
    from ringmill.handoff.contract import Contract, check_contract
    from ringmill.handoff.manifest import pin_splits

    detail, name = run.ledger.resolve("images").detail, _section(run.config).name
    table, version = run.lake.path(f"features/{name}"), inputs[f"features/{name}"]
    where = f"{table}, version {version}"
    if "manifest" not in detail:
        raise InputError.not_published("images", f"{where}, with a manifest")
    contract, state = Contract.from_json(detail["manifest"]), ImageState.from_json(detail["state"])
    if (known := contract.vocabularies["label"]) != (found := digest(state.classes)):
        raise InputError.differs(where, "label", f"the classes {known[:12]}", f"the classes {found[:12]}")
    if state.hash != contract.state:
        raise InputError.differs(where, "pixels", f"the state {contract.state[:12]}", f"the state {state.hash[:12]}")
    check_contract(contract, table, version, list(pin_splits(table, version, SPLITS).values()))
    return _spec(run, inputs, state), state


def _spec(run: Run, inputs: Mapping[str, Any], state: ImageState) -> TrainSpec:
    from ringmill.handoff.columns import Input

    x = Input("pixels", state.decoding.shape, "uint8", mean=state.mean, scale=state.scale)
    return training_of(run, inputs, _section(run.config).name, code=MODULES, features=x.length, x=x)


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from ringmill.train.run import train

    step.say("checking the images against their manifest")
    spec, state = _checked(run, inputs)
    step.say(f"starting {spec.train.ranks} ranks")
    trained = train(spec, launcher_of(run), on_progress=lambda line: say(step, line))
    run.lake.append_arrow(LEDGER_HISTORY.path, history_rows(trained))
    (trained.folder / STATE).write_text(json.dumps(state.to_json(), indent=1), encoding="utf-8")
    shutil.rmtree(spec.checkpoint_folder, ignore_errors=True)
    right = trained.manifest["metrics"]["test"]["accuracy"]
    words = "no image in the test split" if right is None else f"{right:.1%} of the test split right"
    return result_of(run, _section(run.config).name, trained, words)


def _is_there(run: Run, entry: Entry) -> bool:
    return (Path(run.lake.path(entry.detail["model"])) / STATE).is_file()


TRAIN_IMAGES = Stage("train", MODULES, _configuration, _inputs, _body, _is_there, point_at)
