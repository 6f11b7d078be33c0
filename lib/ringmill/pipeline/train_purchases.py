"""Stage train of a pipeline that recommends: features/<name>, first purchases → two towers under models/<name>."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import LEDGER_HISTORY
from ringmill.lake.ledger import Entry
from ringmill.pipeline.progress import Step
from ringmill.pipeline.promote import settle
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.pipeline.train import (
    check_promises,
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
    from ringmill.features.products import ProductState
    from ringmill.train.spec import TrainSpec

MODULES = ("ringmill.pipeline.train_purchases", "ringmill.train.rank", *modules())
STATE_FILE = "products.json"  # of the state, in a model's folder


def _configuration(config: Config) -> Mapping[str, Any]:
    return {"train": dump(config.train), "seed": config.seed}


def _inputs(run: Run) -> Mapping[str, Any]:
    return prepared(run, "features", run.config.recommend.name)


def planned_purchases(run: Run) -> str:
    """The hand-off's plan for the published purchases, as text."""
    from ringmill.train.run import plan

    spec, _ = _checked(run, _inputs(run))
    _, hand_off = plan(spec)
    return "\n".join(hand_off.lines())


def _checked(run: Run, inputs: Mapping[str, Any]) -> tuple[TrainSpec, ProductState]:
    """The training of the pinned version, which is as its manifest says.

    Raises as `check_promises`.
    """
    from ringmill.features.products import ProductState
    from ringmill.handoff.columns import Input
    from ringmill.handoff.contract import Contract

    name, detail = run.config.recommend.name, run.ledger.resolve("features").detail
    contract, state = Contract.from_json(detail["manifest"]), ProductState.from_json(detail["state"])
    x = Input("x", (state.length,), "int32", ids=state.ids)
    group = run.config.train.interval_group or ""
    spec = training_of(run, inputs, name, code=MODULES, features=x.length, x=x, group=group)
    check_promises(contract, spec, state=state.hash, vocabulary="product", values=state.products)
    return spec, state


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from ringmill.train.run import train

    step.say("checking the purchases against their manifest")
    spec, state = _checked(run, inputs)
    step.say(f"starting {spec.train.ranks} ranks")
    trained = train(spec, launcher_of(run), on_progress=lambda line: say(step, line))
    run.lake.append_arrow(LEDGER_HISTORY.path, history_rows(trained))
    (trained.folder / STATE_FILE).write_text(json.dumps(state.to_json(), indent=1), encoding="utf-8")
    shutil.rmtree(spec.checkpoint_folder, ignore_errors=True)
    loss = trained.manifest["metrics"]["test"]["log_loss"]
    return result_of(run, run.config.recommend.name, trained, f"log loss {loss:.3f} on the test split")


def _is_there(run: Run, entry: Entry) -> bool:
    return model_holds(run, entry, STATE_FILE)


TRAIN_PURCHASES = Stage("train", MODULES, _configuration, _inputs, _body, _is_there, settle)
