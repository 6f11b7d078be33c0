"""Each convention of RFM that a reader could take another way, on a frame that shows the difference."""

import random
from datetime import date

import pytest
from pyspark.sql import functions as F

from ringmill.columns import is_sale, is_seen, was_customer_line, with_order_keys, within_store
from ringmill.errors import InputError
from ringmill.rfm.currency import Rate, check_rates, read_rates, summarise_missing_rates, with_one_currency
from ringmill.rfm.customers import summarise_customers
from ringmill.rfm.orders import latest_by_cutoff, summarise_orders, summarise_versions
from ringmill.windows import midnight
from rows import by_customer, clean_rows, links

pytestmark = pytest.mark.spark
CUTOFF = date(2024, 4, 1)


def at(day, **more):
    return {"order_id": day, "ordered_at": f"{day} 12:00:00", **more}


def measured(rows, cutoffs=(CUTOFF,), *, zone="UTC", **more):
    return by_customer(summarise_customers(rows, cutoffs, zone=zone, **more))


def test_purchases_of_one_period_are_one_as_in_lifetimes_and_the_first_is_no_repeat(spark):
    rows = clean_rows(
        spark,
        at("2024-01-31", unit_price=100.0),
        at("2024-02-01", unit_price=5.0),
        at("2024-02-01", order_id="same day", unit_price=3.0),
        at("2024-03-04", unit_price=2.0),  # a Monday
        at("2024-03-10", unit_price=4.0),  # the Sunday of that week
    )
    found = {period: measured(rows, period=period)["ann"] for period in ("day", "week", "month")}
    names = ("repeat_period_count", "recency_age_periods", "age_periods", "repeat_value_mean")
    assert {period: tuple(row[name] for name in names) for period, row in found.items()} == {
        "day": (3, 39, 60, (8.0 + 2.0 + 4.0) / 3),  # T counts to 31 March, the last whole day
        "week": (1, 5, 8, 6.0),  # 31 January and 1 February are of one week
        "month": (2, 2, 2, (8.0 + 6.0) / 2),
    }
    assert found["day"]["order_count"] == 5


def test_gaps_are_between_days_with_orders_and_null_for_who_came_once(spark):
    rows = clean_rows(
        spark,
        at("2024-03-01"),
        at("2024-03-01", order_id="same day"),
        at("2024-03-03"),
        at("2024-03-09"),
        {"customer_id": "bob"},
        {"customer_id": "bob", "order_id": "2", "ordered_at": "2024-03-01 13:00:00"},
    )
    found = measured(rows)
    gaps = ("gap_days_mean", "gap_days_std", "gap_days_last")
    assert [found["ann"][name] for name in gaps] == [4.0, 2.0, 6]
    assert [found["bob"][name] for name in gaps] == [None, None, None]
    assert (found["bob"]["repeat_period_count"], found["bob"]["recency_age_periods"]) == (0, 0)
    assert found["bob"]["repeat_value_mean"] is None


def test_pieces_taken_back_before_the_cutoff_leave_the_net_columns_and_later_ones_are_not_seen(spark):
    rows = clean_rows(
        spark,
        at("2024-03-01", quantity=3),
        at("2024-03-05", quantity=2),
        {**at("2024-03-06", order_id="C1"), "quantity": -2, "is_cancellation": True},
    )
    taken = [
        {"order_id": "2024-03-05", "pieces": 2, "cancelled_at": "2024-03-06 12:00:00"},
        {"order_id": "2024-03-01", "pieces": 1, "cancelled_at": "2024-03-06 12:00:00"},
        {"order_id": "2024-03-01", "pieces": 2, "cancelled_at": "2024-04-01 00:00:00"},
        {"order_id": None, "ordered_at": None, "order_price": None, "pieces": 9},
    ]
    ann = measured(rows, links=links(spark, *taken))["ann"]
    assert (ann["order_count"], ann["days_since_last_order"], ann["spend_total"]) == (2, 27, 50.0)
    assert (ann["order_count_net"], ann["days_since_last_order_net"], ann["spend_net"]) == (1, 31, 20.0)
    assert (ann["repeat_period_count"], ann["recency_age_periods"], ann["cancelled_total"]) == (0, 0, 20.0)


