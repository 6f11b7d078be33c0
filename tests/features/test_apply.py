import json

import numpy as np
import pyarrow as pa
import pytest

from ringmill.errors import InputError
from ringmill.features.apply import apply, encoder
from ringmill.features.state import Categories, Numeric, State

STATE = State(
    numeric=(
        Numeric("orders", log=True, mean=1.0, std=2.0, indicator=False),
        Numeric("gap", log=False, mean=10.0, std=5.0, indicator=True),
    ),
    categories=(Categories("country", ("France", "Spain")),),
)


def batch(**columns):
    values = {"orders": [0.0, 3.0], "gap": [20.0, None], "country": ["Spain", None]} | columns
    types = {"orders": pa.float64(), "gap": pa.float64(), "country": pa.string()}
    return pa.record_batch({name: pa.array(value, types[name]) for name, value in values.items()})


def test_scales_marks_nulls_and_encodes_categories_in_the_states_order():
    expected = [
        [(np.log1p(0) - 1) / 2, 2.0, 0.0, 0.0, 1.0, 0.0],
        [(np.log1p(3) - 1) / 2, 0.0, 1.0, 0.0, 0.0, 1.0],
    ]
    assert STATE.names == ("orders", "gap", "gap is null", "country = France", "country = Spain", "country = other")
    np.testing.assert_array_equal(apply(batch(), STATE), np.array(expected, dtype=np.float32))


def test_an_unseen_country_counts_as_other():
    matrix = apply(batch(country=["Atlantis", "France"]), STATE)
    assert matrix[:, 3:].tolist() == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]


def test_law_9_a_missing_column_a_wrong_type_or_a_new_null_names_the_column():
    with pytest.raises(InputError, match="orders"):
        apply(batch().drop_columns(["orders"]), STATE)
    with pytest.raises(InputError, match=r"'gap'.*\n.*\n.*double\n.*int64"):
        apply(batch().set_column(1, "gap", pa.array([1, 2])), STATE)
    with pytest.raises(InputError, match="'orders'"):
        apply(batch(orders=[None, 1.0]), STATE)


def test_an_empty_batch_gives_no_rows_and_all_columns():
    assert apply(batch().slice(0, 0), STATE).shape == (0, 6)


def test_the_encoder_adds_x_as_lists_of_equal_length():
    (out,) = encoder(STATE)([batch()])
    assert out.schema.field("x").type == pa.list_(pa.float32())
    np.testing.assert_array_equal(np.array(out.column("x").to_pylist(), np.float32), apply(batch(), STATE))


def test_state_survives_json_and_its_hash_sees_every_number():
    again = State.from_json(json.loads(json.dumps(STATE.to_json())))
    assert again == STATE
    assert again.hash == STATE.hash
    changed = State((Numeric("orders", True, 1.0000001, 2.0, False), STATE.numeric[1]), STATE.categories)
    assert changed.hash != STATE.hash
