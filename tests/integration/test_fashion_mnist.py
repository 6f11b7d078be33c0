"""conf/fashion_mnist.yaml: on rendered shapes from end to end, and on a part of the real files."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from conftest import SHARED
from ringmill.config import load
from ringmill.errors import ConfigError, InputError
from ringmill.lake.idx import look_at_idx, read_stretch
from ringmill.lake.tables import Lake
from ringmill.pipeline.run import run_all, run_stages
from ringmill.pipeline.score_images import _check_decoding
from ringmill.pipeline.stage import Run
from ringmill.pipeline.train_examples import planned_examples

CONF = Path(__file__).resolve().parents[2] / "conf" / "fashion_mnist.yaml"
QUICK = [
    "train.launcher=local",
    "train.epochs=4",
    "train.batch=50",
    "train.model={kind: cnn, filters: [8, 8], dense: 32, dropout: 0.1}",
]
REAL = SHARED / "fashion_mnist"

pytestmark = [pytest.mark.spark, pytest.mark.ring]


@pytest.fixture(scope="module")
def ran(spark, tmp_path_factory):
    """The configuration and the entries of a run on 500 generated shapes of three kinds."""
    folder = tmp_path_factory.mktemp("shapes")
    settings = [*QUICK, "images.generate={rows: 440, test_rows: 60, classes: 3, noise: 10}"]
    config = load(CONF, settings, warehouse=str(folder))
    return config, {entry.stage: entry for entry in run_all(config, session=spark)}


def test_the_default_input_needs_no_download_and_is_learnt(ran):
    config, entries = ran
    assert list(entries) == ["generate", "images", "train", "score", "report"]
    assert entries["images"].counts["clean"] == 500
    test = entries["train"].detail["metrics"]["test"]
    assert test["accuracy"] > 0.6
    assert sum(map(sum, test["confusion"])) == test["rows"] == entries["images"].counts["test"] == 60
    model = Path(config.warehouse) / entries["train"].detail["model"]
    assert json.loads((model / "manifest.json").read_text())["classes"] == ["0", "1", "2"]
    assert (model.parent / "current").read_text() == f"{model.name}\n"


def test_every_image_is_scored_once_by_the_current_model_as_training_wrote_its_predictions(ran):
    config, entries = ran
    lake, score = Lake(config.warehouse), entries["score"]
    scores = lake.read_arrow("scores/fashion_mnist", score.outputs["scores/fashion_mnist"]).sort_by("row_id")
    assert scores.num_rows == score.counts["images"] == 500 == len(scores["image_id"].unique())
    model = Path(config.warehouse) / entries["train"].detail["model"]
    written = pq.read_table(model / "predictions.parquet").sort_by("row_id")
    tests = scores.filter(pc.equal(scores["split"], "test"))
    for name in ("row_id", "label", "predicted"):
        assert tests[name].to_pylist() == written[name].to_pylist()
    # Law 9: the same pixels, normalised by the model's own state. Batches of another size round otherwise.
    np.testing.assert_allclose(tests["probabilities"].to_pylist(), written["probabilities"].to_pylist(), atol=1e-4)
    assert tests["probability"].to_pylist() == [max(row) for row in tests["probabilities"].to_pylist()]
    assert scores["model_run"].unique().to_pylist() == [model.name]


def test_law_9_images_that_are_decoded_otherwise_than_the_models_are_refused(ran):
    config, entries = ran
    images, model = entries["images"], Path(config.warehouse) / entries["train"].detail["model"]
    state = {**images.detail["state"], "decoding": {**images.detail["state"]["decoding"], "resize": "stretch"}}
    later = replace(images, detail={**images.detail, "state": state})
    with pytest.raises(InputError, match=r"decoded in another way[\s\S]*resize: fit[\s\S]*resize: stretch"):
        _check_decoding(later, json.loads((model / "images.json").read_text()), where=str(model))


def test_the_report_shows_accuracy_classes_confusion_and_loss(ran):
    _, entries = ran
    page = Path(entries["report"].detail["path"]).read_text(encoding="utf-8")
    accuracy = entries["train"].detail["metrics"]["test"]["accuracy"]
    assert f"<strong>{accuracy:.1%}</strong>" in page
    for words in ("What came in", "Training", "How often it is right", "What is taken for what", "How it was made"):
        assert words in page


def test_the_history_of_epochs_holds_the_classes_figures(ran):
    config, _ = ran
    history = Lake(config.warehouse).read_arrow("ledger/history", 0).sort_by("epoch")
    assert history["epoch"].to_pylist() == [1, 2, 3, 4]
    assert history["val_auc"].null_count == 4
    assert history["val_accuracy"].null_count == history["val_f1_macro"].null_count == 0


def test_law_3_nothing_changed_means_no_stage_runs_and_no_session_starts(ran):
    config, _ = ran
    assert {entry.outcome for entry in run_stages(config, ["generate", "train", "score", "report"])} == {"unchanged"}


def test_the_plan_is_known_before_anything_is_started(ran):
    config, entries = ran
    run = Run(config)
    words = planned_examples(run)
    run.close()
    assert f"{entries['images'].counts['train']:,} train" in words and "global batch 50" in words


def test_a_stage_of_another_pipeline_is_named_as_such(ran):
    with pytest.raises(ConfigError, match="one of its stages: generate, images, train, score, report"):
        run_stages(ran[0], ["rfm"])


@pytest.mark.skipif(not REAL.is_dir(), reason="Fashion-MNIST is not in ../shared/data")
def test_real_images_are_learnt_from_the_official_files(spark, tmp_path):
    # The first 1,500 of the 60,000 and 300 of the 10,000, so that it takes seconds.
    for kind, whole, part in (("train", 60_000, 1_500), ("t10k", 10_000, 300)):
        for name, row in ((f"{kind}-images-idx3-ubyte.gz", 784), (f"{kind}-labels-idx1-ubyte.gz", 1)):
            found = look_at_idx(str(REAL / name), dimensions=(1, 3))
            sizes = (part, *found.shape[1:])
            header = bytes([0, 0, 8, len(sizes)]) + b"".join(size.to_bytes(4) for size in sizes)
            rows = b"".join(read_stretch(found, 0, part))
            assert (found.rows, len(rows)) == (whole, part * row)
            (tmp_path / name).write_bytes(gzip.compress(header + rows))
    config = load(CONF, [*QUICK, "train.epochs=6"], warehouse=str(tmp_path / "lake"), raw=str(tmp_path))
    entries = {entry.stage: entry for entry in run_all(config, session=spark)}
    assert list(entries) == ["images", "train", "score", "report"]
    test = entries["train"].detail["metrics"]["test"]
    assert set(test["per_class"]) == set("0123456789")
    assert test["rows"] == 300 == entries["images"].counts["test"]
    assert test["accuracy"] > 0.6
