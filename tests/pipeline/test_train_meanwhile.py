"""What happens while a model is trained and until it is published: others publish, and runs are killed.

The warehouse is composed without a JVM, and what ranks would leave is written by hand.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from published import CONF, COUNTRY, STATE, contract_of, publish_features
from ringmill.config import load
from ringmill.contracts import CLEAN_ROWS, LEDGER_HISTORY
from ringmill.errors import InputError
from ringmill.features.state import State
from ringmill.lake.ledger import OPTIMIZE, Entry
from ringmill.pipeline import score
from ringmill.pipeline.prepared import check_state, prepared_row
from ringmill.pipeline.stage import Run, execute
from ringmill.pipeline.train import TRAIN
from ringmill.train.spec import TrainResult, TrainSpec

OTHER = replace(STATE, parts=(replace(COUNTRY, values=("France", "Italy")),))
METRICS = {"test": {"auc": 0.7}}
EPOCH = {name: 1 for name in LEDGER_HISTORY.names if name not in ("run_id", "model")}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    found = Run(load(CONF, ["train.launcher=local"], warehouse=str(tmp_path)))
    yield found
    found.close()


def trains(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], Any]) -> list[Entry]:
    """Ranks that leave what they must once `meanwhile` has happened; whose lines the baselines read."""
    read: list[Entry] = []

    def train(spec: TrainSpec, launcher: Any, *, on_progress: Any) -> TrainResult:
        meanwhile()
        folder = Path(spec.folder)
        folder.mkdir(parents=True)
        manifest = {"run_id": spec.run_id, "plan": {"rows": {}}, "epochs": 1, "best_epoch": 1, "laws": {}}
        manifest["metrics"] = METRICS
        kept = Path(spec.checkpoints)
        kept.mkdir(parents=True, exist_ok=True)
        (kept / "000001.checkpoint").write_bytes(b"weights")
        for name, tree in (("manifest", manifest), ("history", [EPOCH | {"epoch": number} for number in (1, 2)])):
            (folder / f"{name}.json").write_text(json.dumps(tree), encoding="utf-8")
        pq.write_table(pa.table({"row_id": [1], "buy_probability": [0.5]}), folder / "predictions.parquet")
        return TrainResult(folder, folder / "model.keras", manifest, ())

    def baselines(run: Run, spec: TrainSpec, trained: TrainResult, published: Entry) -> pa.Table:
        read.append(published)
        return pq.read_table(trained.folder / "predictions.parquet")

    monkeypatch.setattr("ringmill.train.run.train", train)
    monkeypatch.setattr("ringmill.pipeline.train._with_baselines", baselines)
    return read


def test_law_9_a_model_keeps_the_state_of_its_own_features_whatever_is_published_while_it_trains(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish_features(run, inputs={CLEAN_ROWS.path: 1})
    later = {"inputs": {CLEAN_ROWS.path: 2}}
    read = trains(monkeypatch, lambda: publish_features(run, OTHER, contract_of(OTHER), **later))
    trained = execute(TRAIN, run)
    kept = json.loads((Path(run.lake.path(trained.detail["model"])) / "features.json").read_text(encoding="utf-8"))
    assert State.from_json(kept) == STATE
    assert trained.inputs["state"] == STATE.hash
    assert [row.inputs for row in read] == [first.inputs]
    assert run.ledger.resolve("features").detail["state_hash"] == OTHER.hash
    check_state(run, trained.detail["model"], kept)


def test_law_9_a_model_with_another_state_beside_its_weights_does_not_score(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_features(run)
    trains(monkeypatch, lambda: None)
    trained = execute(TRAIN, run)
    folder = Path(run.lake.path(trained.detail["model"]))
    (folder / "features.json").write_text(json.dumps(OTHER.to_json()), encoding="utf-8")
    monkeypatch.setattr(score, "check_cutoff", lambda *words, **more: None)
    inputs = {CLEAN_ROWS.path: 0, "model": trained.detail["model"]}
    with pytest.raises(InputError, match="another frozen state") as refused:
        score._body(Run(load(CONF, ["score.cutoff=2024-12-01"], warehouse=run.lake.root)), inputs, None)
    assert (refused.value.expected[:22], refused.value.received) == (
        f"the state {STATE.hash[:12]}",
        f"the state {OTHER.hash[:12]}",
    )
    assert "score.model_run" in refused.value.todo


def test_the_row_of_features_is_found_by_their_version_and_state_however_they_are_laid_out(run: Run) -> None:
    first = publish_features(run)
    publish_features(run, OTHER)
    name, table = run.config.features.name, f"features/{run.config.features.name}"
    run.ledger.append(replace(first, run_id="o", stage=OPTIMIZE, inputs={table: 0}, outputs={table: 7}))
    for version in (0, 7):
        assert prepared_row(run, "features", name, {table: version, "state": STATE.hash}).run_id == first.run_id
    for inputs in ({table: 0, "state": OTHER.hash}, {table: 2, "state": STATE.hash}):
        with pytest.raises(InputError, match="published nothing"):
            prepared_row(run, "features", name, inputs)


def checkpoints(run: Run) -> list[Path]:
    return list(Path(run.lake.root).glob("models/*/checkpoints/*/*"))


def epochs(run: Run) -> list[tuple[str, int]]:
    """Run and epoch of each row of ledger/history."""
    path = run.lake.path(LEDGER_HISTORY.path)
    if not DeltaTable.is_deltatable(path):
        return []
    return sorted((row["run_id"], row["epoch"]) for row in DeltaTable(path).to_pyarrow_table().to_pylist())


def again(run: Run) -> Run:
    return Run(run.config)


def test_law_3_checkpoints_stay_until_the_model_is_published_and_each_epoch_is_kept_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_features(run)
    found: list[list[Path]] = []
    trains(monkeypatch, lambda: found.append(checkpoints(run)))

    def killed(*words: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("ringmill.pipeline.stage._record", killed)
        execute(TRAIN, run)
    assert (len(checkpoints(run)), epochs(run)) == (1, [])
    second = again(run)
    with pytest.raises(KeyboardInterrupt):
        execute(replace(TRAIN, after=killed), second)
    assert [len(paths) for paths in found] == [0, 1]  # the second had them to go on with
    assert (len(checkpoints(run)), epochs(run)) == (1, [])
    for _ in range(2):
        assert execute(TRAIN, again(run)).outcome == "unchanged"
        assert (checkpoints(run), epochs(run)) == ([], [(second.run_id, 1), (second.run_id, 2)])


def test_checkpoints_of_a_later_training_that_was_stopped_stay(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_features(run)
    trains(monkeypatch, lambda: None)
    trained = execute(TRAIN, run)
    later = Path(run.lake.path(trained.detail["checkpoints"])) / "000002.checkpoint"
    later.parent.mkdir(parents=True)
    later.write_bytes(b"weights")
    os.utime(later, (later.stat().st_atime, later.stat().st_mtime + 60))
    assert execute(TRAIN, again(run)).outcome == "unchanged"
    assert checkpoints(run) == [later]
