"""The model of order sequences: what padding changes (nothing), what is saved, and three heads on real ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ringmill.config.train import Train
from ringmill.errors import ConfigError, InputError
from ringmill.handoff.columns import Columns, Input, Rows
from ringmill.handoff.decode import decode
from ringmill.train.build import build_model
from ringmill.train.saved import load_model
from ringmill.train.tasks.task import Head
from train.sequences import LENGTH, NUMBERS, ROWS, orders
from train.test_optimizer import off, on_ranks

pytestmark = pytest.mark.ring

HEADS = {"head_category": Head((3,), (0.0, 0.5, -0.5)), "head_days": Head((), (7.0,))}
READERS: dict[str, dict[str, Any]] = {
    "lstm": {"kind": "sequence", "reader": "lstm", "units": 4, "state": 5, "dropout": 0.3},
    "gru": {"kind": "sequence", "reader": "gru", "units": 4, "state": 5, "dropout": 0.3},
    "attention": {"kind": "sequence", "reader": "attention", "units": 4, "heads": 2, "dropout": 0.3},
}
X = np.zeros((3, 3, 3), np.float32)  # of three customers the last has no order
X[0], X[1, 2] = [[1, 0.5, -1], [2, 0.1, 0], [1, -0.3, 2]], [3, 0, 1]


def built(reader: str, length: int = 3, dtype: str = "float64") -> Any:
    section = Train(task={"kind": "classes"}, model=READERS[reader], dtype=dtype)
    return build_model(section, Input("x", (length, 3), ids=4), HEADS, seed=1)


def said(model: Any, x: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.asarray(values) for name, values in model(x, training=False).items()}


@pytest.mark.parametrize("reader", READERS)
def test_law_4_more_places_before_the_first_order_change_no_number_and_no_order_at_all_is_one(reader: str) -> None:
    short, long = built(reader), built(reader, length=7)
    for mine, theirs in zip(long.variables, short.variables, strict=True):
        value = theirs.numpy()
        mine.assign(np.pad(value, [(a - b, 0) for a, b in zip(mine.shape, value.shape, strict=True)]))
    found, padded = said(short, X), said(long, np.pad(X, ((0, 0), (4, 0), (0, 0))))
    assert found["head_category"].shape == (3, 3) and found["head_days"].shape == (3,)
    for name, values in found.items():
        assert np.isfinite(values).all() and values.dtype == np.float64
        np.testing.assert_allclose(padded[name], values, rtol=1e-12, atol=1e-14)
    strange = X.copy()
    strange[1:, 0, 1:] = 1e30  # in places without an order
    assert all((said(short, strange)[name] == values).all() for name, values in found.items())


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, when it saves
@pytest.mark.parametrize("reader", READERS)
def test_a_saved_model_is_loaded_without_running_code_and_says_the_same(reader: str, tmp_path: Path) -> None:
    model = built(reader, dtype="mixed_float16")
    model.save(tmp_path / "model.keras")
    found, again = said(model, X), said(load_model(tmp_path / "model.keras"), X)
    assert all((again[name] == values).all() and values.dtype == np.float32 for name, values in found.items())


@pytest.mark.parametrize(
    ("model", "x", "words"),
    [
        (READERS["gru"], Input("ids", (5,), "int32", ids=9), r"reads orders[\s\S]*int32 of shape \(5,\)"),
        (READERS["gru"], Input("x", (5, 3)), r"reads orders[\s\S]*float32 of shape \(5, 3\)"),
        ({**READERS["attention"], "units": 5}, Input("x", (5, 3), ids=4), "'units' that 'heads' divides"),
    ],
    ids=["texts", "no ids", "heads"],
)
def test_what_are_no_orders_and_heads_that_do_not_divide_are_refused(model: Any, x: Input, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build_model(Train(task={"kind": "classes"}, model=model), x, HEADS, seed=1)


def test_the_first_number_of_a_place_is_an_id() -> None:
    columns = Columns(Input("x", (2, 2), ids=3))
    for values, fits in (
        ([0, 0.5, 2, 9], True),
        ([1.5, 0, 0, 0], False),
        ([0, 0, 3, 0], False),
        ([-1, 0, 0, 0], False),
    ):
        batch = pa.record_batch({"row_id": [1], "x": pa.array([values], pa.list_(pa.float32()))})
        into = Rows.empty(1, columns)
        if fits:
            decode("features/orders", batch, columns, into)
            assert into.x.tolist() == [values]
        else:
            with pytest.raises(InputError, match=r"ids from 0 to 2[\s\S]*1 places"):
                decode("features/orders", batch, columns, into)


# Each has its padding filled on two ranks; building the graphs is what takes time.
TRIED = ("gru", "attention")


def on(ranks: int, home: Path, variants: dict[str, Any]) -> list[dict[str, Any]]:
    return on_ranks("train_sequences", ranks, home, module="sequences", variants=variants)


def variant(reader: str, fill: float = 0.0) -> dict[str, Any]:
    return {"model": READERS[reader], "fill": fill}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    """By the number of ranks, what each rank found."""
    home = tmp_path_factory.mktemp("sequences")
    fills = {1: 0.0, 2: 1e30}
    return {ranks: on(ranks, home, {name: variant(name, fill) for name in TRIED}) for ranks, fill in fills.items()}


@pytest.mark.parametrize("reader", TRIED)
def test_laws_4_and_5_two_ranks_give_one_rank_s_weights_where_rows_lack_labels(reader: str, trained: Any) -> None:
    _, x, labels = orders()
    assert np.isnan(labels["days"]).sum() > 10 and not x.reshape(ROWS, LENGTH, 1 + NUMBERS)[:, -1, 0].all()
    # 68 rows in steps of 13, which two does not divide: most steps have padding on a rank.
    solo, (first, second) = trained[1][0][reader], (found[reader] for found in trained[2])
    assert first["steps"] == 54
    assert first["weights"] == second["weights"]
    assert off(first, solo) <= 1e-9
    assert solo["losses"][-1] < solo["losses"][0]


@pytest.mark.long
def test_law_4_what_padding_holds_changes_no_bit_of_any_reader(tmp_path: Path) -> None:
    both = {f"{name} {fill}": variant(name, fill) for name in READERS for fill in (0.0, 1e30)}
    found = on(2, tmp_path, both)[0]
    assert all(found[f"{name} 0.0"]["weights"] == found[f"{name} 1e+30"]["weights"] for name in READERS)
