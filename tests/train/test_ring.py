"""Laws 4, 5, 6 and 8 on real ranks: each training is run once, and several tests look at it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as judge

from handoff.tables import features_table, write_table
from ringmill.train.spec import TrainResult
from train.runs import largest_difference, run, spec_of, without_horovod

pytestmark = pytest.mark.ring

ROWS = features_table(260, seed=5)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("ring")
    write_table(home / "table", ROWS)
    write_table(home / "pieces", *(ROWS.slice(start, 40) for start in range(240, -1, -40)))
    return home


@pytest.fixture(scope="module")
def ranks(home: Path) -> Callable[[int], TrainResult]:
    """The training on that many ranks, run at most once."""
    done: dict[int, TrainResult] = {}

    def once(number: int) -> TrainResult:
        if number not in done:
            done[number] = run(spec_of(str(home / "table"), home / f"ranks{number}", ranks=number))
        return done[number]

    return once


@pytest.fixture(scope="module")
def solo(home: Path) -> TrainResult:
    """One rank, in a process in which Horovod cannot be imported."""
    with without_horovod(home):
        return run(spec_of(str(home / "table"), home / "solo", ranks=1))


@pytest.mark.parametrize("number", [2, 4])
def test_law_5_weights_do_not_depend_on_the_number_of_ranks(
    number: int, solo: TrainResult, ranks: Callable[[int], TrainResult]
) -> None:
    steps = solo.manifest["plan"]["steps_per_epoch"] * solo.manifest["epochs"]
    assert steps >= 50
    assert largest_difference(ranks(number).folder, solo.folder) <= 1e-9


def test_law_4_padding_of_1e30_and_another_file_layout_change_no_bit(
    home: Path, ranks: Callable[[int], TrainResult]
) -> None:
    spec = spec_of(str(home / "pieces"), home / "filled", ranks=2, version=6, padding_fill=1e30)
    filled, plain = run(spec), ranks(2)
    assert plain.manifest["plan"]["padding_per_epoch"] > 0
    assert filled.manifest["plan"]["files"]["train"] > plain.manifest["plan"]["files"]["train"]
    assert filled.manifest["final_weights_sha256"] == plain.manifest["final_weights_sha256"]
    assert filled.manifest["metrics"] == plain.manifest["metrics"]


@pytest.mark.parametrize("number", [2, 4])
def test_law_4_every_row_of_the_split_is_seen_each_epoch(number: int, ranks: Callable[[int], TrainResult]) -> None:
    manifest = ranks(number).manifest
    expected = ROWS.filter(pa.compute.field("split") == "train").num_rows
    assert manifest["laws"]["4"] == {
        "rows_seen_in_each_epoch": [expected],
        "rows": expected,
        "steps_per_rank": -(-expected // 13),
    }
    assert manifest["laws"]["5"] == {"ranks_with_bit_equal_weights": number}


def test_law_6_metrics_of_two_ranks_equal_those_of_one_process(
    solo: TrainResult, ranks: Callable[[int], TrainResult]
) -> None:
    for split in ("train", "validation", "test"):
        found, expected = (result.manifest["metrics"][split] for result in (ranks(2), solo))
        counts = [name for name in expected if name.endswith("tives") or name == "rows"]
        assert [found[name] for name in counts] == [expected[name] for name in counts]
        assert found == pytest.approx(expected, rel=1e-9)


def test_law_6_metrics_equal_scikit_learn_on_the_written_predictions(ranks: Callable[[int], TrainResult]) -> None:
    result = ranks(4)
    table = pq.read_table(result.folder / "predictions.parquet")
    label, probability = table["label_buy"].to_numpy(), table["buy_probability"].to_numpy()
    metrics = result.manifest["metrics"]["test"]
    assert metrics["auc"] == pytest.approx(judge.roc_auc_score(label, probability), abs=1e-9)
    assert metrics["log_loss"] == pytest.approx(judge.log_loss(label, probability), abs=1e-9)
    assert metrics["brier"] == pytest.approx(judge.brier_score_loss(label, probability), abs=1e-9)
    test_rows = ROWS.filter(pa.compute.field("split") == "test")
    assert table["row_id"].to_pylist() == sorted(test_rows["row_id"].to_pylist())


def test_the_model_learns_and_the_saved_model_gives_the_written_predictions(
    ranks: Callable[[int], TrainResult],
) -> None:
    from ringmill.score.model import apply_model
    from ringmill.train.saved import load_model

    result = ranks(2)
    assert result.manifest["metrics"]["test"]["auc"] > 0.7
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    rows = ROWS.filter(pa.compute.field("split") == "test").sort_by("row_id")
    outputs = apply_model(load_model(result.model), np.array(rows["x"].to_pylist(), np.float32))
    written = pq.read_table(result.folder / "predictions.parquet")
    np.testing.assert_allclose(outputs.probability, written["buy_probability"].to_numpy(), rtol=1e-9)
    expected = outputs.expected_spend(result.manifest["smearing"])
    np.testing.assert_allclose(expected, written["expected_spend"].to_numpy(), rtol=1e-9)


def test_law_8_nothing_is_written_beside_the_run_folder_and_it_holds_no_rows(
    home: Path, ranks: Callable[[int], TrainResult]
) -> None:
    result = ranks(2)
    names = {file.name for file in result.folder.iterdir()}
    logs = {"rank-0.log", "rank-1.log"}
    data = {"checkpoints", "history.json", "manifest.json", "model.keras", "predictions.parquet"}
    assert names == logs | data | {"progress.jsonl", "spec.json"}
    assert result.manifest["laws"]["8"]["bytes_written_while_reading"] == 0


def test_progress_reaches_the_caller_line_by_line(home: Path, ranks: Callable[[int], TrainResult]) -> None:
    lines = [json.loads(line) for line in (ranks(2).folder / "progress.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["ready", *["epoch"] * 40, "done"]
    assert [line["epoch"] for line in lines[1:-1]] == list(range(1, 41))


def test_what_was_done_is_observed_on_request(home: Path) -> None:
    import tensorflow as tf

    spec = spec_of(str(home / "table"), home / "observed", ranks=2, epochs=3, tensorboard=True, timeline=True)
    result = run(spec)
    (file,) = (result.folder / "tensorboard").iterdir()
    found: dict[str, dict[int, float]] = {}
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name in ("scalars", "")
            found.setdefault(value.tag, {})[event.step] = float(tf.make_ndarray(value.tensor))
    assert found["val_loss"] == pytest.approx({entry["epoch"]: entry["val_loss"] for entry in result.history})
    for entry in result.history:
        assert entry["rows_per_second"] > 0
        # The ring's share is a probe's time: on a busy machine it may reach the whole.
        assert 0 < entry["share_allreduce"] <= 1 and 0 <= entry["share_data"] < 1
        shares = [entry[f"share_{name}"] for name in ("data", "compute", "allreduce")]
        assert sum(shares) == pytest.approx(1.0, abs=2e-4)
    # Horovod leaves the list open: it may be cut off at any time.
    timeline = (result.folder / "timeline.json").read_text()
    assert "ALLREDUCE" in timeline and "gradients" in timeline


def test_a_checkpoint_of_another_configuration_is_not_used_and_named(
    home: Path, ranks: Callable[[int], TrainResult]
) -> None:
    copy = home / "other"
    copytree(ranks(2).folder / "checkpoints", copy)
    events = []
    spec = spec_of(str(home / "table"), home / "fresh", ranks=1, epochs=1, checkpoints=str(copy))
    result = run(spec, on_progress=lambda line: events.append(line["event"]))
    assert events == ["ready", "checkpoint_not_used", "checkpoint_not_used", "epoch", "done"]
    assert str(copy) in (result.folder / "rank-0.log").read_text()


@pytest.mark.parametrize("order", ["global", "striped"])
def test_ranks_without_a_row_of_some_split_keep_step_with_the_others(tmp_path: Path, order: str) -> None:
    rows = ROWS.slice(0, 4).drop_columns("split").append_column("split", pa.array(["train"] * 3 + ["validation"]))
    table = write_table(tmp_path / "table", rows)
    spec = spec_of(table, tmp_path / "run", ranks=2, batch=2, epochs=2, order=order, window_rows=1)
    manifest = run(spec).manifest
    assert manifest["plan"]["rows"] == {"train": 3, "validation": 1, "test": 0}
    assert (manifest["plan"]["steps_per_epoch"], manifest["laws"]["4"]["rows_seen_in_each_epoch"]) == (2, [3])
    assert (manifest["metrics"]["test"]["rows"], manifest["metrics"]["test"]["auc"]) == (0, None)


@pytest.mark.parametrize("number", [2, 4])
def test_the_ranks_of_a_host_hold_one_decoded_copy(number: int, ranks: Callable[[int], TrainResult]) -> None:
    result = ranks(number)
    ready = json.loads((result.folder / "progress.jsonl").read_text().splitlines()[0])
    assert result.manifest["decoded_copies"] == ready["decoded_copies"] == 1


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        ("memfd_create", "OSError(38, 'Function not implemented')"),
        ("open", "PermissionError(13, 'Permission denied')"),
    ],
    ids=["no such memory", "not to be opened"],
)
def test_ranks_that_cannot_share_hold_a_copy_each_and_end_with_the_same_bits(
    home: Path, ranks: Callable[[int], TrainResult], refused: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = home / f"refused_{refused}"
    block.mkdir()
    (block / "sitecustomize.py").write_text(
        f"""
