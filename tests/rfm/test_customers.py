from datetime import date

import pytest

from ringmill.rfm.customers import summarise_customers
from rows import by_customer, clean_rows

pytestmark = pytest.mark.spark
CUTOFF = date(2024, 4, 1)  # London: midnight is 23:00 UTC on 31 March, summer time began that day


def test_counts_orders_and_sums_spend_of_sales_lines_only(spark):
    rows = clean_rows(
        spark,
        {"order_id": "1", "quantity": 2, "unit_price": 1.5},
        {"order_id": "1", "product_id": "B", "quantity": 1, "unit_price": 7.0},
        {"order_id": "2", "quantity": 1, "unit_price": 10.0, "ordered_at": "2024-03-11 12:00:00"},
        {"order_id": "C3", "quantity": -1, "unit_price": 4.0, "is_cancellation": True},
        {"order_id": "4", "status": "rejected", "unit_price": 999.0},
        {"order_id": "5", "customer_id": None},
    )
    customers = by_customer(summarise_customers(rows, [CUTOFF], zone="Europe/London"))
    assert set(customers) == {"ann"}
    ann = customers["ann"]
    assert (ann["order_count"], ann["repeat_order_count"]) == (2, 1)
    assert (ann["spend_total"], ann["spend_mean"], ann["cancelled_total"]) == (20.0, 10.0, 4.0)
    assert ann["spend_net"] == 16.0
    assert (ann["days_since_last_order"], ann["tenure_days"]) == (21, 31)


def test_law_2_a_line_at_the_cutoffs_midnight_or_known_after_it_is_not_seen(spark):
    rows = clean_rows(
        spark,
        {"customer_id": "before", "ordered_at": "2024-03-31 22:59:59"},
        {"customer_id": "at midnight", "ordered_at": "2024-03-31 23:00:00"},
        {"customer_id": "late", "ordered_at": "2024-03-01 00:00:00", "known_at": "2024-03-31 23:00:00"},
    )
    customers = by_customer(summarise_customers(rows, [CUTOFF], zone="Europe/London"))
    assert set(customers) == {"before"}
    assert customers["before"]["days_since_last_order"] == 1


def test_law_2_a_line_corrected_after_the_cutoff_counts_as_it_was_known_then(spark):
    rows = clean_rows(
        spark,
        {"quantity": 3, "status": "superseded", "superseded_at": "2024-03-31 23:00:00"},
        {"quantity": 1, "known_at": "2024-03-31 23:00:00"},
    )
    spends = [
        by_customer(summarise_customers(rows, [cutoff], zone="Europe/London"))["ann"]["spend_total"]
        for cutoff in (CUTOFF, date(2024, 4, 2))
    ]
    assert spends == [30.0, 10.0]


def test_days_are_local_calendar_days_not_spans_of_24_hours(spark):
    # 23:30 UTC on 30 March is 23:30 in London; 23:30 UTC on 31 March would be 1 April there.
    rows = clean_rows(spark, {"ordered_at": "2024-03-30 23:30:00"})
    london = by_customer(summarise_customers(rows, [CUTOFF], zone="Europe/London"))
    tokyo = by_customer(summarise_customers(rows, [CUTOFF], zone="Asia/Tokyo"))
    assert (london["ann"]["days_since_last_order"], tokyo["ann"]["days_since_last_order"]) == (2, 1)


def test_a_customer_with_cancellations_alone_has_no_row(spark):
    rows = clean_rows(spark, {"order_id": "C1", "quantity": -5, "is_cancellation": True})
    assert summarise_customers(rows, [CUTOFF], zone="UTC").count() == 0


def test_an_order_that_was_cancelled_makes_no_value_and_never_a_negative_one(spark):
    rows = clean_rows(
        spark,
        {"quantity": 80_995, "unit_price": 2.08},
        {"order_id": "C1", "quantity": -80_995, "unit_price": 2.08, "is_cancellation": True},
        {"customer_id": "bob"},
        {"customer_id": "bob", "order_id": "C2", "quantity": -9, "is_cancellation": True},
    )
    customers = by_customer(summarise_customers(rows, [CUTOFF], zone="UTC"))
    assert (customers["ann"]["spend_net"], customers["bob"]["spend_net"]) == (0.0, 0.0)


def test_an_empty_table_gives_an_empty_table(spark):
    assert summarise_customers(clean_rows(spark).limit(0), [CUTOFF], zone="UTC").count() == 0


def test_of_lines_at_one_instant_the_alphabetically_last_country_counts_in_whatever_order_they_come(spark):
    both = [{"country": "Spain"}, {"country": "France", "product_id": "B"}]
    for lines in (both, both[::-1]):
        rows = clean_rows(spark, *lines)
        assert by_customer(summarise_customers(rows, [CUTOFF], zone="UTC"))["ann"]["country"] == "Spain"


def test_country_is_that_of_the_last_line_and_null_where_it_has_none(spark):
    rows = clean_rows(
        spark,
        {"country": "Spain", "ordered_at": "2024-03-02 00:00:00"},
        {"country": "France", "ordered_at": "2024-03-01 00:00:00"},
        {"customer_id": "bob", "country": None},
    )
    customers = by_customer(summarise_customers(rows, [CUTOFF], zone="UTC"))
    assert (customers["ann"]["country"], customers["bob"]["country"]) == ("Spain", None)
