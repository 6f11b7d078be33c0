"""What MLflow is told of a training; the real client in an environment made from its lock is a long test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from ringmill.config import load
from ringmill.config.tracking import Mlflow
from ringmill.contracts import LEDGER_HISTORY
from ringmill.errors import ConfigError, TrainingError
from ringmill.lake.arrow import schema_of
from ringmill.lake.ledger import Entry, Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline.tracking import _tell, check_installed, epochs_of, training_of
from ringmill.pipeline.trained import history_rows

ROOT = Path(__file__).parents[2]
TRAINED = Entry(
    "run-1",
    "shop",
    "train",
    "published",
    "key",
    "c0de",
    {
        "train": {"batch": 64, "model": {"kind": "mlp", "hidden": [8, 4]}, "l2": 0.0},
        "seed": 7,
        "baseline": {"zone": "UTC"},
    },
    {"features/customers": 3, "state": "abc"},
    outputs={"model": "run-1"},  # type: ignore[dict-item]
    counts={"train": 70, "validation": 15, "test": 15},
    detail={
        "model": "models/customers/run-1",
        "metrics": {"test": {"auc": 0.75, "log_loss": None, "f1": {"buy": 0.5}, "curve": [1, 2], "nan": float("nan")}},
    },
    started_at=datetime(2026, 1, 2, tzinfo=UTC),
    seconds=12.5,
    user="ann",
)


def epochs(lake: Lake) -> None:
    losses = {"train_loss": 0.5, "val_loss": 0.4, "seconds": 1.0}
    names = {column.name for column in LEDGER_HISTORY.columns}
    rows = [
        {"run_id": run, "model": f"models/{name}/{run}", "epoch": epoch, "rows_seen": 70, **losses}
        for run, name in (("run-1", "customers"), ("run-1", "embedding"), ("other", "customers"))
        for epoch in (2, 1)
    ]
    kept = [{name: row.get(name, 0.0) for name in names} for row in rows]
    lake.append_arrow(LEDGER_HISTORY.path, pa.Table.from_pylist(kept, schema=schema_of(LEDGER_HISTORY)))


def test_a_trainings_row_is_parameters_figures_by_split_and_epoch_and_tags(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    epochs(lake)
    told = training_of(TRAINED, epochs_of(lake, "run-1", "models/customers/run-1"))
    assert dict(told.params) == {
        "train.batch": "64",
        "train.model.kind": "mlp",
        "train.model.hidden": "[8, 4]",
        "train.l2": "0.0",
        "seed": "7",
    }
    whole = {name: value for (name, step), value in told.metrics.items() if step == 0}
    assert whole == {
        "test.auc": 0.75,
        "test.f1.buy": 0.5,
        "rows.train": 70.0,
        "rows.validation": 15.0,
        "rows.test": 15.0,
        "seconds": 12.5,
        "peak_bytes": 0.0,
    }
    assert {step for name, step in told.metrics if name == "epoch.val_loss"} == {1, 2}
    assert told.metrics["epoch.val_loss", 2] == 0.4
    assert told.tags["ringmill.run_id"] == "run-1"
    assert told.tags["ringmill.model"] == "models/customers/run-1"
    assert told.tags["ringmill.input.features/customers"] == "3"


def test_a_name_has_only_characters_that_mlflow_takes() -> None:
    detail = {"model": "m", "metrics": {"test": {"f1 [größe]": 1.0}}}
    entry = replace(TRAINED, detail=detail, configuration={}, counts={})
    names = {name for name, _ in training_of(entry, []).metrics}
    assert names == {"test.f1 _größe", "seconds", "peak_bytes"}


class Client:
    """As much of MLflow's client as is asked: runs by their tags, and how often each metric was told."""

    def __init__(self) -> None:
        self.runs: list[SimpleNamespace] = []
        self.told: Counter[tuple[str, str]] = Counter()

    def get_experiment_by_name(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(experiment_id=name)

    def search_runs(self, experiments: list[str], where: str) -> list[SimpleNamespace]:
        asked = dict(re.findall(r"tags\.`([^`]+)` = '([^']*)'", where))
        return [run for run in self.runs if asked.items() <= run.tags.items()]

    def create_run(self, experiment: str, *, start_time: int, tags: dict[str, str]) -> SimpleNamespace:
        info = SimpleNamespace(run_id=str(len(self.runs)), status="RUNNING")
        self.runs.append(SimpleNamespace(info=info, tags=tags))
        return self.runs[-1]

    def log_batch(self, run_id: str, *, metrics: list[tuple[Any, ...]], params: list[tuple[str, str]]) -> None:
        self.told.update((run_id, metric[0]) for metric in metrics)

    def set_terminated(self, run_id: str, status: str, *, end_time: int) -> None:
        self.runs[int(run_id)].info.status = status


def test_each_training_of_a_run_is_told_once_with_its_own_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entities = SimpleNamespace(Metric=lambda *told: told, Param=lambda *told: told)
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(entities=entities))
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    lake, client, section = Lake(str(tmp_path)), Client(), Mlflow(uri="x", keep_model=False)
    epochs(lake)
    embedded = replace(TRAINED, stage="embed", detail={"model": "models/embedding/run-1", "metrics": {}})
    for entry in (embedded, TRAINED, embedded, TRAINED):
        _tell(client, section, entry, lake)
    assert [run.tags["ringmill.model"] for run in client.runs] == ["models/embedding/run-1", "models/customers/run-1"]
    assert [client.told[run, "epoch.val_loss"] for run in ("0", "1")] == [2, 2]


