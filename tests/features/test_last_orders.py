"""The lists of a customer's last orders: what they hold, and that nothing at or after the cutoff reaches them."""

from datetime import date

import pytest

from ringmill.features.events import summarise_measures
from ringmill.features.last_orders import LISTS
from rows import by_customer, clean_rows

pytestmark = pytest.mark.spark
CUTOFF = date(2024, 4, 1)


def measures(rows, *cutoffs, most=2, zone="UTC", windows=(30,)):
    return summarise_measures(
        rows, cutoffs or (CUTOFF,), windows_days=windows, horizon_days=10, zone=zone, last_orders=most
    )


def lists(rows, *cutoffs, **more):
    return measures(rows, *cutoffs, **more).select("customer_id", "cutoff", *LISTS)


HISTORY = (
    {"order_id": "1", "ordered_at": "2024-03-01 23:30:00", "product_id": "A"},
    # One order of three lines over midnight: its day is the first; of two lines that sold for most the lower code.
    {"order_id": "2", "ordered_at": "2024-03-04 23:59:00", "product_id": "Z", "quantity": 3},
    {"order_id": "2", "ordered_at": "2024-03-05 00:01:00", "product_id": "B", "quantity": 3},
    {"order_id": "2", "ordered_at": "2024-03-05 00:01:00", "product_id": "A", "quantity": 1},
    # Two orders of one instant: by their id.
    {"order_id": "4", "ordered_at": "2024-03-20 10:00:00", "product_id": "C", "quantity": 2},
    {"order_id": "3", "ordered_at": "2024-03-20 10:00:00", "product_id": "D"},
    # No order: it takes one back.
    {"order_id": "C3", "ordered_at": "2024-03-21 10:00:00", "quantity": -1, "is_cancellation": True},
    {"customer_id": "bob", "order_id": "9", "ordered_at": "2024-03-31 23:59:59", "product_id": "E"},
)


def test_the_last_orders_are_listed_oldest_first_and_a_gap_may_reach_behind_the_list(spark):
    found = by_customer(lists(clean_rows(spark, *HISTORY), most=3))
    gaps, spend, products = (found["ann"][name] for name in LISTS)
    assert (gaps, spend, products) == ([3.0, 16.0, 0.0], [70.0, 10.0, 20.0], ["B", "D", "C"])
    assert [found["bob"][name] for name in LISTS] == [[None], [10.0], ["E"]]


def test_all_orders_are_listed_where_there_are_fewer_and_days_are_local(spark):
    found = by_customer(lists(clean_rows(spark, *HISTORY), most=9, zone="Europe/Berlin"))["ann"]
    # In Berlin the first order was on the 2nd of March and the second on the 5th.
    assert [found[name] for name in LISTS] == [
        [None, 3.0, 15.0, 0.0],
        [10.0, 70.0, 10.0, 20.0],
        ["A", "B", "D", "C"],
    ]


def test_law_2_lines_that_happen_become_known_or_are_corrected_at_the_cutoff_or_later_change_no_list(spark):
    later = (
        {"order_id": "5", "ordered_at": "2024-04-01 00:00:00", "quantity": 500},
        {"order_id": "6", "ordered_at": "2024-03-30 00:00:00", "known_at": "2024-04-01 00:00:00", "quantity": 500},
        # A line of an order that is seen: known too late, and dearer than all of its lines.
        {"order_id": "2", "ordered_at": "2024-03-04 00:00:00", "known_at": "2024-05-01 00:00:00", "quantity": 500},
        {"customer_id": "eve", "order_id": "7", "ordered_at": "2024-04-02 00:00:00"},
    )
    corrected = [
        {**line, "superseded_at": "2024-04-01 00:00:00", "status": "superseded"} if line["order_id"] == "4" else line
        for line in HISTORY
    ]
    alone = by_customer(lists(clean_rows(spark, *HISTORY), most=9))
    assert by_customer(lists(clean_rows(spark, *corrected, *later), most=9)) == alone
    earlier = [
        {**line, "superseded_at": "2024-03-31 23:59:59", "status": "superseded"} if line["order_id"] == "4" else line
        for line in HISTORY
    ]
    seen = by_customer(lists(clean_rows(spark, *earlier), most=9))["ann"]
    assert seen["last_orders_product"] == ["A", "B", "D"]


def test_every_cutoff_has_lists_of_its_own(spark):
    rows = lists(clean_rows(spark, *HISTORY), date(2024, 3, 5), CUTOFF, most=1).where("customer_id = 'ann'")
    found = {row["cutoff"]: [row[name] for name in LISTS] for row in rows.collect()}
    assert found == {
        # Of the order that went on past midnight the line before it.
        date(2024, 3, 5): [[3.0], [30.0], ["Z"]],
        CUTOFF: [[0.0], [20.0], ["C"]],
    }


@pytest.mark.parametrize("windows", [(30,), (7, 30, 90, 365)])
def test_one_scan_and_one_shuffle_by_customer_serve_measures_of_all_windows_and_lists(spark, windows):
    frame = measures(clean_rows(spark, *HISTORY), most=3, windows=windows)
    plan = frame._jdf.queryExecution().executedPlan().toString()
    assert plan.count("Exchange hashpartitioning") == 1
    assert plan.count("Scan") == 1
