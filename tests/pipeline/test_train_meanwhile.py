"""Others publish while a model is trained: it keeps what belongs to the rows that it was trained on.

The warehouse is composed without a JVM, and what ranks would leave is written by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from published import CONF, COUNTRY, STATE, contract_of, publish_features
from ringmill.config import load
from ringmill.contracts import CLEAN_ROWS
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
        for name, tree in (("manifest", manifest), ("history", [])):
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
