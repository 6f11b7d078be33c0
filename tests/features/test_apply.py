import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from ringmill.errors import InputError
from ringmill.features.apply import apply, encoder
from ringmill.features.categories import OneHot
from ringmill.features.default import default_set
from ringmill.features.scaling import Missing, Scaled
from ringmill.features.state import State

PARTS = (
    Scaled("orders", "orders", log1p=True, centre=1.0, scale=2.0),
    Scaled("gap", "gap", log1p=False, centre=10.0, scale=5.0, null=0.0),
    Missing("gap", "gap is null"),
    OneHot(("country",), "country", ("France", "Spain")),
)
INPUTS = (("country", "string"), ("gap", "double"), ("orders", "double"))


def state_of(*parts, inputs=INPUTS):
    return State(inputs, parts, tuple(name for part in parts for name in part.names))


STATE = state_of(*PARTS)


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
    changed = state_of(replace(PARTS[0], centre=1.0000001), *PARTS[1:])
    assert changed.hash != STATE.hash


def test_a_state_of_another_release_is_named_and_not_guessed_at():
    with pytest.raises(InputError, match=r"frozen state[\s\S]*categories, numeric"):
        State.from_json({"numeric": [], "categories": []})
    with pytest.raises(InputError, match="wavelets"):
        State.from_json({"inputs": {}, "parts": [{"kind": "wavelets"}], "kept": [], "tensors": []})
    known = STATE.to_json()
    with pytest.raises(InputError, match="no tensors"):
        State.from_json({name: value for name, value in known.items() if name != "tensors"})
    older = {name: value for name, value in known["parts"][0].items() if name != "centre"} | {"mean": 1.0}
    with pytest.raises(InputError, match=r"of the kind scaled: [\s\S]*centre[\s\S]*received: .*mean"):
        State.from_json(known | {"parts": [older]})


def test_law_9_nan_is_refused_where_null_is_allowed_too():
    with pytest.raises(InputError, match=r"'gap'.*\n.*\n.*no NaN.*\n.*1 NaN"):
        apply(batch(gap=[float("nan"), None]), STATE)


def test_a_part_may_read_an_earlier_parts_output_and_what_is_not_kept_is_no_part_of_x():
    twice = State(INPUTS, (PARTS[0], Scaled("z", "twice", False, 0.0, 0.5)), ("twice",))
    twice = replace(twice, parts=(replace(PARTS[0], name="z"), twice.parts[1]))
    once = apply(batch(), state_of(PARTS[0]))
    assert twice.names == ("twice",)
    np.testing.assert_array_equal(apply(batch(), twice), once * 2)


def test_a_feature_beyond_float32_names_itself_and_its_rows():
    with pytest.raises(InputError, match=r"'gap'.*\n.*\n.*float32\n.*1 rows"):
        apply(batch(gap=[1e300, 1.0]), STATE)


def test_the_default_set_keeps_the_measures_order_then_indicators_then_countries():
    entries = default_set(("order_count", "gap_days_mean", "returns_share", "spend_total_7d"), top_countries=3)
    found = [
        (entry.kind, entry.columns, getattr(entry, "log1p", None), getattr(entry, "null", None)) for entry in entries
    ]
    assert found == [
        ("zscore", ("order_count",), True, None),
        ("zscore", ("gap_days_mean",), True, 0.0),
        ("zscore", ("returns_share",), False, None),
        ("zscore", ("spend_total_7d",), True, None),
        ("missing", ("gap_days_mean",), None, None),
        ("one_hot", ("country",), None, None),
    ]
    assert entries[-1].most == 3
