"""The task 'several': heads with labels of their own, of which rows lack some; on one rank, on two, and in a graph."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from handoff.tables import write_table
from ringmill.config.train import Train
from ringmill.errors import InputError
from ringmill.handoff.columns import Input, Rows
from ringmill.handoff.manifest import pin_splits
from ringmill.handoff.plan import Plan
from ringmill.train.ranks import Solo
from ringmill.train.spec import TrainResult
from ringmill.train.tasks.find import task_of
from ringmill.train.tasks.known import known_by_head
from ringmill.train.tasks.several_heads import LabelledNumbers
from train.runs import largest_difference, run, spec_of
from train.together import Member, together

TASK: dict[str, Any] = {
    "kind": "several",
    "heads": {
        "colour": {"kind": "classes", "label": "colour", "label_smoothing": 0.1},
        "size": {"kind": "number", "label": "cm", "weight": 0.5},
        "rare": {"kind": "classes", "label": "rare", "weight": 2.0},
    },
}
BY_HEAD = (("blue", "red"), (), ("no", "yes"))
NAN = math.nan


def task() -> Any:
    return task_of(Train(task=TASK), (), BY_HEAD)


def drawn(rows: int, seed: int) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Outputs of the heads, labels with many missing, and weights."""
    draw = np.random.default_rng(seed)
    heads = {"head_colour": draw.normal(size=(rows, 2)), "head_size": draw.normal(size=rows)}
    heads["head_rare"] = draw.normal(size=(rows, 2))
    labels = {name: draw.integers(0, 2, rows).astype(float) for name in ("colour", "size", "rare")}
    for values in labels.values():
        values[draw.random(rows) < 0.4] = NAN
    return heads, labels, draw.integers(0, 4, rows) / 2


def test_a_row_without_a_label_loses_nothing_and_moves_nothing() -> None:
    heads, labels, weight = drawn(6, 1)
    labels = {**labels, "size": np.array([1.0, NAN, 3.0, NAN, NAN, 2.0])}
    said = {name: tf.Variable(values) for name, values in heads.items()}
    with tf.GradientTape() as tape:
        sums = task().losses(said, {name: tf.constant(values) for name, values in labels.items()}, tf.constant(weight))
    gradient = tape.gradient(sums[1], said["head_size"]).numpy()
    assert np.isfinite(gradient).all() and gradient[[1, 3, 4]].tolist() == [0, 0, 0]
    known = [0, 2, 5]
    expected = weight[known] @ (heads["head_size"][known] - labels["size"][known]) ** 2
    assert float(sums[1]) == pytest.approx(expected, rel=1e-12)
    assert task().masses(weight, labels)[1].tolist() == [weight[0], 0, weight[2], 0, 0, weight[5]]


def test_a_step_without_any_label_of_a_head_has_a_loss_of_0_there() -> None:
    heads, labels, weight = drawn(3, 2)
    labels = {**labels, "rare": np.full(3, NAN)}
    tensors = ({name: tf.constant(value) for name, value in each.items()} for each in (heads, labels))
    sums = [float(one) for one in task().losses(*tensors, tf.constant(weight))]
    assert sums[2] == 0.0 and task().masses(weight, labels)[2].sum() == 0.0
    # The loop divides by 1 where there is nothing to divide by.
    assert task().loss(sums, [2.0, 4.0, 1.0]) == pytest.approx(sums[0] / 2 + 0.5 * sums[1] / 4)


def measured(blocks: list[tuple[dict[str, Any], dict[str, Any], Any]]) -> dict[str, Any]:
    measure = task().measure(0)
    for heads, labels, weight in blocks:
        rows = Rows(np.arange(len(weight)), np.zeros((len(weight), 1)), labels, weight)
        measure.add(task().outputs(heads), rows)
    measure.merge(Solo())
    found: dict[str, Any] = measure.metrics()["heads"]
    return found


@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(0, 40), min_size=1, max_size=3), seed=st.integers(0, 9))
def test_law_6_a_heads_figures_are_those_of_its_labelled_rows_in_any_blocks(cuts: list[int], seed: int) -> None:
    heads, labels, weight = drawn(40, seed)
    parts = [
        (
            {name: value[first:last] for name, value in heads.items()},
            {name: value[first:last] for name, value in labels.items()},
            weight[first:last],
        )
        for first, last in pairwise([0, *sorted(cuts), 40])
    ]
    found = measured(parts)
    known = ~np.isnan(labels["size"])
    error = heads["head_size"][known] - labels["size"][known]
    assert found["size"]["mae"] == pytest.approx(np.average(np.abs(error), weights=weight[known]), rel=1e-9)
    known = ~np.isnan(labels["rare"])
    right = heads["head_rare"].argmax(axis=1)[known] == labels["rare"][known]
    assert found["rare"]["accuracy"] == pytest.approx(np.average(right, weights=weight[known]), rel=1e-9)
    assert found["rare"]["weight"] == weight[known].sum()


