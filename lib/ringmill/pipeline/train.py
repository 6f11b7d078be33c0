"""Stage train: features/<name> → a model under models/<name>/<run id>, beside three baselines on the same split."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.hashing import digest
from ringmill.lake.key import code_hash
from ringmill.lake.ledger import Entry
from ringmill.pipeline.baselines import purchase_model_baseline
from ringmill.pipeline.lines import RATES, check_money, line_configuration, rate_inputs
from ringmill.pipeline.prepared import check_promises, prepared, prepared_row
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.pipeline.trained import finish, result_of
from ringmill.train.build import modules

if TYPE_CHECKING:
    from ringmill.train.run import Launcher
    from ringmill.train.spec import TrainResult, TrainSpec


# What a rank's time of training goes into, in a person's words.
SHARES = {"data": "in data", "compute": "in compute", "allreduce": "in the ring"}
MODULES = ("ringmill.pipeline.train", "ringmill.train.rank", *modules())


def _configuration(config: Config) -> Mapping[str, Any]:
    # What the baseline of BG/NBD reads besides the table of features.
    baseline = {"baseline": {"lifetime": dump(config.rfm.lifetime)}, **line_configuration(config)}
    return {"train": dump(config.train), "seed": config.seed, **baseline}


def _inputs(run: Run) -> Mapping[str, Any]:
    found = prepared(run, "features", run.config.features.name)
    # The baseline's lines are those of the features.
    check_money(run, features_row(run, found))
    return {**found, **rate_inputs(run)}


def features_row(run: Run, inputs: Mapping[str, Any]) -> Entry:
    """The row of the ledger that published the features that a training's inputs pin. Raises as `prepared_row`."""
    return prepared_row(run, "features", run.config.features.name, inputs)


def model_holds(run: Run, entry: Entry, file: str) -> bool:
    """Whether the folder of the model that a row of the ledger names still has the file."""
    return (Path(run.lake.path(entry.detail["model"])) / file).is_file()


def planned(run: Run) -> str:
    """The hand-off's plan for the published features, as text."""
    inputs = _inputs(run)
    features = features_row(run, inputs)
    spec = _spec(run, inputs, features)
    unread = check_manifest(spec, features)
    return "\n".join([*plan_lines(run, spec), *_unread_words(unread)])


def plan_lines(run: Run, spec: TrainSpec) -> list[str]:
    """The hand-off's plan of a training, line by line. Raises as `train.run.plan`."""
    from ringmill.handoff.reading import reading_lines
    from ringmill.train.placing import placed_by
    from ringmill.train.run import plan

    _, handed = plan(spec, placed=placed_by(spec.train, run.config.spark.master))
    return [*handed.lines(), *reading_lines(handed, epochs=spec.train.epochs)]


def check_manifest(spec: TrainSpec, features: Entry) -> list[str]:
    """The pinned version against the manifest with which it was published (law 9); the tensors that no model reads.

    Raises as `check_promises`.
    """
    from ringmill.features.state import State

    return check_promises(spec, features, State.from_json(features.detail["state"]))


def _unread_words(names: Sequence[str]) -> list[str]:
    return [f"the model reads x alone, and none of {', '.join(names)}"] if names else []


def _spec(run: Run, inputs: Mapping[str, Any], features: Entry) -> TrainSpec:
    group = run.config.train.interval_group or "customer_id"
    inputs = {name: value for name, value in inputs.items() if name != RATES}  # which decide no weight
    width = len(features.detail["names"])
    return training_of(run, inputs, run.config.features.name, code=MODULES, features=width, group=group)


def training_of(
    run: Run, inputs: Mapping[str, Any], name: str, *, code: Sequence[str], features: int, **more: Any
) -> TrainSpec:
    """The training on features/<name> at the version of `inputs`, by the modules `code`; `features` numbers a row.

    `more` are fields of the spec besides.
    """
    from ringmill.train.spec import TrainSpec

    table = f"features/{name}"
    return TrainSpec(
        table=run.lake.path(table),
        version=inputs[table],
        folder=run.lake.path(f"models/{name}/{run.run_id}"),
        train=run.config.train,
        seed=run.config.seed,
        features=features,
        run_id=run.run_id,
        checkpoints=checkpoints_of(run, inputs, name, code=code),
        **more,
    )


def checkpoints_of(run: Run, inputs: Mapping[str, Any], name: str, *, code: Sequence[str]) -> str:
    """The folder of a training's checkpoints: it is found by what decides the weights, so that a killed run's successor
    goes on with them."""
    from ringmill.train.spec import ASIDE

    section = {key: value for key, value in dump(run.config.train).items() if key not in ASIDE}
    key = digest([inputs, section, run.config.seed, code_hash(*code)])[:16]
    return run.lake.path(f"models/{name}/checkpoints/{key}")


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from ringmill.train.run import train

    # Once, before anything: others are published while this trains.
    features = features_row(run, inputs)
    spec = _spec(run, inputs, features)
    section = run.config.train
    step.say("checking the features against their manifest")
    for words in _unread_words(check_manifest(spec, features)):
        step.say(words)
    step.say(f"starting {section.ranks} ranks")
    trained = train(spec, launcher_of(run), on_progress=lambda line: say(step, line))
    step.say("comparing with logistic regression, BG/NBD and days since the last order")
    evaluation = _with_baselines(run, spec, trained, features)
    _write_model_files(trained, features, evaluation)
    return result_of(run, spec, trained, _auc_words(trained.manifest["metrics"]["test"]["auc"]))


