"""What a saved model says of a row hangs on no other row, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ringmill.train.saved import answers
from ringmill.train.start import import_tensorflow

LENGTH = 12


@pytest.fixture(scope="module")
def keras() -> Any:
    import_tensorflow(threads=1)
    import keras

    keras.utils.set_random_seed(5)
    return keras


def body_of(kind: str, keras: Any) -> list[Any]:
    layers = keras.layers
    if kind == "dense":
        return [layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(32, activation="tanh")]
    if kind == "convolutions":
        return [layers.Conv1D(16, 3, activation="relu"), layers.GlobalMaxPooling1D()]
    return [layers.GRU(16)]


@pytest.mark.parametrize("kind", ["dense", "convolutions", "recurrent"])
@pytest.mark.parametrize("at_once", [10, 100])
def test_law_9_a_rows_answer_is_the_same_bits_in_whatever_batch_it_comes(kind: str, at_once: int, keras: Any) -> None:
    inputs = keras.Input((LENGTH, 3))
    seen = inputs
    for layer in body_of(kind, keras):
        seen = layer(seen)
    model = keras.Model(inputs, {"chance": keras.layers.Dense(1, activation="sigmoid")(seen)})

    def said(x: NDArray[np.float32]) -> NDArray[np.float64]:
        return answers(lambda part: model(part, training=False), x, at_once=at_once)["chance"]

    rng = np.random.default_rng(3)
    rows = 20 if at_once < 64 else 500  # told one by one where fewer than 64 go at once
    x = rng.normal(size=(rows, LENGTH, 3)).astype(np.float32)
    whole = said(x)
    assert whole.shape == (rows, 1) and len(np.unique(whole)) > rows // 2
    np.testing.assert_allclose(whole, np.asarray(model(x, training=False)["chance"]), rtol=1e-5)
    for _ in range(2 if at_once < 64 else 20):
        places = rng.permutation(rows)[: rng.integers(1, rows)]
        np.testing.assert_array_equal(said(x[places]), whole[places])
    assert said(x[:0]).shape == (0, 1)
