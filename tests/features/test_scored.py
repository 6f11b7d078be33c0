"""What scoring hands to a model is what its features are made of, or the measure that differs is named."""

import json
import subprocess
import sys

import pytest

from ringmill.errors import InputError
from ringmill.features.lifetime import LifetimeValue
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


def test_a_scorer_hides_what_tensorflow_does_not_need_and_shows_it_to_a_state_that_does(tmp_path):
    measures = ("active_days", "tenure_days", "days_since_last_order")
    part = LifetimeValue(measures, "{output}", (0.2, 30.0, 0.8, 2.4), None, (90,), 12, 0.01)
    columns = tuple((name, "double") for name in part.columns)
    (tmp_path / "state.json").write_text(json.dumps(State(columns, (part,), part.names).to_json()))
    program = f"""
import json, pyarrow as pa
from ringmill.train.start import hide_unneeded, show_hidden
hide_unneeded()
from ringmill.features.apply import apply
from ringmill.features.state import State
state = State.from_json(json.load(open({str(tmp_path / "state.json")!r})))
batch = pa.record_batch({{"active_days": [3.0], "tenure_days": [60.0], "days_since_last_order": [5.0]}})
try:
    apply(batch, state)
except ModuleNotFoundError:
    show_hidden()
    print(*apply(batch, state)[0])
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    alive, purchases = map(float, told.stdout.split())
    assert 0.5 < alive < 1
    assert 0 < purchases < 10