@pytest.mark.parametrize("middle", [0.0, 1e5, 1e7, 1.7e9])
def test_law_6_r2_of_numbers_far_from_zero_is_that_of_the_numbers_on_any_ranks(middle: float) -> None:
    drawn = np.random.default_rng(3)
    label = middle + drawn.normal(size=3_000)
    said = label + drawn.normal(size=3_000) / 2
    weight = drawn.integers(0, 3, 3_000).astype(float)
    weight[:5] = 0

    def measured(member: Member) -> dict[str, Any]:
        numbers = LabelledNumbers()
        # The last rank has no row at all, the first has some that do not count before those that do.
        for first, last in [[(0, 0), (0, 700)], [(700, 900), (900, 3_000)], [(0, 0)]][member.rank]:
            part = slice(first, last)
            numbers.add(said[part], label[part], weight[part])
        numbers.merge(member)
        return numbers.metrics()

    mean = np.average(label, weights=weight)
    expected = 1 - np.sum(weight * (said - label) ** 2) / np.sum(weight * (label - mean) ** 2)
    one, two, three = together("abc", measured)
    assert one == two == three
    assert one["r2"] == pytest.approx(expected, abs=1e-9)


def test_r2_of_equal_numbers_is_none_on_any_ranks() -> None:
    def measured(member: Member) -> dict[str, Any]:
        numbers = LabelledNumbers()
        numbers.add(np.full(7, 1e6), np.full(7, 1e6 + 0.1), np.full(7, 0.3))
        numbers.merge(member)
        return numbers.metrics()

    assert [found["r2"] for found in together("ab", measured)] == [None, None]


def test_a_head_of_which_no_row_is_labelled_has_no_figures_and_no_validation_loss() -> None:
    heads, labels, weight = drawn(3, 2)
    found = measured([(heads, {**labels, "size": np.full(3, NAN)}, weight)])
    assert found["size"]["mse"] is None and found["size"]["r2"] is None
    assert task().validation_loss({"heads": found}) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"heads": {}}, "at least 1"),
        ({"heads": {"a": {"kind": "number", "label": "a", "weight": 0}}}, r"weight[\s\S]*greater than 0"),
        ({"heads": {"a": {"kind": "ranks", "label": "a"}}}, "'classes', 'number'"),
        ({"heads": {"A b": {"kind": "number", "label": "a"}}}, "pattern"),
    ],
    ids=["no head", "no weight", "no such kind", "no name"],
)
def test_heads_that_cannot_be_meant_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Train(task=TASK | changes)


def test_classes_weigh_by_their_heads_alone() -> None:
    with pytest.raises(ValidationError, match="whose heads have weights"):
        Train(task=TASK, class_weights={"red": 2.0})


def rows_of(rows: int = 160) -> pa.Table:
    """Colour by the first feature, size by the second, 'rare' by the third; of ten rows one has the last label."""
    draw = np.random.default_rng(8)
    x = draw.normal(size=(rows, 3)).astype(np.float32)
    colour = np.where(x[:, 0] > 0, "red", "blue")
    rare = np.where(x[:, 2] > 0, "yes", "no")
    return pa.table(
        {
            "row_id": draw.permutation(rows) * 7919,
            "x": pa.array(list(x), pa.list_(pa.float32())),
            "colour": pa.array(colour, mask=draw.random(rows) < 0.3),
            "cm": pa.array(x[:, 1].astype(float) * 2 + 5, mask=draw.random(rows) < 0.3),
            "owner": [f"o{place // 3}" for place in range(rows)],
            "rare": pa.array(rare, mask=draw.random(rows) < 0.9),
            "split": np.array(["train", "train", "train", "validation", "test"])[draw.integers(5, size=rows)],
        }
    )


def test_law_4_each_head_needs_labels_to_learn_and_to_be_judged_by(tmp_path: Path) -> None:
    table = rows_of()
    pinned = pin_splits(write_table(tmp_path / "whole", table), 0, ("train", "validation", "test"))
    assert known_by_head(pinned, Train(task=TASK).task) == BY_HEAD  # type: ignore[arg-type]
    missing = pa.array(np.array(table["split"].to_pylist()) == "validation")
    unlabelled = pa.compute.if_else(missing, pa.scalar(None, pa.string()), table["rare"])
    gone = table.set_column(table.column_names.index("rare"), "rare", unlabelled)
    pinned = pin_splits(write_table(tmp_path / "gone", gone), 0, ("train", "validation", "test"))
    with pytest.raises(InputError, match=r"validation rows with a label for the head 'rare'[\s\S]*nulls among"):
        known_by_head(pinned, Train(task=TASK).task)  # type: ignore[arg-type]


