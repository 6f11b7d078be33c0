"""The task 'classes' without ranks: its metrics against scikit-learn, its classes, and models that are refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as judge

from handoff.tables import write_table
from ringmill.config.tasks import Model
from ringmill.config.train import Train
from ringmill.errors import ConfigError, InputError
from ringmill.handoff.columns import Input, Rows
from ringmill.handoff.manifest import Manifest, pin_splits
from ringmill.handoff.subset import with_rows_of
from ringmill.train.build import build_model, builders, settings_of
from ringmill.train.metrics import Values
from ringmill.train.ranks import Solo
from ringmill.train.results import law_5
from ringmill.train.tasks.class_metrics import ClassMeasure, ClassOutputs
from ringmill.train.tasks.find import task_of
from ringmill.train.tasks.known import known_classes
from ringmill.train.tasks.task import Head

NAMES = ("a", "b", "c", "d")


def drawn(rows: int, seed: int) -> tuple[ClassOutputs, Rows]:
    draw = np.random.default_rng(seed)
    true = draw.integers(0, 3, size=rows)
    logits = np.round(draw.normal(size=(rows, 4)) + 2.0 * np.eye(4)[true], 1)
    weight = draw.integers(0, 4, size=rows) / 2
    return ClassOutputs(logits), Rows(np.arange(rows), np.zeros((rows, 1)), {"class": true.astype(float)}, weight)


def measured(parts: list[tuple[ClassOutputs, Rows]]) -> dict[str, Any]:
    measure = ClassMeasure.empty(NAMES)
    for outputs, rows in parts:
        measure.add(outputs, rows)
    measure.merge(Solo())
    return measure.metrics()


def test_law_6_figures_of_classes_equal_scikit_learn() -> None:
    outputs, rows = drawn(700, 3)
    found, true, said = measured([(outputs, rows)]), rows.labels["class"], outputs.said
    judged: dict[str, Any] = {"sample_weight": rows.weight}
    assert found["accuracy"] == pytest.approx(judge.accuracy_score(true, said, **judged), abs=1e-12)
    loss = judge.log_loss(true, outputs.probabilities, labels=range(4), **judged)
    assert found["log_loss"] == pytest.approx(loss, abs=1e-12)
    assert found["confusion"] == judge.confusion_matrix(true, said, labels=range(4), **judged).tolist()
    precision, recall, f1, _ = judge.precision_recall_fscore_support(true, said, labels=range(3), **judged)
    for place, name in enumerate("abc"):
        each = found["per_class"][name]
        expected = (precision[place], recall[place], f1[place])
        assert (each["precision"], each["recall"], each["f1"]) == pytest.approx(expected, abs=1e-12)
    assert found["f1_macro"] == pytest.approx(judge.f1_score(true, said, average="macro", **judged), abs=1e-12)
    for name, score in (("precision", judge.precision_score), ("recall", judge.recall_score)):
        mean = score(true, said, labels=range(4), average="macro", zero_division=np.nan, **judged)
        assert found[f"{name}_macro"] == pytest.approx(mean, abs=1e-12)
    # Class d never occurs: said of some rows, it has a precision, and no recall.
    assert (said == 3).any() and found["per_class"]["d"]["recall"] is None


@settings(deadline=None, max_examples=50)
@given(cuts=st.lists(st.integers(0, 60), min_size=1, max_size=3))
def test_law_6_blocks_of_any_size_give_the_figures_of_the_whole(cuts: list[int]) -> None:
    outputs, rows = drawn(60, 7)
    bounds = [0, *sorted(cuts), 60]
    blocks = [(ClassOutputs(outputs.logits[first:last]), rows.part(first, last)) for first, last in pairwise(bounds)]
    parts, whole = measured(blocks), measured([(outputs, rows)])
    assert parts["confusion"] == whole["confusion"]
    assert parts["log_loss"] == pytest.approx(whole["log_loss"], rel=1e-12)


def test_of_no_rows_there_are_no_figures_and_no_error() -> None:
    found = measured([drawn(0, 1)])
    assert (found["accuracy"], found["log_loss"], found["f1_macro"], found["weight"]) == (None, None, None, 0.0)


def test_log_probabilities_stay_finite_at_extreme_logits() -> None:
    outputs = ClassOutputs(np.array([[1e4, -1e4, 0.0]]))
    assert outputs.log_probabilities.tolist() == [[0.0, -2e4, -1e4]]


def splits_of(path: Path, labels: dict[str, list[Any]], kind: pa.DataType | None = None) -> dict[str, Manifest]:
    split = [name for name, values in labels.items() for _ in values]
    values = pa.array([value for each in labels.values() for value in each], kind)
    table = pa.table({"row_id": np.arange(len(split)), "label": values, "split": split})
    return pin_splits(write_table(path, table), 0, ("train", "validation", "test"))


def test_classes_are_those_of_the_train_split_in_order(tmp_path: Path) -> None:
    text = splits_of(tmp_path / "text", {"train": ["b", "a", "10", "9"], "validation": ["a"], "test": ["9", "b"]})
    assert known_classes(text, "label") == ("10", "9", "a", "b")
    whole = splits_of(tmp_path / "whole", {"train": [10, 9, -1, 9], "validation": [9], "test": [10]}, pa.int32())
    assert known_classes(whole, "label") == ("-1", "9", "10")


def test_the_table_s_own_rows_say_whether_classes_are_whole_numbers_and_not_those_that_are_added(
    tmp_path: Path,
) -> None:
    whole = splits_of(tmp_path / "whole", {"train": [10, 9, 9], "validation": [9], "test": [10]}, pa.int64())
    text = splits_of(tmp_path / "text", {"train": ["9"], "validation": ["9"], "test": ["9"]})
    assert known_classes(whole | {"train": with_rows_of(whole["train"], [text["train"]])}, "label") == ("9", "10")
    assert known_classes(text | {"train": with_rows_of(text["train"], [whole["train"]])}, "label") == ("10", "9")


@pytest.mark.parametrize(
    ("labels", "kind", "words"),
    [
        ({"train": ["a", "b"], "validation": ["c", "a"], "test": ["c", "d"]}, None, r"'c', 'd', in 3 rows"),
        ({"train": ["a", None, "b"], "validation": ["a"], "test": []}, None, r"1 nulls among 3 train rows"),
        ({"train": ["a", "a"], "validation": ["a"], "test": []}, None, r"2 to 1,000 classes[\s\S]*received: 1"),
        ({"train": [0.5, 1.5], "validation": [], "test": []}, None, r"text or as a whole number[\s\S]*double"),
    ],
    ids=["missing in training", "null", "one class", "no classes"],
)
def test_classes_that_cannot_be_learnt_are_named_with_table_and_rows(
    labels: dict[str, list[Any]], kind: Any, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        known_classes(splits_of(tmp_path / "t", labels, kind), "label")
    assert f"{tmp_path / 't'}, version 0" in str(caught.value)
    assert "label" in str(caught.value)


def test_class_weights_name_classes_that_are_there() -> None:
    task = {"kind": "classes"}
    section = Train(task=task, class_weights={"b": 3, 7: 2})
    assert task_of(section, ("a", "b", "7")).labels[0].weights == (1.0, 3.0, 2.0)
    with pytest.raises(ConfigError, match=r"class_weights[\s\S]*\['7'\]"):
        task_of(section, ("a", "b"))
    with pytest.raises(ConfigError, match="weighs more than 0"):
        task_of(Train(task=task, class_weights={"a": 0, "b": 0}), ("a", "b"))


def test_models_are_found_by_name_and_their_keys_are_checked() -> None:
    assert {"cnn", "mlp"} <= set(builders())
    assert settings_of(Model(kind="cnn", filters=[8])).filters == (8,)
    with pytest.raises(ConfigError, match=r"train\.model\.kind[\s\S]*cnn, [\s\S]*mlp[\s\S]*'cmn'"):
        settings_of(Model(kind="cmn"))
    with pytest.raises(ConfigError, match="did you mean 'filters'"):
        settings_of(Model(kind="cnn", filter=[8]))
    with pytest.raises(ConfigError, match=r"train\.model\.dropout"):
        settings_of(Model(kind="cnn", dropout=1.5))


def built(section: Train, shape: tuple[int, ...] = (28, 28, 1)) -> Any:
    return build_model(section, Input("pixels", shape, "uint8"), {"logits": Head((4,), (0.0,) * 4)}, seed=1)


@pytest.mark.parametrize("shape", [(28, 28, 1), (320, 320, 3)])
def test_a_cnn_takes_small_grey_and_large_coloured_images(shape: tuple[int, ...]) -> None:
    section = Train(model={"kind": "cnn", "filters": (2, 2, 2, 2), "gather": "average", "dense": 3})
    logits = built(section, shape)(np.zeros((2, *shape), np.float32), training=False)["logits"]
    assert logits.shape == (2, 4)


@pytest.mark.parametrize("attention", ["channels", "places"])
def test_attention_makes_parts_of_an_image_softer_and_looks_at_its_own_row_alone(attention: str) -> None:
    import keras

    model = built(Train(model={"kind": "cnn", "filters": (4, 4), "dense": 3, "attention": attention}), (12, 12, 1))
    x = np.random.default_rng(0).normal(size=(3, 12, 12, 1)).astype(np.float32)
    inner = keras.Model(model.input, [model.get_layer(f"{name}_1").output for name in ("relu", "attended")])
    before, after = (np.asarray(one) for one in inner(x, training=False))
    factor = after[before > 0] / before[before > 0]
    assert (factor > 0).all() and (factor < 1).all()
    alone = [np.asarray(inner(x[row : row + 1], training=False)[1])[0] for row in range(3)]
    np.testing.assert_allclose(np.stack(alone), after, rtol=1e-5, atol=1e-7)


def test_a_dilated_kernel_sees_places_that_lie_apart() -> None:
    import keras

    reach = {}
    for dilation in (1, 3):
        section = Train(model={"kind": "cnn", "filters": (2,), "dense": 2, "dilation": dilation})
        model = built(section, (16, 16, 1))
        point = np.zeros((1, 16, 16, 1), np.float32)
        point[0, 8, 8, 0] = 1.0
        seen = np.asarray(keras.Model(model.input, model.get_layer("convolution_0").output)(point))[0]
        reach[dilation] = sorted({int(row) for row in np.nonzero(np.abs(seen).sum(axis=2))[0]})
    assert reach == {1: [7, 8, 9], 3: [5, 8, 11]}


def test_a_cnn_refuses_what_is_no_image_or_too_small() -> None:
    for shape in ((784,), (4, 28, 1)):
        with pytest.raises(ConfigError, match=r"height, width, channels[\s\S]*an input of"):
            built(Train(model={"kind": "cnn"}), shape)


class Fakes:
    """A builder of the room, that stands in for someone's own."""

    layers: Any = ()

    @classmethod
    def build(cls, x: Input, heads: Any, settings: Any, *, dtype: str, seed: int) -> Any:
        import keras

        inner = keras.Sequential([keras.Input(x.shape), *cls.layers()])
        seen = inputs = keras.Input(x.shape)
        return keras.Model(inputs, {"logits": keras.layers.Dense(4)(inner(seen))})