def test_a_link_that_became_known_after_the_cutoff_is_not_seen(spark):
    rows = clean_rows(spark, {"quantity": 3})
    taken = links(spark, {"pieces": 3, "known_at": "2024-04-01 00:00:00"})
    found = [
        row.asDict() for row in summarise_customers(rows, [CUTOFF, date(2024, 4, 2)], zone="UTC", links=taken).collect()
    ]
    assert {row["cutoff"]: (row["order_count_net"], row["spend_net"]) for row in found} == {
        CUTOFF: (1, 30.0),
        date(2024, 4, 2): (0, 0.0),
    }


def test_law_2_the_latest_instant_that_a_cutoff_saw_is_that_of_lines_cancellations_and_links(spark):
    rows = clean_rows(
        spark,
        at("2024-03-01", known_at="2024-03-05 12:00:00"),
        {**at("2024-03-06", order_id="C1"), "quantity": -1, "is_cancellation": True},
        at("2024-03-31", order_id="late", known_at="2024-04-01 00:00:00"),
    )
    late = {"order_id": "2024-03-01", "cancelled_at": "2024-03-06 12:00:00", "known_at": "2024-03-09 12:00:00"}
    taken = links(spark, late)
    cutoffs = [date(2024, 3, 6), date(2024, 3, 7), date(2024, 4, 1), date(2024, 4, 2)]
    found = latest_by_cutoff(summarise_versions(rows, cutoffs, zone="UTC", links=taken), cutoffs)
    assert [found[cutoff] for cutoff in cutoffs] == [
        "2024-03-05 12:00:00",
        "2024-03-06 12:00:00",
        "2024-03-09 12:00:00",
        "2024-04-01 00:00:00",
    ]


def test_a_link_that_was_superseded_is_seen_until_then(spark):
    rows = clean_rows(spark, {"quantity": 3})
    taken = links(spark, {"pieces": 3, "superseded_at": "2024-04-01 12:00:00"})
    cutoffs = [CUTOFF, date(2024, 4, 2)]
    found = [row.asDict() for row in summarise_customers(rows, cutoffs, zone="UTC", links=taken).collect()]
    assert {row["cutoff"].day: row["order_count_net"] for row in found} == {1: 0, 2: 1}


def test_bulk_orders_that_were_cancelled_minutes_later_leave_nothing_that_stands(spark):
    bulk = {"order_id": "581483", "quantity": 80_995, "unit_price": 2.08, "ordered_at": "2024-03-31 09:15:00"}
    rows = clean_rows(spark, {"order_id": "old", "quantity": 1}, bulk, {**bulk, "customer_id": "bob"})
    back = {"order_id": "581483", "pieces": 80_995, "order_price": 2.08, "cancelled_at": "2024-03-31 09:27:00"}
    found = measured(rows, links=links(spark, back, {**back, "customer_id": "bob"}))
    ann, bob = found["ann"], found["bob"]
    assert (ann["order_count"], ann["order_count_net"], ann["days_since_last_order_net"]) == (2, 1, 31)
    assert (ann["spend_net"], ann["repeat_value_mean"]) == (10.0, None)
    assert (bob["order_count"], bob["order_count_net"], bob["spend_net"]) == (1, 0, 0.0)
    nothing = ("days_since_last_order_net", "repeat_period_count", "recency_age_periods", "age_periods")
    assert [bob[name] for name in nothing] == [None] * 4


def test_without_links_it_is_not_known_which_orders_stand(spark):
    rows = clean_rows(spark, {}, {"order_id": "C1", "quantity": -1, "is_cancellation": True})
    ann = measured(rows)["ann"]
    assert (ann["order_count_net"], ann["days_since_last_order_net"], ann["spend_net"]) == (None, None, 0.0)
    assert (ann["order_count"], ann["repeat_period_count"]) == (1, 0)


def test_lines_free_of_charge_make_no_order(spark):
    rows = clean_rows(spark, {}, {"order_id": "2", "unit_price": 0.0}, {"customer_id": "bob", "unit_price": 0.0})
    found = measured(rows)
    assert set(found) == {"ann"}
    assert found["ann"]["order_count"] == 1