def _auc_words(auc: float | None) -> str:
    return "one class only in the test split" if auc is None else f"AUC {auc:.3f} on the test split"


def launcher_of(run: Run) -> Launcher:
    """What starts the ranks, as the configuration says."""
    section = run.config.train
    if section.launcher == "local":
        from ringmill.train.launch.local import LocalLauncher

        return LocalLauncher()
    if section.launcher == "hosts":
        from ringmill.train.launch.hosts import HostsLauncher

        return HostsLauncher(section.hosts, section.ssh_options)
    from ringmill.train.launch.barrier import BarrierLauncher

    return BarrierLauncher(run.spark)


def say(step: Step, line: Mapping[str, Any]) -> None:
    """A line of the training's progress, as a person reads it."""
    if line["event"] == "ready":
        held = {0: "rows pass by in windows", 1: "one decoded copy of the rows"}
        copies = held.get(line["decoded_copies"], f"{line['decoded_copies']} decoded copies of the rows")
        step.say(f"{line['ranks']} ranks ready after {line['seconds']:.1f} s, {copies}")
    elif line["event"] == "checkpoint_not_used":
        step.say(f"checkpoint {line['path']} is not used: it {line['cause']}")
    elif line["event"] == "retry":
        step.say(f"{line['cause']} Starting again, {line['attempt']} of at most {line['retries']} times")
    elif line["event"] == "resumed":
        step.say(f"going on after epoch {line['epoch']}, step {line['step']}, of an interrupted run")
    elif line["event"] == "epoch" and (line["epoch"] % 5 == 0 or line["epoch"] == 1):
        step.say(
            f"epoch {line['epoch']} of at most {line['epochs']}, validation loss {line['val_loss']:.4f}, "
            f"{_pace_words(line)}"
        )
    elif line["event"] == "step":
        step.say(f"epoch {line['epoch']}, step {line['step']:,} of {line['steps']:,}, {_pace_words(line)}")


def _pace_words(line: Mapping[str, Any]) -> str:
    shares = ", ".join(f"{line[f'share_{name}']:.0%} {words}" for name, words in SHARES.items())
    return f"{line['rows_per_second']:,.0f} rows/s per rank, {shares}"


def _with_baselines(run: Run, spec: TrainSpec, trained: TrainResult, published: Entry) -> pa.Table:
    """The test rows' predictions, beside what each baseline says of them; `published` is the row of the features.

    Columns out: those of predictions.parquet, logistic_probability, days_since_last_order, recent_spend (of the window
    nearest to the horizon), training_mean_spend and, where BG/NBD could be fitted, bgnbd_probability and bgnbd_spend.
    """
    from ringmill.score.baselines import with_logistic_probability

    table = f"features/{run.config.features.name}"
    features = run.lake.read(run.spark, table, spec.version)
    windows = run.config.features.windows_days
    nearest = min(windows, key=lambda days: abs(days - run.config.features.horizon_days))
    kept = ["row_id", "logistic_probability", "days_since_last_order", f"spend_total_{nearest}d"]
    baseline = with_logistic_probability(features).select(*kept).toArrow()
    predictions = pq.read_table(trained.folder / "predictions.parquet")
    renamed = baseline.rename_columns([*kept[:3], "recent_spend"])
    train_spend = run.lake.read_arrow(table, spec.version, ["label_spend", "split"])
    mean = pc.mean(train_spend.filter(pc.field("split") == "train")["label_spend"]).as_py()
    joined = predictions.join(renamed, "row_id")
    if (modelled := purchase_model_baseline(run, features, published)) is not None:
        joined = joined.join(modelled, "row_id")
    joined = joined.sort_by("row_id")
    return joined.append_column("training_mean_spend", pa.array([mean] * joined.num_rows))


def _write_model_files(trained: TrainResult, features: Entry, evaluation: pa.Table) -> None:
    """Complete the model folder: what scoring and the report need besides what the ranks left."""
    state = json.dumps(features.detail["state"], indent=1)
    (trained.folder / "features.json").write_text(state, encoding="utf-8")
    pq.write_table(evaluation, trained.folder / "evaluation.parquet")


def _is_there(run: Run, entry: Entry) -> bool:
    return model_holds(run, entry, "features.json")


TRAIN = Stage("train", MODULES, _configuration, _inputs, _body, _is_there, finish)
