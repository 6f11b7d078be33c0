"""A training's ledger row → a run in MLflow: parameters, figures by split and epoch, and the folder of the model.

MLflow keeps what the ledger says already; its own loggers and formats of models, which pickle, are not used.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from ringmill.config.tracking import Mlflow
from ringmill.contracts import LEDGER_HISTORY
from ringmill.errors import ConfigError, TrainingError
from ringmill.hashing import digest
from ringmill.lake.ledger import Entry
from ringmill.lake.tables import Lake
from ringmill.pipeline.history import leaves

# By which a training is found again, that it is told once: a run may have several, each of a model of its own.
RUN_TAG, MODEL_TAG = "ringmill.run_id", "ringmill.model"
LONGEST_VALUE = 6_000
LONGEST_NAME = 250
MOST_AT_ONCE = 100
FINISHED = "FINISHED"


@dataclass(frozen=True)
class Training:
    """What MLflow is told: texts by name, and numbers by (name, step); step 0 is the whole training."""

    params: Mapping[str, str]
    metrics: Mapping[tuple[str, int], float]
    tags: Mapping[str, str]


def check_installed(section: Mlflow | None) -> None:
    """Raises ConfigError where trainings are to be tracked and the extra is not installed: before hours of training."""
    if section is not None and find_spec("mlflow") is None:
        expected = "MLflow's client beside Ringmill, by scripts/bootstrap --mlflow or pip install 'ringmill[mlflow]'"
        raise ConfigError.bad_value("this Python environment", "mlflow", expected, "no module mlflow")


def training_of(entry: Entry, epochs: list[Mapping[str, Any]]) -> Training:
    """What is told of a published training, whose epochs are rows of ledger/history."""
    told = {name: entry.configuration[name] for name in ("train", "seed") if name in entry.configuration}
    settings = dict(leaves(told))
    param_names = names_of(settings)
    params = {param_names[key]: str(value)[:LONGEST_VALUE] for key, value in settings.items()}
    metrics = dict(_numbers(entry.detail.get("metrics", {}), 0))
    metrics |= {(f"rows.{split}", 0): float(rows) for split, rows in entry.counts.items() if _is_number(rows)}
    metrics |= {("seconds", 0): entry.seconds, ("peak_bytes", 0): float(entry.peak_bytes)}
    for epoch in epochs:
        figures = {f"epoch.{name}": value for name, value in epoch.items() if name not in ("run_id", "epoch", "model")}
        metrics |= dict(_numbers(figures, int(epoch["epoch"])))
    tags = {RUN_TAG: entry.run_id, MODEL_TAG: str(entry.detail["model"])}
    tags |= {"ringmill.pipeline": entry.pipeline, "ringmill.code": entry.code}
    tags |= {"ringmill.version": entry.ringmill, "mlflow.user": entry.user, "mlflow.runName": entry.run_id}
    for name, version in entry.inputs.items():
        tags["ringmill.input." + "/".join(map(_name, name.split("/")))] = str(version)[:LONGEST_VALUE]
    names = names_of(name for name, _ in metrics)
    return Training(params, {(names[name], step): value for (name, step), value in metrics.items()}, tags)


def track(section: Mlflow, entry: Entry, lake: Lake) -> None:
    """Tell MLflow of a published training, once; what a killed command left half told is told to its end.

    Raises:
        TrainingError: MLflow cannot be told. The training stays published, and the next run tells it.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    uri = section.uri if "://" in section.uri else Path(section.uri).absolute().as_uri()
    if uri.startswith("file:"):
        # MLflow refuses folders otherwise; a database needs more of it than its client.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    try:
        client = mlflow.MlflowClient(tracking_uri=uri)
        _tell(client, section, entry, lake)
    except (MlflowException, OSError) as error:
        raise TrainingError.not_tracked(section.uri, str(error).splitlines()[0]) from error


def _tell(client: Any, section: Mlflow, entry: Entry, lake: Lake) -> None:
    from mlflow.entities import Metric, Param

    name = section.experiment or entry.pipeline
    found = client.get_experiment_by_name(name)
    experiment = client.create_experiment(name) if found is None else found.experiment_id
    model = str(entry.detail["model"])
    training = training_of(entry, epochs_of(lake, entry.run_id, model))
    started = int(entry.started_at.timestamp() * 1000)
    same = f"tags.`{RUN_TAG}` = '{entry.run_id}' AND tags.`{MODEL_TAG}` = '{model}'"
    known = client.search_runs([experiment], same)
    if any(run.info.status == FINISHED for run in known):
        return
    run = known[0] if known else client.create_run(experiment, start_time=started, tags=dict(training.tags))
    ended = started + int(entry.seconds * 1000)
    metrics = [Metric(key, value, ended, step) for (key, step), value in training.metrics.items()]
    params = [Param(key, value) for key, value in training.params.items()]
    for place in range(0, max(len(metrics), len(params)), MOST_AT_ONCE):
        some = slice(place, place + MOST_AT_ONCE)
        client.log_batch(run.info.run_id, metrics=metrics[some], params=params[some])
    if section.keep_model:
        client.log_artifacts(run.info.run_id, lake.path(model), "model")
    client.set_terminated(run.info.run_id, FINISHED, end_time=ended)


def epochs_of(lake: Lake, run_id: str, model: str) -> list[Mapping[str, Any]]:
    """The rows of ledger/history of a training; rows of an older version of ringmill name no model, and are its run's
    alone."""
    path = lake.path(LEDGER_HISTORY.path)
    if not DeltaTable.is_deltatable(path):
        return []
    found: pa.Table = DeltaTable(path).to_pyarrow_table(filters=[("run_id", "=", run_id)])
    rows = found.sort_by("epoch").to_pylist()
    return [row for row in rows if row.get("model") in (model, None)]


def _numbers(tree: Mapping[str, Any], step: int) -> Iterator[tuple[tuple[str, int], float]]:
    """The numbers of a tree by the path of keys to each; intervals, classes and what is undefined are left out."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from (((f"{key}.{name}", at), number) for (name, at), number in _numbers(value, step))
        elif _is_number(value):
            yield (key, step), float(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def names_of(paths: Iterable[str]) -> Mapping[str, str]:
    """The name in MLflow of each path of keys; those that would be equal, or too long, end with a piece of a hash."""
    plain = {path: _name(path) for path in paths}
    times = Counter(plain.values())
    return {
        path: name
        if len(name) <= LONGEST_NAME and (name == path or times[name] == 1)
        else f"{name[: LONGEST_NAME - 7]}-{digest(path)[:6]}"
        for path, name in plain.items()
    }


def _name(key: str) -> str:
    """With the characters alone that MLflow takes in a name; no '/' either, which makes a folder of it."""
    return re.sub(r"[^\w\-. :]+", "_", key).strip("_")