def test_epochs_of_an_older_version_are_their_runs_and_the_table_goes_on_with_the_model(tmp_path: Path) -> None:
    lake, schema = Lake(str(tmp_path)), schema_of(LEDGER_HISTORY)
    older = pa.schema([field for field in schema if field.name != "model"])
    row = dict.fromkeys(schema.names, 1.0) | {"run_id": "old", "epoch": 1, "rows_seen": 70}
    lake.append_arrow(LEDGER_HISTORY.path, pa.Table.from_pylist([row], schema=older))
    assert [epoch["epoch"] for epoch in epochs_of(lake, "old", "models/customers/old")] == [1]
    epochs(lake)
    assert [epoch["epoch"] for epoch in epochs_of(lake, "old", "models/customers/old")] == [1]
    assert [epoch["epoch"] for epoch in epochs_of(lake, "run-1", "models/embedding/run-1")] == [1, 2]
    field = DeltaTable(lake.path(LEDGER_HISTORY.path)).schema().fields[-1]
    assert (field.name, field.nullable) == ("model", True)
    assert field.metadata["comment"].startswith("path of the model")


def test_an_epochs_row_names_the_model_under_the_warehouse() -> None:
    epoch = {name: 1.0 for name in schema_of(LEDGER_HISTORY).names if name not in ("run_id", "model")}
    epoch |= {"epoch": 1, "rows_seen": 70}
    rows = history_rows("run-1", "models/customers/run-1", [epoch])
    assert rows.select(["run_id", "model", "epoch"]).to_pylist() == [
        {"run_id": "run-1", "model": "models/customers/run-1", "epoch": 1}
    ]


def test_classes_have_names_that_mlflow_takes_and_each_its_own() -> None:
    recall = {"Q&A, other": 0.1, "Q_A_ other": 0.2, "Q?A, other": 0.3, "n/a": 0.4, "..": 0.5, "x" * 300: 0.6}
    figures = {"test": {"classes": {name: {"recall": value} for name, value in recall.items()}}}
    entry = replace(TRAINED, detail={"model": "m", "metrics": figures}, configuration={}, counts={})
    told = training_of(entry, []).metrics
    names = [name for name, _ in told if name not in ("seconds", "peak_bytes")]
    assert sorted(told[name, 0] for name in names) == sorted(recall.values())
    assert all(re.fullmatch(r"[\w.\- :]{1,250}", name) for name in names)
    assert told["test.classes.Q_A_ other.recall", 0] == 0.2
    assert told["test.classes.n_a.recall", 0] == 0.4


