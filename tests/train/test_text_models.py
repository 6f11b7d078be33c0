"""Models of texts without ranks: what padding and length change (nothing), what is saved, and Keras' own cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ringmill.config.train import Train
from ringmill.errors import ConfigError
from ringmill.handoff.columns import Input
from ringmill.train.build import build_model
from ringmill.train.saved import load_model
from ringmill.train.tasks.task import Head

# Their tests start no ranks, but import TensorFlow.
pytestmark = pytest.mark.ring

HEADS = {"logits": Head((3,), (0.0, 0.5, -0.5))}
KINDS: dict[str, dict[str, Any]] = {
    "textcnn": {"kind": "textcnn", "units": 4, "kernels": (1, 3), "filters": 8, "dense": 16},
    "gru": {"kind": "gru", "units": 4, "state": 5},
    "lstm": {"kind": "gru", "cell": "lstm", "units": 4, "state": 5},
    "transformer": {"kind": "transformer", "units": 4, "heads": 2, "blocks": 2, "dense": 6},
}
IDS = np.array([[5, 3, 7, 0, 0], [4, 0, 0, 0, 0], [0, 0, 0, 0, 0], [1, 2, 3, 4, 5]], np.int32)


def built(kind: str, length: int = 5, dtype: str = "float64") -> Any:
    section = Train(task={"kind": "classes"}, model=KINDS[kind], dtype=dtype)
    return build_model(section, Input("ids", (length,), "int32", ids=9), HEADS, seed=1)


def said(model: Any, ids: np.ndarray) -> np.ndarray:
    return np.asarray(model(ids, training=False)["logits"])


@pytest.mark.parametrize("kind", KINDS)
def test_law_4_more_padding_changes_no_number_and_a_text_without_tokens_is_one(kind: str) -> None:
    short, long = built(kind), built(kind, length=9)
    for mine, theirs in zip(long.variables, short.variables, strict=True):
        value = theirs.numpy()
        # The transformer's places are as many as the length: those that it had keep their vectors.
        mine.assign(np.pad(value, [(0, a - b) for a, b in zip(mine.shape, value.shape, strict=True)]))
    found = said(short, IDS)
    assert np.isfinite(found).all() and found.dtype == np.float64
    np.testing.assert_allclose(said(long, np.pad(IDS, ((0, 0), (0, 4)))), found, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(np.concatenate([said(short, row[None]) for row in IDS]), found, rtol=1e-12, atol=1e-14)
    assert len(np.unique(found.round(12), axis=0)) == 4


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, when it saves
@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_is_loaded_without_running_code_and_says_the_same(kind: str, tmp_path: Path) -> None:
    model = built(kind)
    model.save(tmp_path / "model.keras")
    assert (said(load_model(tmp_path / "model.keras"), IDS) == said(model, IDS)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_keeps_weights_and_logits_in_float32(kind: str) -> None:
    model = built(kind, dtype="mixed_float16")
    found = said(model, IDS)
    assert found.dtype == np.float32 and np.isfinite(found).all()
    assert {str(variable.dtype) for variable in model.variables} == {"float32"}


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_cells_compute_what_keras_computes(cell: str) -> None:
    import keras

    from ringmill.train.text_layers import GruCell, LstmCell

    mine = {"gru": GruCell, "lstm": LstmCell}[cell](3, seed=1, dtype="float64")
    theirs = {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}[cell](3, dtype="float64")
    draw = np.random.default_rng(2)
    x, states = draw.normal(size=(4, 2)), [draw.normal(size=(4, 3)) for _ in mine.state_size]
    mine.build((4, 2))
    theirs.build((4, 2))
    kernel, recurrent, bias = (value.numpy() for value in mine.variables)
    # Keras has two biases where the reset gate stands behind the product, and starts the forget gate by its bias.
    own = np.stack([bias, np.zeros_like(bias)]) if cell == "gru" else bias + np.repeat([0.0, 1.0, 0.0, 0.0], 3)
    theirs.set_weights([kernel, recurrent, own][: len(theirs.weights)])
    found, expected = (layer(x, states)[0] for layer in (mine, theirs))
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_what_are_no_ids_is_refused(kind: str) -> None:
    section = Train(task={"kind": "classes"}, model=KINDS[kind])
    with pytest.raises(ConfigError, match=r"reads lists of ids[\s\S]*float32 of shape \(5,\)"):
        build_model(section, Input("x", (5,)), HEADS, seed=1)


def test_heads_divide_the_units() -> None:
    with pytest.raises(ConfigError, match="'units' that 'heads' divides"):
        build_model(
            Train(model={"kind": "transformer", "units": 5, "heads": 2}),
            Input("ids", (3,), "int32", ids=4),
            HEADS,
            seed=1,
        )