def trained(home: Path, name: str, *, ranks: int, **changes: Any) -> TrainResult:
    section = {"task": TASK, "epochs": 8, "x": Input("x", (3,)), "l2": 1e-3, "learning_rate": 0.03}
    return run(spec_of(str(home / "table"), home / name, ranks=ranks, group="owner", **{**section, **changes}))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("several")
    write_table(home / "table", rows_of())
    return home


@pytest.fixture(scope="module")
def two(home: Path) -> TrainResult:
    return trained(home, "two", ranks=2, padding_fill=1e30)


def test_some_steps_below_have_a_heads_labels_on_one_rank_alone_and_some_on_none() -> None:
    train = rows_of().filter(pa.compute.field("split") == "train").sort_by("row_id")
    labelled = train["rare"].is_valid().to_numpy()
    plan = Plan(rows=len(labelled), batch=13, ranks=2, seed=11)
    by_rank = []
    for rank in range(2):
        slots = plan.slots(plan.batches(0), rank)
        at = np.minimum(slots.index, len(labelled) - 1)
        by_rank.append(((slots.weight > 0) & labelled[at]).any(axis=1))
    assert (by_rank[0] != by_rank[1]).any() and (~by_rank[0] & ~by_rank[1]).any()


@pytest.mark.ring
def test_laws_4_and_5_two_ranks_give_one_rank_s_weights_where_rows_lack_labels(home: Path, two: TrainResult) -> None:
    solo = trained(home, "solo", ranks=1)
    assert two.manifest["plan"]["steps_per_epoch"] * two.manifest["epochs"] >= 50
    assert largest_difference(two.folder, solo.folder) <= 1e-9
    for name in ("colour", "rare"):
        confusions = [result.manifest["metrics"]["test"]["heads"][name]["confusion"] for result in (two, solo)]
        assert confusions[0] == confusions[1]
    assert two.history[-1]["loss"] < two.history[0]["loss"]
    assert two.history[-1]["val_colour_accuracy"] > two.history[0]["val_colour_accuracy"]


@pytest.mark.ring
def test_law_6_each_heads_figures_are_those_of_the_written_predictions(two: TrainResult) -> None:
    written = pq.read_table(two.folder / "predictions.parquet").sort_by("row_id")
    rows = rows_of().filter(pa.compute.field("split") == "test").sort_by("row_id")
    assert written["colour_label"].to_pylist() == rows["colour"].to_pylist()
    assert written["size_label"].null_count == rows["cm"].null_count > 0
    metrics = two.manifest["metrics"]["test"]["heads"]
    known = [row for row in written.to_pylist() if row["colour_label"] is not None]
    right = [row["colour_label"] == row["colour_predicted"] for row in known]
    assert metrics["colour"]["accuracy"] == pytest.approx(np.mean(right), abs=1e-12)
    known = [row for row in written.to_pylist() if row["size_label"] is not None]
    errors = [(row["size_label"] - row["size_predicted"]) ** 2 for row in known]
    assert metrics["size"]["mse"] == pytest.approx(np.mean(errors), rel=1e-9)
    assert metrics["size"]["weight"] == len(known)


@pytest.mark.ring
def test_law_6_intervals_are_of_the_heads_figures_over_groups_of_rows(two: TrainResult) -> None:
    owners = rows_of().filter(pa.compute.field("split") == "test")["owner"].unique()
    found, metrics = two.manifest["intervals"], two.manifest["metrics"]["test"]["heads"]
    assert (found["unit"], found["units"]) == ("owner", len(owners))
    for head in ("colour", "rare"):
        assert {f"{head}.{name}" for name in ("accuracy", "f1_macro", "auc_macro")} <= set(found["figures"])
        for name, each in metrics[head]["per_class"].items():
            for figure in ("precision", "recall", "f1", "auc"):
                value = found["figures"][f"{head}.per_class.{name}.{figure}"]["value"]
                assert value == pytest.approx(each[figure], abs=1e-12)
    assert {name.partition(".")[0] for name in found["figures"]} == {"colour", "rare"}
    assert found["figures"]["colour.accuracy"]["value"] == pytest.approx(metrics["colour"]["accuracy"], abs=1e-12)


@pytest.mark.ring
@pytest.mark.long
def test_law_4_striped_windows_count_the_labelled_rows_of_all_ranks(home: Path) -> None:
    result = trained(home, "striped", ranks=2, order="striped", window_rows=20, epochs=2, padding_fill=1e30)
    assert result.manifest["laws"]["4"]["rows_seen_in_each_epoch"] == [result.manifest["plan"]["rows"]["train"]]
    assert np.isfinite(result.history[-1]["val_loss"])
