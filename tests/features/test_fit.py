from datetime import date

import numpy as np
import pytest

from ringmill.features.apply import apply
from ringmill.features.default import default_set
from ringmill.features.events import measure_names, summarise_measures
from ringmill.features.fit import fit
from rows import clean_rows

pytestmark = pytest.mark.spark


def fitted(customers, *, top_countries):
    measures = measure_names((30,))
    return fit(customers, default_set(measures, top_countries=top_countries), columns=(*measures, "country"))


def test_law_9_a_one_order_customer_can_be_encoded_though_the_train_split_had_none(spark):
    rows = clean_rows(
        spark,
        {"customer_id": "twice"},
        {"customer_id": "twice", "order_id": "2", "ordered_at": "2024-03-05 12:00:00"},
        {"customer_id": "again", "order_id": "3"},
        {"customer_id": "again", "order_id": "4", "ordered_at": "2024-03-20 12:00:00", "unit_price": 0.00001},
        {"customer_id": "once", "order_id": "5", "unit_price": 0.00001},
        {"customer_id": "once", "order_id": "C5", "quantity": -1, "is_cancellation": True},
    )
    customers = summarise_measures(rows, [date(2024, 4, 1)], windows_days=(30,), horizon_days=None, zone="UTC")
    state = fitted(customers.where("customer_id <> 'once'"), top_countries=1)
    table = customers.where("customer_id = 'once'").toArrow()
    assert table["gap_days_mean"].null_count == 1
    assert table["returns_share"].to_pylist() == [1.0]
    encoded = apply(table.to_batches()[0], state)[0]
    assert np.isfinite(encoded).all()
    assert encoded[state.names.index("gap_days_mean is null")] == 1.0


def test_the_state_sees_the_train_split_alone_and_a_constant_measure_is_encoded_as_zero(spark):
    rows = clean_rows(spark, {"customer_id": "a"}, {"customer_id": "b", "order_id": "2"})
    customers = summarise_measures(rows, [date(2024, 4, 1)], windows_days=(30,), horizon_days=None, zone="UTC")
    state = fitted(customers, top_countries=0)
    assert [part.scale for part in state.parts if part.names == ("order_count",)] == [1.0]
    encoded = apply(customers.toArrow().to_batches()[0], state)
    # Zero up to the twelve digits to which the state is rounded.
    assert encoded[:, state.names.index("order_count")].tolist() == pytest.approx([0.0] * len(encoded), abs=1e-11)
