"""Stage train of a pipeline that foresees the next order: features/<name>, order sequences → a model of several heads
under models/<name>, judged beside baselines on the test split."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.config.sequences import heads_by_label
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
from ringmill.score.judge_orders import judge_orders
from ringmill.score.next_orders import STATE, order_file
from ringmill.train.build import modules

if TYPE_CHECKING:
    from ringmill.features.order_state import OrderState
    from ringmill.train.spec import TrainResult, TrainSpec

MODULES = ("ringmill.pipeline.train_sequences", "ringmill.train.rank", *modules())
OWN = ("row_id", "last_category", "own_category", "own_gap_days", "days_since_last_order")


def _configuration(config: Config) -> Mapping[str, Any]:
    # How far the next order is looked for is a bound of what is said of its days.
    return {"train": dump(config.train), "seed": config.seed, "horizon_days": config.sequences.horizon_days}


def _inputs(run: Run) -> Mapping[str, Any]:
    return prepared(run, "features", run.config.sequences.name)


def planned_sequences(run: Run) -> str:
    """The hand-off's plan for the published sequences, as text."""
    from ringmill.train.run import plan

    spec, _ = _checked(run, _inputs(run))
    _, hand_off = plan(spec)
    return "\n".join(hand_off.lines())


def _checked(run: Run, inputs: Mapping[str, Any]) -> tuple[TrainSpec, OrderState]:
    """The training of the pinned version, which is as its manifest says.

    Raises as `check_promises`.
    """
    from ringmill.features.order_state import OrderState
    from ringmill.handoff.columns import Input
    from ringmill.handoff.contract import Contract

    detail = run.ledger.resolve("features").detail
    contract, state = Contract.from_json(detail["manifest"]), OrderState.from_json(detail["state"])
    x = Input("x", state.shape, ids=state.ids)
    group = run.config.train.interval_group or "customer_id"
    spec = training_of(run, inputs, run.config.sequences.name, code=MODULES, features=x.length, x=x, group=group)
    check_promises(contract, spec, state=state.hash, vocabulary="category", values=state.categories)
    return spec, state


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from ringmill.train.run import train

    step.say("checking the sequences against their manifest")
    spec, state = _checked(run, inputs)
    step.say(f"starting {spec.train.ranks} ranks")
    trained = train(spec, launcher_of(run), on_progress=lambda line: say(step, line))
    run.lake.append_arrow(LEDGER_HISTORY.path, history_rows(trained))
    step.say("comparing with each customer's own orders")
    judged = _judged(run, spec, trained)
    section, heads = run.config.sequences, heads_by_label(run.config.train.task)
    needed = order_file(state, heads, horizon_days=section.horizon_days)
    (trained.folder / STATE).write_text(json.dumps(needed, indent=1), encoding="utf-8")
    shutil.rmtree(spec.checkpoint_folder, ignore_errors=True)
    result = result_of(run, section.name, trained, _words(judged))
    return replace(result, detail={**result.detail, "judged": judged})


def _judged(run: Run, spec: TrainSpec, trained: TrainResult) -> dict[str, list[dict[str, Any]]]:
    """Of the test split, whose rows are each another customer's."""
    section = run.config.sequences

    def rows(split: str, columns: tuple[str, ...]) -> pa.Table:
        return run.lake.read_arrow(
            f"features/{section.name}", spec.version, list(columns), where=[("split", "=", split)]
        )

    return judge_orders(
        pq.read_table(trained.folder / "predictions.parquet"),
        rows("test", OWN),
        rows("train", ("category", "days")),
        heads_by_label(run.config.train.task),
        horizon_days=section.horizon_days,
        seed=run.config.seed,
    )


def _words(judged: Mapping[str, list[dict[str, Any]]]) -> str:
    category, days = judged["category"][0], judged["days"][0]
    if not category["rows"] or not days["rows"]:
        return "no next order in the test split"
    return f"{category['accuracy']:.1%} of the test split's categories right, days off by {days['mae']:.1f} in the mean"


def _is_there(run: Run, entry: Entry) -> bool:
    return model_holds(run, entry, STATE)


TRAIN_SEQUENCES = Stage("train", MODULES, _configuration, _inputs, _body, _is_there, settle)
