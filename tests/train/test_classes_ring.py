"""Classes of images on real ranks, from a table to the run's folder: each training is run once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as judge

from handoff.tables import write_table
from ringmill.errors import ConfigError, InputError
from ringmill.handoff.columns import Input
from ringmill.train.spec import TrainResult
from train.runs import killer, largest_difference, run, spec_of, without_horovod

pytestmark = pytest.mark.ring

NAMES, SHAPE = ("bar", "dot", "ring"), (8, 8, 1)
SEEN = Input("pixels", SHAPE, "uint8", mean=(100.0,), scale=(64.0,))
SECTION: dict[str, Any] = {
    "task": {"kind": "classes", "label": "kind", "label_smoothing": 0.05},
    "l1": 1e-5,
    "l2": 1e-4,
    "model": {"kind": "cnn", "filters": (4,), "dense": 8, "dropout": 0.2},
    "augmentation": {"crop_pixels": 1, "noise": 3},
    "class_weights": {"dot": 2.0},
    "epochs": 9,
    "batch": 17,
    "learning_rate": 0.01,
    "optimizer": {"kind": "adam"},
    "weight_decay": 0.0,
    "memory_mb": 64,
    "x": SEEN,
}


def pictures(rows: int = 150) -> pa.Table:
    """A bright bar, dot or ring on grey noise, with its name."""
    draw = np.random.default_rng(4)
    kinds, images = draw.integers(0, 3, rows), draw.integers(60, 120, (rows, 8, 8)).astype(np.uint8)
    for place, kind in enumerate(kinds):
        top, left = draw.integers(0, 4, 2)
        images[place, top, :] = images[place, top, :] if kind else 230
        if kind:
            images[place, top : top + 4, left : left + 4] = 230
        if kind == 2:
            images[place, top + 1 : top + 3, left + 1 : left + 3] = 90
    return pa.table(
        {
            "row_id": draw.permutation(rows) * 7919,
            "kind": np.array(NAMES)[kinds],
            "pixels": pa.array([image.tobytes() for image in images], pa.binary()),
            "split": np.array(["train", "train", "train", "validation", "test"])[draw.integers(5, size=rows)],
        }
    )


ROWS = pictures()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("classes")
    write_table(home / "table", ROWS)
    return home


def trained(home: Path, name: str, *, ranks: int, **changes: Any) -> TrainResult:
    return run(spec_of(str(home / "table"), home / name, ranks=ranks, **{**SECTION, **changes}))


@pytest.fixture(scope="module")
def two(home: Path) -> TrainResult:
    return trained(home, "two", ranks=2, padding_fill=1e30)


@pytest.fixture(scope="module")
def solo(home: Path) -> TrainResult:
    """One rank, in a process in which Horovod cannot be imported."""
    with without_horovod(home):
        return trained(home, "solo", ranks=1)


def test_laws_4_5_and_6_two_ranks_give_one_rank_s_weights_and_figures(two: TrainResult, solo: TrainResult) -> None:
    assert two.manifest["plan"]["steps_per_epoch"] * two.manifest["epochs"] >= 50
    assert largest_difference(two.folder, solo.folder) <= 1e-9
    for split in ("train", "validation", "test"):
        found, expected = (result.manifest["metrics"][split] for result in (two, solo))
        assert found["confusion"] == expected["confusion"]
        assert found["log_loss"] == pytest.approx(expected["log_loss"], rel=1e-9)
    assert two.manifest["laws"]["5"] == {"ranks_with_bit_equal_weights": 2}
    assert two.history[-1]["loss"] < two.history[0]["loss"]


def test_law_5_moments_and_draws_are_the_same_under_the_mirrored_engine(home: Path, two: TrainResult) -> None:
    mirrored = trained(home, "mirrored", ranks=2, engine="mirrored", launcher="local")
    assert mirrored.manifest["metrics"]["test"]["confusion"] == two.manifest["metrics"]["test"]["confusion"]
    assert largest_difference(mirrored.folder, two.folder) <= 1e-9


def test_law_6_the_figures_are_those_of_the_written_predictions(two: TrainResult) -> None:
    written = pq.read_table(two.folder / "predictions.parquet").sort_by("row_id")
    rows = ROWS.filter(pa.compute.field("split") == "test").sort_by("row_id")
    assert written["row_id"].to_pylist() == rows["row_id"].to_pylist()
    true, said = (written[name].to_pylist() for name in ("label", "predicted"))
    assert true == rows["kind"].to_pylist()
    weight = [2.0 if name == "dot" else 1.0 for name in true]
    metrics = two.manifest["metrics"]["test"]
    assert metrics["accuracy"] == pytest.approx(judge.accuracy_score(true, said, sample_weight=weight), abs=1e-12)
    expected = judge.confusion_matrix(true, said, labels=NAMES, sample_weight=weight)
    assert metrics["confusion"] == expected.tolist()
    probabilities = np.array(written["probabilities"].to_pylist())
    loss = judge.log_loss(true, probabilities, labels=NAMES, sample_weight=weight)
    assert metrics["log_loss"] == pytest.approx(loss, abs=1e-9)
    area = judge.roc_auc_score(true, probabilities, labels=NAMES, multi_class="ovr", sample_weight=weight)
    assert metrics["auc_macro"] == pytest.approx(area, abs=1e-12)
    assert two.manifest["classes"] == list(NAMES)


def test_law_5_intervals_of_the_test_figures_do_not_depend_on_ranks(two: TrainResult, solo: TrainResult) -> None:
    found, metrics = two.manifest["intervals"], two.manifest["metrics"]["test"]
    assert found == solo.manifest["intervals"]
    assert (found["unit"], found["units"], found["level"]) == ("rows", metrics["rows"], 0.95)
    each = metrics["per_class"]
    known = {f"per_class.{name}.{figure}": each[name][figure] for name in each for figure in ("recall", "f1", "auc")}
    for name in ("accuracy", "f1_macro", "precision_macro", "auc_macro"):
        known[name] = metrics[name]
    for name, value in known.items():
        interval = found["figures"][name]
        assert interval["value"] == pytest.approx(value, abs=1e-12)
        assert interval["low"] <= interval["value"] <= interval["high"]


def test_law_4_the_first_classes_are_as_likely_as_their_weights_say(two: TrainResult) -> None:
    kinds = ROWS.filter(pa.compute.field("split") == "train")["kind"].to_pylist()
    assert two.manifest["laws"]["4"]["rows_seen_in_each_epoch"] == [len(kinds)]
    assert two.manifest["metrics"]["train"]["weight"] == len(kinds) + kinds.count("dot")


def test_the_saved_model_scores_without_horovod_and_gives_the_written_predictions(two: TrainResult) -> None:
    pixels = two.folder.parent / "pixels.npy"
    rows = ROWS.filter(pa.compute.field("split") == "test").sort_by("row_id")
    np.save(pixels, np.stack([np.frombuffer(image, np.uint8) for image in rows["pixels"].to_pylist()]))
    program = f"""