@pytest.mark.parametrize("free_orders", ["leave out", "count"])
def test_refunds_that_are_no_cancellation_sell_nothing_and_take_nothing_back(spark, free_orders):
    refunds = [
        at("2024-03-03", quantity=-1),
        at("2024-03-05", unit_price=-4.0),
        {"product_id": "B", "quantity": -2},
        {"customer_id": "bob", "unit_price": -4.0},
    ]
    expected = measured(clean_rows(spark, {}), free_orders=free_orders)
    assert measured(clean_rows(spark, {}, *refunds), free_orders=free_orders) == expected


def test_lines_free_of_charge_count_where_asked_as_in_lifetimes(spark):
    rows = clean_rows(spark, {}, at("2024-03-03", unit_price=0.0), {"customer_id": "bob", "unit_price": 0.0})
    found = measured(rows, free_orders="count")
    assert {who: (row["order_count"], row["spend_total"]) for who, row in found.items()} == {
        "ann": (2, 10.0),
        "bob": (1, 0.0),
    }
    assert (found["ann"]["repeat_period_count"], found["ann"]["repeat_value_mean"]) == (1, 0.0)


def test_an_order_belongs_to_the_period_of_its_first_line(spark):
    rows = clean_rows(
        spark,
        {"ordered_at": "2024-03-01 23:59:00"},
        {"ordered_at": "2024-03-02 00:01:00", "product_id": "B"},
        {"order_id": "2", "ordered_at": "2024-03-02 08:00:00"},
    )
    ann = measured(rows)["ann"]
    assert (ann["repeat_period_count"], ann["repeat_value_mean"], ann["order_count"]) == (1, 10.0, 2)


def test_a_day_of_25_hours_and_one_of_23_are_a_day_each(spark):
    # In London summer time ended on 27 October 2024 and began on 31 March 2024.
    rows = clean_rows(
        spark,
        {"ordered_at": "2024-10-26 23:30:00"},  # 00:30 on the 27th
        {"order_id": "2", "ordered_at": "2024-10-27 23:30:00"},  # 23:30 on the 27th, 24 hours later
        {"customer_id": "bob", "ordered_at": "2024-03-31 00:30:00"},
        {"customer_id": "bob", "order_id": "2", "ordered_at": "2024-03-31 23:30:00"},  # 00:30 on 1 April
    )
    found = measured(rows, [date(2024, 10, 28)], zone="Europe/London")
    assert (found["ann"]["repeat_period_count"], found["ann"]["days_since_last_order"]) == (0, 1)
    assert (found["bob"]["repeat_period_count"], found["bob"]["gap_days_mean"]) == (1, 1.0)


def test_an_order_id_is_unique_within_its_store_and_a_customer_one_over_all_stores(spark):
    rows = clean_rows(spark, {}, {"product_id": "B", "unit_price": 5.0})
    stores = rows.withColumn("store_id", F.when(F.col("product_id") == "A", F.lit("north")))
    assert measured(with_order_keys(rows, "UTC"))["ann"]["order_count"] == 1
    lines, taken = with_order_keys(stores, "UTC"), links(spark, {}).withColumn("store_id", F.lit("north"))
    ann = measured(lines)["ann"]
    assert (ann["order_count"], ann["spend_total"], ann["repeat_period_count"]) == (2, 15.0, 0)
    net = measured(lines, links=within_store(taken))["ann"]
    assert (net["order_count"], net["order_count_net"], net["spend_net"]) == (2, 1, 5.0)


def test_lines_without_an_order_id_are_one_order_per_customer_store_and_local_day(spark):
    rows = clean_rows(
        spark,
        {"order_id": None, "ordered_at": "2024-03-01 09:00:00"},
        {"order_id": None, "ordered_at": "2024-03-01 22:00:00"},
        {"order_id": None, "ordered_at": "2024-03-01 23:30:00"},  # 2 March in Paris
        {"order_id": "1", "ordered_at": "2024-03-01 09:00:00"},
        {"order_id": None, "customer_id": "bob"},
    )
    found = measured(with_order_keys(rows, "Europe/Paris"), zone="Europe/Paris")
    assert {who: row["order_count"] for who, row in found.items()} == {"ann": 3, "bob": 1}
    two = rows.withColumn("store_id", F.when(F.hour("ordered_at") == 22, F.lit("north")))
    assert measured(with_order_keys(two, "Europe/Paris"), zone="Europe/Paris")["ann"]["order_count"] == 4


