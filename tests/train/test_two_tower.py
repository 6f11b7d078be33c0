"""The task 'pairs' and its model: what is minimised, law 5 on real ranks, and both towers with and without Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ringmill.config.train import Train
from ringmill.errors import ConfigError
from ringmill.handoff.columns import Input, Rows
from ringmill.score.towers import Towers
from ringmill.train.build import build_model, frozen_of
from ringmill.train.compare import Predictions, compare
from ringmill.train.optimizer import RingOptimizer
from ringmill.train.ranks import Solo
from ringmill.train.saved import load_model
from ringmill.train.tasks.find import task_of
from train.test_optimizer import off, on_ranks
from train.towers import HISTORY, PRODUCTS, ROWS, SECTION, purchases

X = Input("x", (1 + HISTORY,), "int32", ids=1 + PRODUCTS)


def section(**changes: Any) -> Train:
    return Train(**{**SECTION, **changes})


def built(train: Train) -> Any:
    """A model of the shares of the products among `purchases`, whose biases are no longer those."""
    _, x = purchases()
    task = task_of(train, ids=X.ids)
    totals = task.totals(np.ones(ROWS), {"product": x[:, 0].astype(np.float64)})
    model = build_model(train, X, task.starts(ROWS, totals), seed=3)
    draw = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(variable + draw.normal(0, 0.3, variable.shape))
    return model


@pytest.mark.ring
def test_laws_4_and_5_two_ranks_learn_one_rank_s_towers_and_padding_changes_no_bit(tmp_path: Path) -> None:
    (solo,) = on_ranks("train_towers", 1, tmp_path, module="towers", fills={"zeros": 0.0})
    # 68 rows in steps of 13, which two does not divide: most steps have padding on a rank.
    first, second = on_ranks("train_towers", 2, tmp_path, module="towers", fills={"zeros": 0.0, "filled": 1e30})
    assert first["zeros"]["steps"] == 54
    assert first["zeros"]["weights"] == second["zeros"]["weights"] == first["filled"]["weights"]
    assert off(first["zeros"], solo["zeros"]) <= 1e-9
    assert solo["zeros"]["losses"][-1] < solo["zeros"]["losses"][0]


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 2e-6)])
def test_law_9_the_frozen_towers_say_what_kerass_say(dtype: str, rtol: float) -> None:
    train = section(dtype=dtype)
    model = built(train)
    towers = Towers.of(frozen_of(train, model) or {})
    _, x = purchases()
    surprise = np.asarray(model(x)["log_loss"])
    found = towers.log_chances(x[:, 1:])
    np.testing.assert_allclose(-found[np.arange(ROWS), x[:, 0] - 1], surprise, rtol=rtol)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1.0, rtol=1e-12)
    assert [towers.log_chances(x[place : place + 1, 1:])[0].tolist() for place in range(5)] == found[:5].tolist()


def test_before_anything_is_learnt_a_customer_without_products_is_told_the_shares() -> None:
    train, (_, x) = section(), purchases()
    task = task_of(train, ids=X.ids)
    totals = task.totals(np.ones(ROWS), {"product": x[:, 0].astype(np.float64)})
    assert totals == np.bincount(x[:, 0], minlength=1 + PRODUCTS)[1:].tolist()
    model = build_model(train, X, task.starts(ROWS, totals), seed=3)
    asked = np.zeros((PRODUCTS, 1 + HISTORY), np.int32)
    asked[:, 0] = np.arange(1, 1 + PRODUCTS)
    known = np.maximum(np.array(totals), 0.5)
    np.testing.assert_allclose(np.exp(-np.asarray(model(asked)["log_loss"])), known / known.sum(), rtol=1e-12)


def test_in_training_the_batch_s_products_stand_for_all_less_the_logarithm_of_their_shares() -> None:
    import tensorflow as tf

    from ringmill.train.step import Step, during

    train = section(model={**SECTION["model"], "dropout": 0.0})
    model, (row_id, x) = built(train), purchases()
    x, real = x[:20], np.arange(20) < 17
    step = Step(tf.constant(real), lambda: tf.constant(row_id[:20]), tf.constant(0, tf.int64), 3, Solo())
    with during(step):
        found = np.asarray(model(tf.constant(np.where(real[:, None], x, 0), tf.int32), training=True)["log_loss"])
    layer, towers = model.get_layer("products"), Towers.of(frozen_of(train, model) or {})
    # The logarithm of a chance is a logit up to a number of the customer's, which a difference of logits is without.
    logits = towers.log_chances(x[:, 1:]) - np.array(layer.log_shares)
    batch = x[:17, 0] - 1
    for row in range(17):
        own = batch[row]
        negatives = logits[row, batch[batch != own]]
        naive = np.log(np.exp(logits[row, own]) + np.exp(negatives).sum()) - logits[row, own]
        assert found[row] == pytest.approx(naive, rel=1e-10)
    assert np.isfinite(found).all()


def test_law_5_the_rows_of_an_embedding_s_gradient_are_added_up_before_an_optimizer_squares_them() -> None:
    import keras
    import tensorflow as tf

    rows = tf.constant([[1.0, -1.0], [2.0, 3.0], [4.0, 0.5]], tf.float64)
    slices = tf.IndexedSlices(rows, tf.constant([1, 0, 1]), tf.constant([9, 2]))
    tables = []
    for gradient in (slices, tf.convert_to_tensor(slices)):
        table = keras.Variable(np.zeros((9, 2)), dtype="float64")
        optimizer = RingOptimizer(keras.optimizers.Adam(0.1, epsilon=1.0), Solo())
        optimizer.build([table])
        optimizer.apply([gradient], [table])
        tables.append(table.numpy())
    assert tables[0].tolist() == tables[1].tolist()
    assert np.flatnonzero(tables[0].any(axis=1)).tolist() == [0, 1]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, when it saves
def test_a_saved_model_says_the_same_when_it_is_loaded(tmp_path: Path) -> None:
    model, (_, x) = built(section()), purchases()
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert np.asarray(loaded(x)["log_loss"]).tolist() == np.asarray(model(x)["log_loss"]).tolist()


def test_two_models_of_pairs_are_compared_by_their_surprise_at_the_same_rows() -> None:
    def said(surprise: list[float]) -> Predictions:
        return Predictions(pa.table({"row_id": [7, 8, 9], "log_loss": surprise}))

    found = compare(said([2.0, 3.0, 4.0]), said([1.0, 2.0, 3.5]), metric="log_loss", confidence=0.9)
    assert found is not None and (found.metric, found.rows) == ("log_loss", 3)
    assert found.difference == pytest.approx(2.5 / 3, rel=1e-12) and found.is_worse


def test_law_6_the_mean_surprise_of_parts_is_that_of_all_rows() -> None:
    task = task_of(section(), ids=X.ids)
    surprise, weight = np.array([1.0, 4.0, 9.0, 2.0]), np.array([1.0, 2.0, 0.0, 0.5])
    measure = task.measure(4)
    for part in (slice(0, 3), slice(3, 4)):
        measure.add(surprise[part], Rows(np.arange(4)[part], np.zeros((4, 1))[part], {}, weight[part]))
    measure.merge(Solo())
    assert measure.metrics() == {"log_loss": pytest.approx(10 / 3.5, rel=1e-12), "weight": 3.5}
    assert task.predicted(surprise, None, {})[:, 0].tolist() == surprise.tolist()  # type: ignore[arg-type]


def test_a_batch_in_passes_is_refused_since_a_pass_lacks_negatives() -> None:
    train = section(optimizer={"passes": 2})
    with pytest.raises(ConfigError, match="negatives from the whole batch"):
        build_model(train, X, task_of(train, ids=X.ids).starts(9, [1.0] * PRODUCTS), seed=1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": {"kind": "mlp"}}, "two_tower with train.task.kind: pairs"),
        ({"task": {"kind": "purchase"}}, "two_tower with train.task.kind: pairs"),
        ({"class_weights": {"1": 2.0}}, "no classes"),
    ],
)
def test_pairs_have_two_towers_and_no_classes(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        section(**changes)
