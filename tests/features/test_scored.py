"""What scoring hands to a model is what its features are made of, or the measure that differs is named."""

import json

import pytest

from ringmill.errors import InputError
from ringmill.features.scaling import Scaled
from ringmill.features.state import State
from ringmill.pipeline.score import check_inputs


def test_a_measure_that_the_model_needs_and_scoring_has_not_is_named(tmp_path):
    state = State((("spend_total_90d", "double"),), (Scaled("spend_total_90d", "z", False, 0.0, 1.0),), ("z",))
    (tmp_path / "features.json").write_text(json.dumps(state.to_json()))
    check_inputs(tmp_path, [("customer_id", "string"), ("spend_total_90d", "double")])
    with pytest.raises(InputError, match=r"spend_total_90d[\s\S]*columns spend_total_60d[\s\S]*windows_days"):
        check_inputs(tmp_path, [("spend_total_60d", "double")])
    with pytest.raises(InputError, match=r"of type double[\s\S]*int64"):
        check_inputs(tmp_path, [("spend_total_90d", "bigint")])