def test_gifts_taken_back_leave_an_order_that_sold_standing_unless_gifts_count(spark):
    rows = clean_rows(spark, {}, {"product_id": "gift", "quantity": 5, "unit_price": 0.0})
    taken = links(spark, {"product_id": "gift", "pieces": 5, "order_price": 0.0})
    assert measured(rows, links=taken)["ann"]["order_count_net"] == 1
    counted = measured(rows, links=taken, free_orders="count")["ann"]
    assert (counted["order_count_net"], counted["spend_net"]) == (1, 10.0)
    whole = links(spark, {}, {"product_id": "gift", "pieces": 5, "order_price": 0.0})
    assert measured(rows, links=whole, free_orders="count")["ann"]["order_count_net"] == 0


RATES = (Rate("EUR", date(2024, 1, 1), 0.5), Rate("EUR", date(2024, 3, 2), 0.25), Rate("USD", date(2024, 3, 5), 2.0))


def priced(spark):
    lines = clean_rows(
        spark,
        {"order_id": "pounds", "ordered_at": "2024-03-01 12:00:00"},
        {"order_id": "euros", "ordered_at": "2024-03-01 23:30:00"},  # 2 March in Paris: the second rate
        {"order_id": "dollars", "ordered_at": "2024-03-04 12:00:00"},
        {"order_id": "unnamed"},
    )
    codes = {"pounds": "GBP", "euros": "EUR", "dollars": "USD"}
    by_order = F.create_map(*(F.lit(part) for pair in codes.items() for part in pair))
    return lines.withColumn("currency", by_order[F.col("order_id")])


def test_amounts_become_one_currency_by_the_rate_of_the_lines_local_day(spark):
    lines = priced(spark).where("order_id IN ('pounds', 'euros')")
    found = with_one_currency(lines, RATES, into="GBP", amounts=["line_total"], zone="Europe/Paris")
    assert found.columns == lines.columns
    assert {(r["order_id"], r["line_total"], r["currency"]) for r in found.collect()} == {
        ("pounds", 10.0, "GBP"),
        ("euros", 2.5, "GBP"),
    }
    assert not summarise_missing_rates(lines, RATES, into="GBP", zone="Europe/Paris").collect()


def test_a_currency_without_a_rate_from_that_day_is_an_error_that_names_it(spark):
    missing = [row.asDict() for row in summarise_missing_rates(priced(spark), RATES, into="GBP", zone="UTC").collect()]
    assert {(row["currency"], row["lines"]) for row in missing} == {("USD", 1), (None, 1)}
    with pytest.raises(InputError, match=r"no rate for the currency USD[\s\S]*2024-03-04"):
        check_rates([row for row in missing if row["currency"]], "rates.csv")
    with pytest.raises(InputError, match="none is named"):
        check_rates([row for row in missing if not row["currency"]], "rates.csv")


@pytest.mark.parametrize(
    "rows",
    [
        [{"currency": "EUR", "valid_from": "2024-01-01", "rate": "0"}],
        [{"currency": "EUR", "valid_from": "2024-13-01", "rate": "1"}],
        [{"currency": None, "valid_from": "2024-01-01", "rate": "1"}],
        [{"currency": "EUR", "valid_from": "2024-01-01", "rate": rate} for rate in "12"],
    ],
)
def test_a_rate_that_cannot_be_used_is_an_error(rows):
    with pytest.raises(InputError, match="A currency"):
        read_rates(rows, "rates.csv")


def any_lines(*, cases, seed):
    """Per case a few lines of two customers, whose events, knowledge and corrections fall on nine days."""
    draw = random.Random(seed)
    for case in range(cases):
        for _ in range(draw.randint(1, 6)):
            happened = draw.randrange(9)
            known, later = draw.randint(happened, 8), draw.choice([None, *range(9)])
            yield case, draw.choice("ab"), draw.choice("12"), happened, known, later, draw.choice([-1, 1, 2])


