from datetime import date

import pytest

from ringmill.rfm.cohorts import summarise_cohorts
from ringmill.rfm.orders import seen_as_of, summarise_orders, summarise_versions, with_cutoffs
from rows import clean_rows, links

pytestmark = pytest.mark.spark
CUTOFF = date(2024, 4, 1)


def cohorts_of(rows, zone="UTC", *, cutoff=CUTOFF, cutoffs=(CUTOFF,), links=None):
    versions = seen_as_of(summarise_versions(rows, cutoffs, zone=zone, links=links), cutoffs, cutoff)
    orders = with_cutoffs(summarise_orders(versions, [cutoff], with_links=links is not None), [cutoff])
    names = ("cohort_customers", "customers", "orders", "revenue")
    found = summarise_cohorts(orders, zone=zone).collect()
    assert {row["cutoff"] for row in found} <= {cutoff}
    return {(str(row["cohort"])[:7], row["months_since"]): tuple(row[name] for name in names) for row in found}


def test_a_cohort_is_the_month_of_the_first_order_and_each_month_counts_who_came_again(spark):
    rows = clean_rows(
        spark,
        {"order_id": "1", "ordered_at": "2023-12-05 12:00:00"},
        {"order_id": "2", "ordered_at": "2024-02-05 12:00:00"},
        {"order_id": "3", "ordered_at": "2024-02-07 12:00:00", "unit_price": 5.0},
        {"customer_id": "bob", "order_id": "4", "ordered_at": "2023-12-31 23:59:59"},
        {"customer_id": "cid", "order_id": "5", "ordered_at": "2024-03-01 00:00:00"},
        {"customer_id": "dan", "order_id": "6", "ordered_at": "2024-04-01 00:00:00"},
    )
    assert cohorts_of(rows) == {
        ("2023-12", 0): (2, 2, 2, 20.0),
        ("2023-12", 2): (2, 1, 2, 15.0),
        ("2024-03", 0): (1, 1, 1, 10.0),
    }
    assert cohorts_of(rows, "Asia/Tokyo")["2024-01", 0] == (1, 1, 1, 10.0)
    january = date(2024, 1, 1)
    assert cohorts_of(rows, cutoff=january, cutoffs=(CUTOFF, january)) == {("2023-12", 0): (2, 2, 2, 20.0)}
    assert cohorts_of(rows, cutoffs=(CUTOFF, january)) == cohorts_of(rows)


def test_cohorts_are_of_orders_that_stand_less_what_was_taken_back_by_the_cutoff(spark):
    rows = clean_rows(
        spark,
        {"order_id": "1", "ordered_at": "2023-12-05 12:00:00", "quantity": 3},
        {"order_id": "2", "ordered_at": "2024-01-05 12:00:00", "quantity": 3},
        {"order_id": "3", "ordered_at": "2024-02-05 12:00:00", "quantity": 3},
        {"order_id": "C1", "quantity": -1, "is_cancellation": True},
    )
    taken = links(
        spark,
        {"order_id": "1", "pieces": 3, "cancelled_at": "2023-12-06 12:00:00"},
        {"order_id": "2", "pieces": 1, "cancelled_at": "2024-01-06 12:00:00"},
        {"order_id": "3", "pieces": 3, "cancelled_at": "2024-04-01 00:00:00"},
    )
    # The first order does not stand, and that the third was taken back is not known yet.
    assert cohorts_of(rows, links=taken) == {("2024-01", 0): (1, 1, 1, 20.0), ("2024-01", 1): (1, 1, 1, 30.0)}
    assert cohorts_of(rows)["2023-12", 0] == (1, 1, 1, 30.0)


def test_no_orders_are_no_cohorts(spark):
    assert cohorts_of(clean_rows(spark).limit(0)) == {}