def keras_norm() -> list[Any]:
    import keras

    return [keras.layers.BatchNormalization()]


def own_moments() -> list[Any]:
    from ringmill.train.layers import BatchNorm

    return [BatchNorm(sync=False)]


def drawing() -> list[Any]:
    import keras

    return [keras.layers.Dropout(0.5)]


def noise() -> list[Any]:
    import keras

    return [keras.layers.GaussianNoise(0.5)]


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (keras_norm, "leaves out padding[\\s\\S]*BatchNormalization"),
        (own_moments, "train.model.sync[\\s\\S]*'sync: false'"),
        (drawing, "draw by row id[\\s\\S]*Dropout"),
        (noise, "draw by row id[\\s\\S]*GaussianNoise"),
    ],
)
def test_law_5_a_builder_that_depends_on_the_ranks_is_refused(
    layers: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ringmill.train.models import cnn

    monkeypatch.setattr(Fakes, "layers", staticmethod(layers))
    monkeypatch.setattr(cnn, "build", Fakes.build)
    with pytest.raises(ConfigError, match=words):
        built(Train(model={"kind": "cnn"}))


def test_moments_of_own_rows_are_built_where_it_is_written_and_law_5_is_not_promised() -> None:
    section = Train(model={"kind": "cnn", "sync": False})
    assert built(section) is not None
    assert not section.is_exact and Train(model={"kind": "cnn"}).is_exact
    assert law_5(section, 2)["not_promised"].startswith("sync: false")
    assert law_5(Train(model={"kind": "cnn"}), 2) == {"ranks_with_bit_equal_weights": 2}


def test_moments_of_all_rows_and_several_passes_do_not_go_together() -> None:
    section = {"model": {"kind": "cnn"}, "optimizer": {"passes": 2}}
    with pytest.raises(ConfigError, match=r"train\.optimizer\.passes"):
        built(Train(**section))
    own = {**section, "model": {"kind": "cnn", "sync": False}}
    assert built(Train(**own)) is not None
    # Replicas exchange the moving moments, whose loop over passes would stand around the exchange.
    with pytest.raises(ConfigError, match=r"train\.optimizer\.passes"):
        built(Train(**own, engine="mirrored", launcher="local"))


def test_batch_norm_equals_keras_on_a_whole_batch_and_so_does_its_gradient() -> None:
    import keras
    import tensorflow as tf

    from ringmill.train.layers import BatchNorm
    from ringmill.train.step import Step, during

    x = tf.constant(np.random.default_rng(1).normal(3.0, 2.0, size=(6, 4, 4, 2)))
    mask = tf.constant([True] * 5 + [False])
    ours = BatchNorm(dtype="float64", momentum=0.9, epsilon=1e-3)
    theirs = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3, dtype="float64")
    found: list[Values] = []
    for layer, rows in ((ours, x), (theirs, x[:5])):
        step = Step(mask, lambda: tf.range(6, dtype=tf.int64), tf.constant(0, tf.int64), 1, Solo())
        with tf.GradientTape() as tape, during(step):
            tape.watch(rows)
            y = layer(rows, training=True)
            loss = tf.reduce_sum(tf.square(y[:5]) * tf.sin(rows[:5]))
        gradient = tape.gradient(loss, rows)[:5]
        found.append([y[:5].numpy(), gradient.numpy(), *(value.numpy() for value in layer.variables)])
    for mine, expected in zip(*found, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_computes_in_it_and_keeps_weights_and_logits_in_float32(dtype: str) -> None:
    import tensorflow as tf

    from ringmill.train.step import Step, during

    section = Train(model={"kind": "cnn", "filters": (4,), "dense": 3}, dtype=dtype)
    model = built(section, (8, 8, 1))
    step = Step(tf.constant([True] * 4), lambda: tf.range(4, dtype=tf.int64), tf.constant(0, tf.int64), 1, Solo())
    with during(step):
        logits = model(np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32), training=True)["logits"]
    assert logits.dtype == tf.float32 and np.isfinite(logits.numpy()).all()
    assert {variable.dtype for variable in model.variables} == {"float32"}
    assert model.get_layer("norm_0").compute_dtype == dtype.removeprefix("mixed_")


def test_a_layer_that_needs_a_step_says_so() -> None:
    from ringmill.train.layers import BatchNorm, Dropout

    for layer in (BatchNorm(name="one"), Dropout(0.5, number=1, name="one")):
        # Keras makes an error of its own of it, around the words.
        with pytest.raises(RuntimeError, match="Layer 'one' was called in training outside of a step"):
            layer(np.zeros((2, 3), np.float32), training=True)
        assert layer(np.zeros((2, 3), np.float32), training=False).shape == (2, 3)