def test_law_2_each_cutoff_of_many_sees_exactly_what_is_seen_at_it_alone(spark):
    def day(number):
        return f"2024-03-0{number + 1} 00:00:00"

    lines = [
        {
            "customer_id": f"{case} {who}",
            "order_id": order if pieces > 0 else f"C{order}",
            "ordered_at": day(happened),
            "known_at": day(known),
            "superseded_at": None if later is None else day(later),
            "status": "clean" if later is None else "superseded",
            "quantity": pieces,
            "is_cancellation": pieces < 0,
        }
        for case, who, order, happened, known, later, pieces in any_lines(cases=300, seed=1)
    ]
    rows = clean_rows(spark, *lines).persist()
    cutoffs = [date(2024, 3, number) for number in (9, 2, 4, 5)]
    found = {
        (row["customer_id"], row["cutoff"]): (row["order_count"], row["spend_total"], row["cancelled_total"])
        for row in summarise_customers(rows, cutoffs, zone="UTC").collect()
    }
    expected = {}
    for cutoff in cutoffs:
        seen = rows.where(was_customer_line() & is_seen(F.lit(midnight(cutoff, "UTC"))))
        plain = seen.groupBy("customer_id").agg(
            F.count_distinct(F.when(is_sale(), F.col("order_id"))),
            F.sum(F.when(is_sale(), F.col("line_total"))),
            F.coalesce(F.sum(F.when(~is_sale(), -F.col("line_total"))), F.lit(0.0)),
        )
        expected |= {(row[0], cutoff): tuple(row[1:]) for row in plain.collect() if row[1]}
    assert found == expected
    assert len(found) > 100
    taken = [
        {
            "customer_id": f"{case} {who}",
            "order_id": order,
            "pieces": abs(pieces),
            "cancelled_at": day(happened),
            "known_at": day(known),
            "superseded_at": None if later is None else day(later),
        }
        for case, who, order, happened, known, later, pieces in any_lines(cases=300, seed=2)
    ]
    net = {"zone": "UTC", "links": links(spark, *taken).persist()}
    together = summarise_customers(rows, cutoffs, **net).collect()
    alone = [row for cutoff in cutoffs for row in summarise_customers(rows, [cutoff], **net).collect()]
    assert sorted(together, key=repr) == sorted(alone, key=repr) and len(together) == len(found)
    standing = [(row["spend_net"] > 0, row["spend_net"] < row["spend_total"]) for row in together]
    assert standing.count((True, True)) > 3 and standing.count((False, True)) > 10
    rows.unpersist()
    net["links"].unpersist()


def test_cutoffs_that_see_the_same_of_a_customer_are_measured_once(spark):
    rows = clean_rows(
        spark,
        at("2024-01-05"),
        at("2024-03-05"),
        at("2024-01-07", customer_id="bob"),
        at("2024-04-30", customer_id="cid"),
    )
    months = [date(2024, month, 1) for month in (2, 3, 4, 5)]
    orders = summarise_orders(summarise_versions(rows, months, zone="UTC"), months, with_links=False)
    found = orders.select("customer_id", "order_id", "first_seen", "end_seen").collect()
    assert sorted(map(tuple, found)) == [
        ("ann", "2024-01-05", 0, 2),
        ("ann", "2024-01-05", 2, 4),
        ("ann", "2024-03-05", 2, 4),
        ("bob", "2024-01-07", 0, 4),
        ("cid", "2024-04-30", 3, 4),
    ]


def test_twelve_cutoffs_scan_the_lines_once(spark, tmp_path):
    clean_rows(spark, at("2024-01-05"), at("2024-03-05", customer_id="bob")).write.parquet(str(tmp_path / "rows"))
    months = [date(2024, month, 1) for month in range(1, 13)]
    customers = summarise_customers(spark.read.parquet(str(tmp_path / "rows")), months, zone="UTC", period="day")
    plan = customers._jdf.queryExecution().executedPlan().toString()
    assert plan.count("FileScan") == 1, plan
    assert {str(row["cutoff"]) for row in customers.collect()} == {f"2024-{month:02}-01" for month in range(2, 13)}