import os
real = os.{refused}
def refuse(path, *rest, **named):
    if path == "ringmill-rows" or (str(path).startswith("/proc/") and "/fd/" in str(path)):
        raise {why}
    return real(path, *rest, **named)
os.{refused} = refuse
"""
    )
    monkeypatch.setenv("PYTHONPATH", str(block), prepend=os.pathsep)
    result = run(spec_of(str(home / "table"), home / f"run_{refused}", ranks=2))
    assert result.manifest["decoded_copies"] == 2
    assert result.manifest["final_weights_sha256"] == ranks(2).manifest["final_weights_sha256"]


def test_ranks_of_two_hosts_hold_a_decoded_copy_on_each(
    home: Path, ranks: Callable[[int], TrainResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ringmill.train.launch import local

    real = local.rank_settings

    def settings(rank: int, hosts: list[str], **where: Any) -> dict[str, str]:
        return real(rank, ["host0", "host1"], **where) | {"HOROVOD_GLOO_IFACE": "lo"}

    monkeypatch.setattr(local, "rank_settings", settings)
    result = run(spec_of(str(home / "table"), home / "two_hosts", ranks=2))
    assert result.manifest["decoded_copies"] == 2
    assert result.manifest["final_weights_sha256"] == ranks(2).manifest["final_weights_sha256"]
