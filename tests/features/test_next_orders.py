"""Orders as of a cutoff and the next order: a few customers, written out, and instants on the windows' edges."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from pyspark.sql import functions as F

from ringmill.config.sequences import Sequences
from ringmill.errors import InputError
from ringmill.features.fit_orders import fit_orders
from ringmill.features.next_orders import filter_order_lines, summarise_sequences, with_labels
from ringmill.features.order_state import LISTS, OrderState, encode, encoder
from rows import clean_rows, utc

pytestmark = pytest.mark.spark
CUTOFF, LATER = date(2024, 4, 1), date(2024, 4, 12)
SECTION = Sequences(
    train_cutoffs=(CUTOFF,),
    validation_cutoff=date(2024, 4, 11),
    test_cutoff=date(2024, 5, 1),
    horizon_days=10,
    history=2,
)
LINES = (
    # Of three lines most is spent on the group CUP, though the dearest line is a JUG's.
    {"order_id": "1", "ordered_at": "2024-03-01 23:30:00", "product_id": "cup1", "quantity": 2},
    {"order_id": "1", "ordered_at": "2024-03-01 23:30:00", "product_id": "CUP2", "quantity": 2},
    {"order_id": "1", "ordered_at": "2024-03-01 23:30:00", "product_id": "JUG1", "quantity": 3},
    # As much on either: the first by name.
    {"order_id": "2", "ordered_at": "2024-03-04 10:00:00", "product_id": "PAN1"},
    {"order_id": "2", "ordered_at": "2024-03-04 10:00:00", "product_id": "JUG1"},
    {"order_id": "3", "ordered_at": "2024-03-31 23:59:59", "product_id": "JUG1"},
    # Exactly at the cutoff: not seen, and the next order, on day 0. One a day before was not known then: neither.
    {"order_id": "4", "ordered_at": "2024-04-01 00:00:00", "product_id": "PAN1", "quantity": 9},
    {"order_id": "5", "ordered_at": "2024-03-31 12:00:00", "known_at": "2024-04-01 00:00:00", "product_id": "CUP1"},
    # Neither sells a product.
    {"order_id": "6", "ordered_at": "2024-03-30 12:00:00", "product_id": "POST", "quantity": 900},
    {"order_id": "C7", "ordered_at": "2024-03-30 12:00:00", "quantity": -1, "is_cancellation": True},
    # The last instant of the horizon is in it, its end is not.
    {"customer_id": "bob", "order_id": "8", "ordered_at": "2024-03-31 12:00:00", "product_id": "CUP1"},
    {"customer_id": "bob", "order_id": "9", "ordered_at": "2024-04-10 23:59:59", "product_id": "JUG1"},
    {"customer_id": "cat", "order_id": "10", "ordered_at": "2024-03-12 12:00:00", "product_id": "CUP1"},
    {"customer_id": "cat", "order_id": "11", "ordered_at": "2024-04-11 00:00:00", "product_id": "CUP1"},
    # An order of two lines over the cutoff: what is seen of it is its first line, and it is no next order.
    {"customer_id": "dan", "order_id": "12", "ordered_at": "2024-03-31 23:59:00", "product_id": "CUP1"},
    {"customer_id": "dan", "order_id": "12", "ordered_at": "2024-04-01 00:01:00", "product_id": "JUG1", "quantity": 9},
    # Seen as it was then; the next order as it stands now.
    {"customer_id": "dan", "order_id": "13", "ordered_at": "2024-03-01 00:00:00", "product_id": "PAN1", "quantity": 2}
    | {"status": "superseded", "superseded_at": "2024-04-02 00:00:00"},
    {"customer_id": "dan", "order_id": "14", "ordered_at": "2024-04-05 00:00:00", "product_id": "PAN1"}
    | {"status": "superseded", "superseded_at": "2024-04-06 00:00:00"},
    {"customer_id": "dan", "order_id": "14", "ordered_at": "2024-04-05 00:00:00", "product_id": "JUG1"},
    # No order before the cutoff: no row.
    {"customer_id": "eve", "order_id": "15", "ordered_at": "2024-04-01 00:00:00", "product_id": "CUP1"},
)


def lines(spark, *given):
    rows = clean_rows(spark, *given).withColumn("is_product", F.col("product_id") != "POST")
    return rows.transform(filter_order_lines, code_characters=3)


@pytest.fixture(scope="module")
def sequences(spark):
    return (
        lines(spark, *LINES).transform(summarise_sequences, [CUTOFF], horizon_days=10, history=2, zone="UTC").persist()
    )


@pytest.fixture(scope="module")
def found(sequences):
    return {row["customer_id"]: row.asDict() for row in sequences.collect()}


def test_law_2_orders_are_seen_as_they_were_known_before_the_cutoff_the_latest_last(found):
    assert {name: [row[each] for each in LISTS] for name, row in found.items()} == {
        "ann": [["JUG", "JUG"], [3.0, 27.0], [28.0, 1.0], [20.0, 10.0], [2.0, 1.0]],
        "bob": [["CUP"], [None], [1.0], [10.0], [1.0]],
        "cat": [["CUP"], [None], [20.0], [10.0], [1.0]],
        "dan": [["PAN", "CUP"], [None, 30.0], [31.0, 1.0], [20.0, 10.0], [1.0, 1.0]],
    }
    assert found["ann"]["last_seen_at"].astimezone().timestamp() == utc("2024-03-31 23:59:59").timestamp()


def test_law_2_the_next_order_begins_within_the_horizon_in_its_last_version(found):
    assert {name: (row["next_group"], row["days"]) for name, row in found.items()} == {
        "ann": ("PAN", 0.0),
        "bob": ("JUG", 9.0),
        "cat": (None, None),
        "dan": ("JUG", 4.0),
    }
    assert found["cat"]["first_label_at"] is None and found["cat"]["last_label_at"] is None


def test_what_a_customer_s_own_orders_say_is_of_all_that_were_seen(found):
    own = ("order_count", "days_since_last_order", "own_gap_days", "last_group", "own_group")
    assert {name: tuple(row[each] for each in own) for name, row in found.items()} == {
        # Orders on the 1st, the 4th and the 31st; JUG twice, CUP once.
        "ann": (3, 1.0, 15.0, "JUG", "JUG"),
        "bob": (1, 1.0, None, "CUP", "CUP"),
        "cat": (1, 20.0, None, "CUP", "CUP"),
        # One order of each: the later.
        "dan": (2, 1.0, 30.0, "CUP", "CUP"),
    }


def test_scoring_sees_the_same_and_has_no_labels(spark, sequences):
    scored = lines(spark, *LINES).transform(summarise_sequences, [CUTOFF], horizon_days=None, history=2, zone="UTC")
    seen = ["customer_id", *LISTS, "own_gap_days", "last_seen_at"]
    assert sorted(map(str, scored.select(seen).collect())) == sorted(map(str, sequences.select(seen).collect()))
    assert scored.where("next_group IS NOT NULL OR days IS NOT NULL OR first_label_at IS NOT NULL").isEmpty()


def test_categories_are_those_of_the_next_orders_and_what_is_in_none_is_other(sequences):
    state = fit_orders(sequences, SECTION.model_copy(update={"categories": 1}), where="features/orders")
    assert (state.groups, state.rows, state.others) == (("JUG",), (2,), 1)
    assert state.categories == ("JUG", "other") and state.ids == 3
    # Days up to the cutoff: 28, 1, 1, 20, 31 and 1 of six orders.
    days = np.log1p([28, 1, 1, 20, 31, 1])
    assert state.numbers.means[1] == pytest.approx(days.mean(), rel=1e-9)
    assert OrderState.from_json(state.to_json()) == state
    labelled = {row["customer_id"]: row for row in sequences.transform(with_labels, state, SECTION).collect()}
    assert {name: (row["comes"], row["category"], row["last_category"]) for name, row in labelled.items()} == {
        "ann": ("yes", "other", "JUG"),
        "bob": ("yes", "JUG", "other"),
        "cat": ("no", None, "other"),
        "dan": ("yes", "JUG", "other"),
    }
    assert {row["split"] for row in labelled.values()} == {"train"}


def test_law_9_spark_and_numpy_encode_the_same_bits_and_an_unseen_group_is_any_other(sequences):
    state = fit_orders(sequences, SECTION, where="features/orders")
    assert state.categories == ("JUG", "PAN")
    few = sequences.select("customer_id", *LISTS)
    in_spark = few.mapInArrow(encoder(state), "customer_id string, x array<float>").toArrow().sort_by("customer_id")
    batch = few.toArrow().sort_by("customer_id").combine_chunks().to_batches()[0]
    x = encode(batch, state)
    assert in_spark["x"].to_pylist() == x.reshape(len(x), -1).tolist()
    # JUG is 1, PAN is 2, CUP is of no category; who has one order has it in the last place.
    assert x[:, :, 0].tolist() == [[1, 1], [0, 3], [0, 3], [2, 3]]
    assert x[1, 0].tolist() == [0, 0, 0, 0, 0]


def test_next_orders_of_one_group_alone_and_none_at_all_are_refused(spark, sequences):
    with pytest.raises(InputError, match=r"features/orders[\s\S]*at least 2 categories[\s\S]*2 of 'JUG'"):
        fit_orders(sequences.where("next_group = 'JUG'"), SECTION, where="features/orders")
    empty = lines(spark).transform(summarise_sequences, [CUTOFF, LATER], horizon_days=10, history=2, zone="UTC")
    assert empty.isEmpty()
    with pytest.raises(InputError, match=r"at least 2 categories[\s\S]*none"):
        fit_orders(empty, SECTION, where="features/orders")
