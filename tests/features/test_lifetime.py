"""Lifetime value as features: the models' own numbers, from the train split, the same in Spark and in a process."""

import numpy as np
import pytest
from pydantic import TypeAdapter

from features.test_kinds import batch_of
from rfm import cdnow
from ringmill.config.features import FeatureEntry
from ringmill.errors import InputError
from ringmill.features.apply import apply, encoder
from ringmill.features.fit import fit
from ringmill.features.state import State
from ringmill.lifetime.bgnbd import BetaGeo
from ringmill.lifetime.foresee import Ahead, foresee_columns
from ringmill.lifetime.gamma_gamma import GammaGamma
from without_jvm import encoded_without_jvm

pytestmark = pytest.mark.spark
COLUMNS = ("active_days", "tenure_days", "days_since_last_order", "repeat_value_mean")
SCHEMA = "customer_id string, " + ", ".join(f"{name} double" for name in COLUMNS)


def entries(**more):
    return TypeAdapter(tuple[FeatureEntry, ...]).validate_python([{"kind": "lifetime", **more}])


@pytest.fixture(scope="module")
def customers(spark):
    """CDNOW's customers as the measures tell of them, days counted back from the cutoff behind the last day."""
    table = cdnow.summary().reset_index()
    recency, age = (table[name].mul(7).round() for name in ("recency", "T"))
    rows = [
        (str(row.ID), row.frequency + 1.0, t + 1.0, t + 1.0 - last, float(row.monetary_value) or None)
        for row, last, t in zip(table.itertuples(), recency, age, strict=True)
    ]
    return spark.createDataFrame(rows, SCHEMA).persist()


@pytest.fixture(scope="module")
def state(customers):
    return fit(customers, entries(horizons_days=[90]), columns=COLUMNS)


def test_the_parameters_are_those_of_the_literature(state):
    (part,) = state.parts
    r, alpha, a, b = part.purchases
    assert (r, alpha / 7, a, b) == pytest.approx((0.24259, 4.41353, 0.79289, 2.42575), rel=1e-3)
    assert part.values == pytest.approx((6.2488, 3.7446, 15.4477), rel=1e-3)
    assert state.names == ("alive_probability", "expected_purchases_90d", "expected_value", "lifetime_value")


def test_law_9_the_features_are_what_the_models_foresee_in_spark_and_in_a_process(customers, state, tmp_path):
    table = batch_of(customers)
    (part,) = state.parts
    active, tenure, since = (table[name].to_numpy() for name in COLUMNS[:3])
    mean = np.nan_to_num(table["repeat_value_mean"].to_numpy(zero_copy_only=False))
    expected = foresee_columns(
        BetaGeo(*part.purchases),
        GammaGamma(*part.values),
        Ahead((90,), 12, 0.01),
        (active - 1, tenure - since, tenure - 1, mean),
    )
    again = State.from_json(state.to_json())
    assert again.hash == state.hash
    found = apply(table, again)
    np.testing.assert_array_equal(found, np.stack(list(expected.values()), axis=1).astype(np.float32))
    encoded = customers.mapInArrow(encoder(state), f"{SCHEMA}, x array<float>").toArrow()
    by_id = dict(zip(encoded["customer_id"].to_pylist(), encoded["x"].to_pylist(), strict=True))
    without = encoded_without_jvm(customers.toArrow(), state, tmp_path, batch=500)
    there = dict(zip(without["row"].to_pylist(), without["x"].to_pylist(), strict=True))
    for key, row in zip(table["customer_id"].to_pylist(), found, strict=True):
        assert np.array(by_id[key], np.float32).tobytes() == row.tobytes()
        assert np.array(there[key], np.float32).tobytes() == row.tobytes()


def test_three_columns_are_purchases_alone_under_names_of_their_own(customers):
    state = fit(customers, entries(columns=COLUMNS[:3], name="BG/NBD {output}"), columns=COLUMNS)
    assert state.parts[0].values is None
    assert state.names[0] == "BG/NBD alive_probability"
    assert len(state.names) == 4


def test_too_few_who_came_again_are_an_error_that_says_what_to_do(customers):
    with pytest.raises(InputError, match="came again, 5000 are needed") as caught:
        fit(customers, entries(least_repeat_customers=5_000), columns=COLUMNS)
    assert "leave the entry out" in str(caught.value)
