"""First purchases as of an instant, what they see, and whom lists are judged for: four customers, written out."""

from __future__ import annotations

import importlib
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ringmill.config.recommend import Recommend
from ringmill.errors import InputError
from ringmill.features.products import ProductState
from ringmill.features.purchases import (
    filter_sales,
    fit_products,
    later_rows,
    summarise_customers,
    summarise_purchases,
    summarise_tests,
    summarise_window,
    train_rows,
    with_product,
)
from ringmill.windows import Window

pytestmark = pytest.mark.spark
BENCH = Path(__file__).resolve().parents[2] / "scripts" / "bench"

SCHEMA = (
    "customer_id string, order_id string, product_id string, ordered_at timestamp, known_at timestamp, "
    "superseded_at timestamp, status string, quantity bigint, unit_price double, is_cancellation boolean, "
    "is_product boolean"
)
CUTOFF, END = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
STATE = ProductState(("cup", "jug", "pan"), (3, 2, 2), history=2)


def line(customer, order, product, day, *, month=1, **changes):
    at = datetime(2024, month, day, 12, tzinfo=UTC)
    row = {
        "customer_id": customer,
        "order_id": order,
        "product_id": product,
        "ordered_at": at,
        "known_at": at,
        "superseded_at": None,
        "status": "clean",
        "quantity": 1,
        "unit_price": 2.0,
        "is_cancellation": False,
        "is_product": True,
    }
    return {**row, **changes}


LINES = [
    line("ann", "1", "cup", 5),
    line("ann", "1", "jug", 5),
    line("ann", "2", "cup", 9),
    line("ann", "3", "pan", 20),
    line("bob", "4", "cup", 7),
    line("bob", "5", "pan", 8),
    line("bob", "6", "jug", 1, month=2),
    line("bob", "6", "cup", 1, month=2),
    line("bob", "7", "vase", 2, month=2),
    line("cat", "8", "cup", 3),
    line("dan", "9", "jug", 3, month=2),
    # None of these is a purchase before the cutoff.
    line("cat", "10", "jug", 4, is_cancellation=True),
    line("cat", "11", "jug", 4, quantity=-1),
    line("cat", "12", "post", 4, is_product=False),
    line("cat", "13", "jug", 4, known_at=datetime(2024, 2, 10, tzinfo=UTC)),
    line(None, "14", "jug", 4),
    line("cat", "15", "jug", 4, status="rejected"),
]


@pytest.fixture(scope="module")
def sales(spark):
    return spark.createDataFrame([tuple(each.values()) for each in LINES], SCHEMA).transform(filter_sales).persist()


@pytest.fixture(scope="module")
def before(sales):
    return with_product(summarise_purchases(sales, CUTOFF), STATE).persist()


def found(frame, *columns):
    return sorted(tuple(row) for row in frame.select(*columns).collect())


def test_law_2_a_purchase_is_a_sale_of_a_product_that_had_happened_and_was_known(sales):
    assert found(summarise_purchases(sales, CUTOFF), "customer_id", "product_id", "orders") == [
        ("ann", "cup", 2),
        ("ann", "jug", 1),
        ("ann", "pan", 1),
        ("bob", "cup", 1),
        ("bob", "pan", 1),
        ("cat", "cup", 1),
    ]


def test_products_have_ids_by_how_many_customers_bought_them(sales):
    section = Recommend(validation_cutoff=date(2024, 2, 1), test_cutoff=date(2024, 3, 2), least_customers=2)
    state = fit_products(summarise_purchases(sales, CUTOFF), section)
    assert (state.products, state.customers) == (("cup", "pan"), (3, 2))
    with pytest.raises(InputError, match=r"at least 2 products that 3 customers or more bought[\s\S]*1"):
        fit_products(summarise_purchases(sales, CUTOFF), section.model_copy(update={"least_customers": 3}))


def test_a_train_row_sees_its_customer_s_other_products_the_latest_first(before):
    assert found(train_rows(before, STATE, cutoff=CUTOFF), "customer_id", "product_id", "x", "split") == [
        ("ann", "cup", [1, 3, 2], "train"),
        ("ann", "jug", [2, 3, 1], "train"),
        ("ann", "pan", [3, 1, 2], "train"),
        ("bob", "cup", [1, 3, 0], "train"),
        ("bob", "pan", [3, 1, 0], "train"),
        ("cat", "cup", [1, 0, 0], "train"),
    ]


def test_a_later_row_is_new_to_a_customer_of_before_and_sees_what_was_before(sales, before):
    bought = with_product(summarise_window(sales, Window(CUTOFF, END)), STATE)
    later = later_rows(bought, before, STATE, cutoff=CUTOFF, split="test")
    assert found(later, "customer_id", "product", "x", "split") == [("bob", 2, [2, 3, 1], "test")]
    assert found(later.select((later.seen_before == CUTOFF).alias("cutoff")), "cutoff") == [(True,)]


def test_an_id_of_a_row_is_that_of_its_customer_and_product(sales, before):
    trained = train_rows(before, STATE, cutoff=CUTOFF)
    assert trained.select("row_id").distinct().count() == 6
    again = train_rows(before.repartition(5), STATE, cutoff=CUTOFF)
    assert found(trained, "row_id", "x") == found(again, "row_id", "x")


def test_favourites_are_in_most_orders_then_latest(sales, before):
    assert found(summarise_customers(before), "customer_id", "past", "favourites") == [
        ("ann", [3, 1, 2], [1, 3, 2]),
        ("bob", [3, 1], [3, 1]),
        ("cat", [1], [1]),
    ]
    bought = with_product(summarise_window(sales, Window(CUTOFF, END)), STATE)
    # Dan had bought nothing before, ann and cat buy nothing within, and a vase has no id.
    assert found(summarise_tests(bought, before), "customer_id", "past", "bought") == [("bob", [3, 1], [1, 2])]


def test_the_benchmarks_popularity_counts_what_its_peers_learn_from_and_not_the_train_split_alone(sales, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    judging = importlib.import_module("recommend").judging
    early = ProductState(STATE.products, (9, 8, 7), history=2)
    window = judging(sales, early, Window(CUTOFF, END))
    assert window.popular.tolist() == [3, 1, 2]
    assert sorted((row["product"], row["orders"]) for row in window.pairs.collect()) == [
        (1, 1),
        (1, 1),
        (1, 2),
        (2, 1),
        (3, 1),
        (3, 1),
    ]
