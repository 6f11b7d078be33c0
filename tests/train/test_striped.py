"""The order 'striped' on real ranks: laws 4, 6, 7 and 8, and what it does not promise."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as judge

from handoff.tables import features_table, write_table
from ringmill.errors import TrainingError
from ringmill.train.checkpoint import State
from ringmill.train.checkpoints import CheckpointFolder, read_whole
from ringmill.train.spec import TrainResult, TrainSpec
from train.runs import rank_processes, run, spec_of

pytestmark = pytest.mark.ring

ROWS = features_table(260, seed=5)
# 7 places of a rank in a step: 2 steps in a window.
STRIPED = {"order": "striped", "window_rows": 14, "epochs": 12, "checkpoint_steps": 2}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("striped")
    write_table(home / "table", *(ROWS.slice(start, 40) for start in range(0, 260, 40)))
    return home


def spec(home: Path, name: str, *, ranks: int = 2, **changes: Any) -> TrainSpec:
    return spec_of(str(home / "table"), home / name, ranks=ranks, version=6, **{**STRIPED, **changes})


@pytest.fixture(scope="module")
def whole(home: Path) -> TrainResult:
    return run(spec(home, "whole"))


@pytest.fixture(scope="module")
def stopped(home: Path) -> Path:
    """The folder of a run whose rank 0 was killed within epoch 3; its padding holds 1e30."""

    def follow(line: Mapping[str, Any]) -> None:
        if line["event"] == "step" and (line["epoch"], line["step"]) == (3, 4):
            rank_processes(home / "stopped")[0].kill()

    with pytest.raises(TrainingError, match="Rank 0"):
        run(spec(home, "stopped", padding_fill=1e30), on_progress=follow)
    return home / "stopped"


def test_law_4_every_row_is_seen_each_epoch_in_equal_steps_and_law_5_is_not_claimed(whole: TrainResult) -> None:
    rows = ROWS.filter(pa.compute.field("split") == "train").num_rows
    laws = whole.manifest["laws"]
    assert laws["4"] == {"rows_seen_in_each_epoch": [rows], "rows": rows, "steps_per_rank": -(-rows // 13)}
    assert "5" not in laws
    assert laws["8"]["bytes_written_while_reading"] == 0
    assert (whole.manifest["plan"]["order"], whole.manifest["decoded_copies"]) == ("striped", 0)
    assert whole.history[-1]["loss"] < whole.history[0]["loss"]


def test_law_6_metrics_equal_scikit_learn_on_the_written_predictions(whole: TrainResult) -> None:
    table = pq.read_table(whole.folder / "predictions.parquet")
    label, probability = table["label_buy"].to_numpy(), table["buy_probability"].to_numpy()
    metrics = whole.manifest["metrics"]["test"]
    assert metrics["auc"] == pytest.approx(judge.roc_auc_score(label, probability), abs=1e-9)
    assert metrics["log_loss"] == pytest.approx(judge.log_loss(label, probability), abs=1e-9)
    test_rows = ROWS.filter(pa.compute.field("split") == "test")
    assert sorted(table["row_id"].to_pylist()) == sorted(test_rows["row_id"].to_pylist())


def test_law_7_another_number_of_ranks_is_refused_within_an_epoch(home: Path, whole: TrainResult) -> None:
    newest = max((whole.folder / "checkpoints").iterdir())
    ended, fingerprint = State.from_bytes(read_whole(newest))
    CheckpointFolder(home / "within", 1).write(replace(ended, epoch=5, step=2), fingerprint)
    with pytest.raises(TrainingError, match="written by 2 ranks within epoch 6"):
        run(spec(home, "other", ranks=1, checkpoints=str(home / "within")))


def test_law_7_and_4_a_run_killed_between_two_windows_ends_with_the_same_bits_whatever_padding_holds(
    home: Path, stopped: Path, whole: TrainResult
) -> None:
    events = []
    # The fill decides nothing, and is not part of what a checkpoint belongs to.
    resumed = run(spec(home, "stopped", padding_fill=1e30), on_progress=events.append)
    assert events[1]["event"] == "resumed" and (events[1]["epoch"], events[1]["step"]) >= (2, 4)
    assert resumed.manifest["final_weights_sha256"] == whole.manifest["final_weights_sha256"]
    assert resumed.manifest["metrics"] == whole.manifest["metrics"]


def test_law_7_another_number_of_ranks_goes_on_at_an_epochs_end(home: Path, whole: TrainResult) -> None:
    shutil.copytree(whole.folder / "checkpoints", home / "ended")
    alone = run(spec(home, "alone", ranks=1, checkpoints=str(home / "ended")))
    assert alone.manifest["final_weights_sha256"] == whole.manifest["final_weights_sha256"]
    found, expected = alone.manifest["metrics"]["train"], whole.manifest["metrics"]["train"]
    assert found == pytest.approx(expected, rel=1e-9)
