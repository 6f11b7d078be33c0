"""Sample and class weights, and inputs stored as bytes: the same numbers as without them, where both can be had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn import metrics as judge

from handoff.tables import features_table, write_table
from ringmill.errors import InputError, TrainingError
from ringmill.handoff.columns import Input
from ringmill.train.spec import TrainResult
from train.runs import final_state, run, spec_of

pytestmark = pytest.mark.ring

ROWS = features_table(120, seed=8)
WEIGHT = np.random.default_rng(9).integers(0, 4, size=120)
# One global batch holds all rows: then a row of weight 2 is the same as two rows.
WHOLE = {"batch": 1000, "epochs": 12}


def repeated() -> pa.Table:
    """Each row as often as it weighs, with the weight of its class; every one with an id of its own."""
    times = WEIGHT * np.where(ROWS["label_buy"].to_numpy() > 0, 2, 1)
    rows = ROWS.take(np.repeat(np.arange(120), times))
    return rows.set_column(0, "row_id", pa.array(np.arange(rows.num_rows)))


@pytest.fixture(scope="module")
def weighted(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    home = tmp_path_factory.mktemp("weighted")
    table = write_table(home / "table", ROWS.append_column("w", pa.array(WEIGHT)))
    spec = spec_of(table, home / "run", ranks=2, sample_weight="w", class_weights={1: 2.0}, **WHOLE)
    return run(spec)


def test_laws_4_and_6_a_weighted_row_counts_like_as_many_rows(weighted: TrainResult, tmp_path: Path) -> None:
    plain = run(spec_of(write_table(tmp_path / "table", repeated()), tmp_path / "run", ranks=1, **WHOLE))
    for mine, theirs in zip(final_state(weighted.folder).weights, final_state(plain.folder).weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)
    for split in ("train", "validation", "test"):
        found, expected = (dict(result.manifest["metrics"][split]) for result in (weighted, plain))
        assert found.pop("rows") < expected.pop("rows") == found["weight"]
        assert found == pytest.approx(expected, rel=1e-9)
    assert [entry["loss"] for entry in weighted.history] == pytest.approx([entry["loss"] for entry in plain.history])


def test_validation_rows_none_of_which_counts_are_one_error(tmp_path: Path) -> None:
    weight = np.where(np.array(ROWS["split"].to_pylist()) == "validation", 0, 1)
    table = write_table(tmp_path / "table", ROWS.append_column("w", pa.array(weight)))
    with pytest.raises(TrainingError, match="cannot tell one epoch from another"):
        run(spec_of(table, tmp_path / "run", ranks=1, sample_weight="w"))


def test_law_4_a_batch_of_all_rows_trains_alike_in_both_orders(weighted: TrainResult, tmp_path: Path) -> None:
    table = write_table(tmp_path / "table", ROWS.append_column("w", pa.array(WEIGHT)))
    weights = {"sample_weight": "w", "class_weights": {1: 2.0}}
    striped = run(spec_of(table, tmp_path / "run", ranks=2, order="striped", window_rows=7, **weights, **WHOLE))
    for mine, theirs in zip(final_state(striped.folder).weights, final_state(weighted.folder).weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)
    for split in ("train", "validation", "test"):
        found, expected = (result.manifest["metrics"][split] for result in (striped, weighted))
        assert found == pytest.approx(expected, rel=1e-9)


def test_law_6_weighted_metrics_equal_scikit_learn(weighted: TrainResult) -> None:
    predicted = pq.read_table(weighted.folder / "predictions.parquet").sort_by("row_id")
    rows = ROWS.append_column("w", pa.array(WEIGHT)).filter(pa.compute.field("split") == "test").sort_by("row_id")
    label, probability = predicted["label_buy"].to_numpy(), predicted["buy_probability"].to_numpy()
    weight = rows["w"].to_numpy() * np.where(label > 0, 2.0, 1.0)
    metrics = weighted.manifest["metrics"]["test"]
    assert metrics["log_loss"] == pytest.approx(judge.log_loss(label, probability, sample_weight=weight), abs=1e-9)
    assert metrics["auc"] == pytest.approx(judge.roc_auc_score(label, probability, sample_weight=weight), abs=1e-9)


def test_law_4_the_first_loss_equals_a_plain_numpy_computation(weighted: TrainResult) -> None:
    train = np.array(ROWS["split"].to_pylist()) == "train"
    buy, spend = (ROWS[name].to_numpy()[train] for name in ("label_buy", "label_spend"))
    weight = WEIGHT[train] * np.where(buy > 0, 2.0, 1.0)
    # Before the first step the heads say the same of every row: its class's log-odds and the buyers' mean.
    share = np.average(buy, weights=weight)
    mean = np.average(np.log1p(spend), weights=weight * buy)
    cross_entropy = -np.average(buy * np.log(share) + (1 - buy) * np.log(1 - share), weights=weight)
    squares = np.average((np.log1p(spend) - mean) ** 2, weights=weight * buy)
    assert weighted.history[0]["loss"] == pytest.approx(cross_entropy + 0.1 * squares, rel=1e-12)


def test_bytes_with_a_scale_train_to_the_bits_of_the_numbers_that_they_stand_for(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, size=(120, 6)).astype(np.uint8)
    # (value − 128) ÷ 64 is exact in float32.
    lists = ((pixels.astype(np.float32) - 128) / 64).tolist()
    both = ROWS.set_column(2, "x", pa.array(lists, pa.list_(pa.float32())))
    both = both.append_column("pixels", pa.array([row.tobytes() for row in pixels], pa.binary()))
    table = write_table(tmp_path / "table", both)
    stored = Input("pixels", (1, 2, 3), "uint8", mean=(128.0,) * 3, scale=(64.0,) * 3)
    results = [
        run(spec_of(table, tmp_path / name, ranks=1, epochs=3, x=x, features=6, padding_fill=1e30))
        for name, x in (("lists", None), ("bytes", stored))
    ]
    first, second = (result.manifest for result in results)
    assert first["final_weights_sha256"] == second["final_weights_sha256"]
    assert first["metrics"] == second["metrics"]


def test_a_weight_that_is_not_there_is_named_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Column 'importance'[\s\S]*columns row_id"):
        run(spec_of(write_table(tmp_path / "table", ROWS), tmp_path / "run", ranks=2, sample_weight="importance"))
    assert not (tmp_path / "run").exists()
