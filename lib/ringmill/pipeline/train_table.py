"""Stage train on a table of one's own: a pinned version, read in place → a model under models/<name>/<run id>."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.errors import InputError
from ringmill.errors.credentials import without_credentials
from ringmill.lake.ledger import Entry
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.pipeline.train import checkpoints_of, launcher_of, model_holds, plan_lines, say
from ringmill.pipeline.trained import finish, result_of
from ringmill.train.build import modules

if TYPE_CHECKING:
    from ringmill.handoff.columns import Input
    from ringmill.train.spec import TrainSpec

MODULES = ("ringmill.pipeline.train_table", "ringmill.train.rank", *modules())


def _configuration(config: Config) -> Mapping[str, Any]:
    return {"table": dump(config.table), "train": dump(config.train), "seed": config.seed}


def pinned(run: Run) -> Mapping[str, Any]:
    """The pinned version, and which table it is of: another one may come to lie there.

    Raises:
        InputError: there is no Delta table, or none of that version.
    """
    section = run.config.table
    path = path_of(run.config)
    try:
        found = DeltaTable(path, version=section.version)
    except (DeltaError, OSError) as error:
        raise InputError.no_table(path, section.version, str(error).splitlines()[0]) from error
    return {"table": without_credentials(path), "version": found.version(), "id": str(found.metadata().id)}


def path_of(config: Config) -> str:
    """Where the table lies, as it is opened: with what a URI may hold besides, which no ledger sees."""
    return config.table.path if "://" in config.table.path else str(Path(config.table.path).absolute())


def planned_table(run: Run) -> str:
    """The hand-off's plan, or what the scan will cost that must come before it, as text."""
    from ringmill.train.indexed import scan_lines

    spec = table_spec(run, pinned(run), run.config.table.name)
    if lines := scan_lines(spec):
        return "\n".join(lines)
    return "\n".join(plan_lines(run, spec))


def input_of(config: Config) -> Input:
    """Where the model's input stands in the table."""
    from ringmill.handoff.columns import Input

    return Input(config.table.x, config.table.shape)


def table_spec(run: Run, inputs: Mapping[str, Any], name: str) -> TrainSpec:
    """The training on the pinned version, of a model of models/<name>."""
    from ringmill.train.spec import TrainSpec

    x = input_of(run.config)
    return TrainSpec(
        table=path_of(run.config),
        version=inputs["version"],
        folder=run.lake.path(f"models/{name}/{run.run_id}"),
        train=run.config.train,
        seed=run.config.seed,
        features=x.length,
        run_id=run.run_id,
        checkpoints=checkpoints_of(run, inputs, name, code=MODULES),
        row_index=run.lake.path(f"models/{run.config.table.name}/row_index"),
        x=x,
        group=run.config.train.interval_group or "",
    )


def trained_on(run: Run, spec: TrainSpec, step: Step) -> Result:
    """Train as `spec` says, whose folder is models/<name>/<run id>."""
    from ringmill.train.indexed import scan_lines
    from ringmill.train.run import train

    for line in scan_lines(spec):
        step.say(line)
    step.say(f"starting {spec.train.ranks} ranks")
    trained = train(spec, launcher_of(run), on_progress=lambda line: say(step, line))
    manifest = trained.manifest
    loss = trained.history[manifest["best_epoch"] - 1]["val_loss"]
    result = result_of(run, spec, trained, f"validation loss {loss:.4f}")
    return replace(result, detail={**result.detail, "row_index_bytes": manifest["plan"]["row_index_bytes"]})


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    return trained_on(run, table_spec(run, inputs, run.config.table.name), step)


def is_there(run: Run, entry: Entry) -> bool:
    """Whether nobody has removed the model's folder."""
    return model_holds(run, entry, "manifest.json")


TRAIN_TABLE = Stage("train", MODULES, _configuration, pinned, _body, is_there, finish)
