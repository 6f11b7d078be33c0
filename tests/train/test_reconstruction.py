"""The task 'reconstruction' and its model without ranks: what is learnt, and the encoder with and without Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from matrices import Given
from ringmill.config.train import Train
from ringmill.features.extraction.autoencoder import AutoencoderPart
from ringmill.handoff.columns import Input, Rows
from ringmill.train.build import build_model, frozen_of
from ringmill.train.checkpoint import State
from ringmill.train.ranks import Solo
from ringmill.train.tasks.find import task_of

NAMES = tuple(f"x{place}" for place in range(5))


def section(dtype: str = "float64", **model: Any) -> Train:
    settings = {"kind": "autoencoder", "hidden": (7, 4), "code": 2, **model}
    return Train(task={"kind": "reconstruction"}, model=settings, dtype=dtype)


def built(train: Train) -> Any:
    """A model whose biases are no zeros."""
    model = build_model(train, Input("x", (5,)), task_of(train).starts(9, [9.0]), seed=3)
    draw = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(variable + draw.normal(0, 0.3, variable.shape))
    return model


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 1e-6)])
def test_law_9_the_frozen_encoder_gives_what_kerass_gives(dtype: str, rtol: float) -> None:
    import keras

    train = section(dtype)
    model = built(train)
    part = AutoencoderPart.of("code", NAMES, frozen_of(train, model) or {})
    x = np.random.default_rng(2).normal(size=(40, 5)).astype(np.float32)
    encoder = keras.Model(model.input, model.get_layer("code").output)
    expected = np.asarray(encoder(x.astype(dtype)))
    found = part.apply(Given(NAMES, x.astype(np.float64)))
    # Of each number of the code, by the size of the numbers that it is a sum of.
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * np.abs(expected).max())
    assert part.names == ("code 1", "code 2") and part.reads == NAMES
    assert [part.encode(x[place : place + 1])[0].tolist() for place in range(3)] == found[:3].tolist()
    assert part.encode(x[:0]).shape == (0, 2)


def test_what_is_minimised_is_the_weighted_mean_of_each_rows_mean_squared_error() -> None:
    import keras

    train = section()
    model, task = built(train), task_of(train)
    x = np.random.default_rng(2).normal(size=(4, 5))
    errors = np.asarray(model(x)["squared_error"])
    difference = np.asarray(keras.Model(model.input, model.get_layer("error").output)(x))
    np.testing.assert_allclose(errors, (difference**2).mean(axis=1), rtol=1e-12)
    weight = np.array([1.0, 2.0, 0.0, 0.5])
    (total,) = task.losses({"squared_error": errors}, {}, weight)
    (mass,) = task.masses(weight, {})
    measure = task.measure(4)
    for part in (slice(0, 3), slice(3, 4)):
        measure.add(errors[part], Rows(np.arange(4)[part], x[part], {}, weight[part]))
    measure.merge(Solo())
    expected = (weight * errors).sum() / 3.5
    assert float(task.loss([total], [mass.sum()])) == pytest.approx(expected, rel=1e-12)
    assert measure.metrics() == {"squared_error": pytest.approx(expected, rel=1e-12), "weight": 3.5}
    assert task.measure(0).metrics()["squared_error"] is None


def test_other_models_have_nothing_frozen() -> None:
    train = Train()
    model = build_model(train, Input("x", (3,)), task_of(train).starts(2, [2.0, 1.0, 1.0]), seed=1)
    assert frozen_of(train, model) is None


def test_an_autoencoder_has_no_class_weights() -> None:
    with pytest.raises(ValueError, match="no classes"):
        Train(**{**section().model_dump(), "class_weights": {"0": 2.0}})


def test_with_keep_last_each_epoch_is_the_best_and_none_is_waited_for() -> None:
    weights = [(np.array([number]),) for number in range(4)]
    state = State(0, weights[0], (), weights[0])
    for number, loss in ((1, 1.0), (2, 2.0), (3, 3.0)):
        state = state.after({"val_loss": loss}, weights[number], (), keep="last")
    assert (state.best_epoch, state.best_loss, state.waited, state.best_weights) == (3, 3.0, 0, weights[3])