import sys
sys.modules["horovod"] = None
from pathlib import Path
import numpy as np
from ringmill.train.saved import Classifier
outputs = Classifier.load(Path({str(two.folder)!r})).outputs(np.load({str(pixels)!r}), at_once=64)
np.save({str(pixels)!r}, outputs.probabilities)
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    written = pq.read_table(two.folder / "predictions.parquet").sort_by("row_id")
    np.testing.assert_allclose(np.load(pixels), np.array(written["probabilities"].to_pylist()), rtol=1e-9)


def test_law_7_a_killed_rank_leaves_no_trace_in_moments_and_draws(home: Path, two: TrainResult) -> None:
    spec = spec_of(str(home / "table"), home / "killed", ranks=2, **{**SECTION, "retries": 1})
    killed = run(spec, on_progress=killer(home / "killed", rank=1, epoch=3))
    assert "retry" in (killed.folder / "progress.jsonl").read_text()
    assert killed.manifest["final_weights_sha256"] == two.manifest["final_weights_sha256"]


def test_striped_windows_learn_classes_too(home: Path) -> None:
    result = trained(home, "striped", ranks=2, order="striped", window_rows=20, epochs=2, padding_fill=1e30)
    assert result.manifest["laws"]["4"]["rows_seen_in_each_epoch"] == [result.manifest["plan"]["rows"]["train"]]
    assert np.isfinite(result.history[-1]["val_loss"])


def test_what_cannot_be_learnt_is_said_before_anything_is_started(home: Path, tmp_path: Path) -> None:
    rows = ROWS.filter((pa.compute.field("split") != "train") | (pa.compute.field("kind") != "dot"))
    table = write_table(tmp_path / "table", rows)
    with pytest.raises(InputError, match=r"'kind' holds classes[\s\S]*version 0[\s\S]*'dot', in \d+ rows"):
        run(spec_of(table, tmp_path / "run", ranks=2, **{**SECTION, "class_weights": {}}))
    numbers = {**SECTION, "x": Input("row_id", (1,))}
    with pytest.raises(ConfigError, match=r"train\.augmentation[\s\S]*float32 of shape"):
        run(spec_of(str(home / "table"), tmp_path / "run", ranks=2, **numbers))
    assert not (tmp_path / "run").exists()