def test_without_the_extra_a_run_ends_before_it_begins() -> None:
    check_installed(None)
    with pytest.raises(ConfigError, match=r"scripts/bootstrap --mlflow[\s\S]*no module mlflow"):
        check_installed(Mlflow(uri="mlruns"))


SHOP = """
pipeline: shop
warehouse: lake
raw: {path: r, columns: {order_id: o, product_id: p, quantity: q, unit_price: u, customer_id: c, ordered_at: t}}
features: {train_cutoffs: [2024-05-01]}
"""


@pytest.mark.parametrize(
    "setting",
    [
        "mlflow={uri: 'https://ann:secret@host/x'}",
        "mlflow={uri: 'https://ann:pw/secret@host'}",
        "mlflow={uri: 'sqlite:///x.db'}",
        "openlineage={url: 'https://ann:secret@host/x'}",
        "openlineage={path: a, url: 'http://host/x'}",
        "openlineage={path: a, parent: airflow}",
        "openlineage={}",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_and_no_password_is_shown(tmp_path: Path, setting: str) -> None:
    conf = tmp_path / "conf.yaml"
    conf.write_text(SHOP, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(conf, [setting])
    assert "secret" not in str(caught.value)


TELL = """
import json, sys
from pathlib import Path
from ringmill.config.tracking import Mlflow
from ringmill.lake.ledger import Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline.tracking import check_installed, track
warehouse, uri, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
ledger, section = Ledger(Lake(warehouse)), Mlflow(uri=uri)
check_installed(section)
for _ in range(times):
    track(section, ledger.resolve("train"), ledger.lake)
import mlflow
client = mlflow.MlflowClient(tracking_uri=Path(uri).absolute().as_uri())
runs = client.search_runs([client.get_experiment_by_name("shop").experiment_id])
history = client.get_metric_history(runs[0].info.run_id, "epoch.val_loss")
files = sorted(file.path for file in client.list_artifacts(runs[0].info.run_id, "model"))
print(json.dumps([len(runs), runs[0].info.status, runs[0].data.params, runs[0].data.metrics, len(history), files]))
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that finds MLflow's locked client beside our packages."""
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ringmill" / "uv" / "bin" / "uv"
    target = tmp_path_factory.mktemp("mlflow")
    lock = ROOT / "scripts" / "lock" / "mlflow.txt"
    install = [
        home,
        "pip",
        "install",
        "-q",
        "--python",
        sys.executable,
        "--target",
        target,
        "--require-hashes",
        "-r",
        lock,
    ]
    subprocess.run(install, check=True)
    return {**os.environ, "PYTHONPATH": str(target)}


@pytest.mark.long
def test_the_real_client_keeps_a_training_once_with_its_model(client: dict[str, str], tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "shop"))
    folder = Path(lake.path("models/customers/run-1"))
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    Ledger(lake).append(TRAINED)
    epochs(lake)

    def tell(uri: Path, times: int) -> Any:
        command = [sys.executable, "-c", TELL, lake.root, str(uri), str(times)]
        return subprocess.run(command, env=client, capture_output=True, text=True)

    done = tell(tmp_path / "mlruns", 2)
    assert done.returncode == 0, done.stderr
    runs, status, params, metrics, epoch_count, files = json.loads(done.stdout.splitlines()[-1])
    assert (runs, status, epoch_count, files) == (1, "FINISHED", 2, ["model/manifest.json"])
    assert params["train.batch"] == "64"
    assert metrics["test.auc"] == 0.75
    (tmp_path / "file").write_text("no folder")
    failed = tell(tmp_path / "file" / "mlruns", 1)
    assert failed.returncode != 0
    assert "MLflow could not be told of it" in failed.stderr
    assert TrainingError.not_tracked("x", "y").exit_status == 4
