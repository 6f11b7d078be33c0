import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ringmill.features.events import measure_names, summarise_measures, with_row_id
from ringmill.features.splits import split_of
from rows import by_customer, clean_rows

pytestmark = pytest.mark.spark
CUTOFF = date(2024, 4, 1)
WINDOWS = (7, 30)


def measures(rows, *cutoffs, horizon_days=10, zone="UTC"):
    return summarise_measures(rows, cutoffs or (CUTOFF,), windows_days=WINDOWS, horizon_days=horizon_days, zone=zone)


def test_windows_hold_their_first_instant_and_not_the_cutoff(spark):
    rows = clean_rows(
        spark,
        {"order_id": "1", "ordered_at": "2024-03-01 23:59:59"},  # before the 30 days
        {"order_id": "2", "ordered_at": "2024-03-02 00:00:00"},  # first instant of the 30 days
        {"order_id": "3", "ordered_at": "2024-03-25 00:00:00"},  # first instant of the 7 days
        {"order_id": "4", "ordered_at": "2024-04-01 00:00:00"},  # the cutoff: a label
    )
    ann = by_customer(measures(rows))["ann"]
    assert (ann["order_count"], ann["order_count_30d"], ann["order_count_7d"]) == (3.0, 2.0, 1.0)
    assert (ann["spend_total"], ann["spend_total_30d"], ann["spend_total_7d"]) == (30.0, 20.0, 10.0)
    assert (ann["label_buy"], ann["label_spend"]) == (1.0, 10.0)


def test_law_2_what_happens_or_becomes_known_after_the_cutoff_changes_no_measure(spark):
    history = {"order_id": "1", "ordered_at": "2024-03-20 00:00:00"}
    later = [
        {"order_id": "2", "quantity": 500, "ordered_at": "2024-04-05 00:00:00"},
        {"order_id": "3", "quantity": 500, "ordered_at": "2024-03-20 00:00:00", "known_at": "2024-04-01 00:00:00"},
        {"order_id": "C1", "quantity": -1, "is_cancellation": True, "ordered_at": "2024-04-02 00:00:00"},
    ]
    alone = by_customer(measures(clean_rows(spark, history)))["ann"]
    with_future = by_customer(measures(clean_rows(spark, history, *later)))["ann"]
    names = [*measure_names(WINDOWS), "country"]
    assert {name: with_future[name] for name in names} == {name: alone[name] for name in names}
    assert (alone["label_buy"], with_future["label_buy"], with_future["label_spend"]) == (0.0, 1.0, 5000.0)


def test_law_2_a_line_at_the_cutoffs_midnight_is_not_seen_even_if_it_was_known_before(spark):
    early = {"order_id": "2", "ordered_at": "2024-04-01 00:00:00", "known_at": "2024-03-30 00:00:00"}
    ann = by_customer(measures(clean_rows(spark, {}, early)))["ann"]
    assert (ann["order_count"], ann["label_buy"]) == (1.0, 1.0)


def test_law_2_a_correction_known_after_the_cutoff_leaves_the_line_as_it_was_known(spark):
    times = {"ordered_at": "2024-03-10 00:00:00"}
    first = {"quantity": 3, "status": "superseded", "superseded_at": "2024-04-02 00:00:00"}
    corrected = {"quantity": 1, "known_at": "2024-04-02 00:00:00"}
    label = {"order_id": "2", "ordered_at": "2024-04-03 00:00:00"}
    wrong_label = label | {"quantity": 9, "status": "superseded", "superseded_at": "2024-04-04 00:00:00"}
    rows = clean_rows(spark, times | first, times | corrected, label, wrong_label)
    found = {row["cutoff"]: row for row in measures(rows, CUTOFF, date(2024, 4, 3)).collect()}
    assert (found[CUTOFF]["spend_total"], found[CUTOFF]["label_spend"]) == (30.0, 10.0)
    assert found[date(2024, 4, 3)]["spend_total"] == 10.0


def test_the_horizons_end_is_exclusive_and_a_cancellation_is_no_purchase(spark):
    rows = clean_rows(
        spark,
        {},
        {"order_id": "2", "ordered_at": "2024-04-11 00:00:00"},
        {"order_id": "C3", "quantity": -1, "is_cancellation": True, "ordered_at": "2024-04-02 00:00:00"},
    )
    ann = by_customer(measures(rows))["ann"]
    assert (ann["label_buy"], ann["label_spend"]) == (0.0, 0.0)


def test_several_cutoffs_give_a_row_each_in_one_pass(spark):
    rows = clean_rows(
        spark, {"ordered_at": "2024-03-01 00:00:00"}, {"order_id": "2", "ordered_at": "2024-03-05 00:00:00"}
    )
    found = {row["cutoff"]: row for row in measures(rows, date(2024, 3, 3), CUTOFF).collect()}
    assert found[date(2024, 3, 3)]["order_count"] == 1.0
    assert found[date(2024, 3, 3)]["label_buy"] == 1.0
    assert found[CUTOFF]["order_count"] == 2.0
    assert date(2024, 3, 1) not in {row["cutoff"] for row in measures(rows, date(2024, 3, 1)).collect()}


def test_gaps_are_null_for_one_day_with_orders_and_breadth_counts_distinct_products(spark):
    rows = clean_rows(
        spark,
        {"customer_id": "once", "product_id": "A"},
        {"customer_id": "once", "product_id": "A", "order_id": "2"},
        {"customer_id": "thrice", "order_id": "3", "ordered_at": "2024-03-01 10:00:00"},
        {"customer_id": "thrice", "order_id": "4", "product_id": "B", "ordered_at": "2024-03-05 10:00:00"},
        {"customer_id": "thrice", "order_id": "5", "product_id": "C", "ordered_at": "2024-03-13 10:00:00"},
        {"customer_id": "thrice", "order_id": "5", "product_id": "D", "ordered_at": "2024-03-13 10:00:00"},
    )
    customers = by_customer(measures(rows))
    once, thrice = customers["once"], customers["thrice"]
    assert (once["gap_days_mean"], once["gap_days_trend"], once["product_count"], once["active_days"]) == (
        None,
        None,
        1.0,
        1.0,
    )
    assert (thrice["gap_days_mean"], thrice["gap_days_trend"]) == (6.0, 8.0 / 6.0)
    assert (thrice["product_count"], thrice["basket_products_mean"]) == (4.0, 4.0 / 3.0)


def test_scoring_has_no_labels(spark):
    ann = by_customer(measures(clean_rows(spark, {}), horizon_days=None))["ann"]
    assert (ann["label_buy"], ann["label_spend"]) == (None, None)


def test_a_customers_split_is_the_same_at_every_cutoff_and_shares_come_out(spark):
    frame = spark.range(20_000).selectExpr("cast(id as string) customer_id")
    counts = {
        row["split"]: row["count"]
        for row in frame.withColumn("split", split_of(frame.customer_id, (0.7, 0.15, 0.15), seed=1))
        .groupBy("split")
        .count()
        .collect()
    }
    assert abs(counts["train"] / 20_000 - 0.7) < 0.01
    assert abs(counts["validation"] / 20_000 - 0.15) < 0.01


def test_row_ids_differ_by_customer_and_by_cutoff(spark):
    rows = clean_rows(spark, {}, {"customer_id": "bob"})
    ids = [row["row_id"] for row in measures(rows, date(2024, 3, 5), CUTOFF).transform(with_row_id).collect()]
    assert len(ids) == len(set(ids)) == 4


def test_gaps_have_a_last_one_and_a_spread(spark):
    days = ("2024-03-01", "2024-03-05", "2024-03-13")
    rows = [{"order_id": str(n), "ordered_at": f"{day} 10:00:00"} for n, day in enumerate(days)]
    ann = by_customer(measures(clean_rows(spark, *rows, {"customer_id": "once", "order_id": "9"})))
    assert (ann["ann"]["gap_days_last"], ann["ann"]["gap_days_std"]) == (8.0, 2.0)  # gaps of 4 and 8 days
    assert (ann["once"]["gap_days_last"], ann["once"]["gap_days_std"]) == (None, None)


def test_the_value_of_days_after_the_first_is_their_mean_and_null_for_who_came_once(spark):
    lines = [("1", "2024-03-01", 5.0), ("2", "2024-03-01", 7.0), ("3", "2024-03-05", 1.5), ("4", "2024-03-13", 2.0)]
    rows = [
        {"order_id": order, "ordered_at": f"{day} 10:00:00", "quantity": 1, "unit_price": total}
        for order, day, total in lines
    ]
    rows = clean_rows(spark, *rows, {"customer_id": "once", "order_id": "9"})
    found = summarise_measures(
        rows, (CUTOFF,), windows_days=WINDOWS, horizon_days=None, zone="UTC", more=("repeat_value_mean",)
    )
    customers = by_customer(found)
    assert customers["ann"]["repeat_value_mean"] == (1.5 + 2.0) / 2
    assert customers["once"]["repeat_value_mean"] is None
    assert "repeat_value_mean" not in by_customer(measures(rows))["ann"]


@pytest.mark.parametrize("windows", [(1,), (400, 3, 45), (2, 10, 30, 31, 32, 61, 90)])
def test_any_list_of_windows_is_what_a_loop_over_lines_counts(spark, windows):
    draw, zone = random.Random(8), ZoneInfo("Europe/London")
    lines = [
        {
            "customer_id": f"c{draw.randrange(12)}",
            "order_id": str(order),
            "product_id": product,
            "quantity": draw.randint(1, 5),
            # Many at midnight, where windows begin: in London until summer time, then an hour after it.
            "ordered_at": str(datetime(2024, 1, 1) + timedelta(minutes=minutes)),
        }
        for order, minutes in enumerate(draw.choice([15, 60, 24 * 60]) * draw.randrange(91) for _ in range(150))
        for product in "AB"[: draw.randint(1, 2)]
    ]
    cutoffs = (date(2024, 2, 1), CUTOFF)
    rows = clean_rows(spark, *lines)
    found = summarise_measures(rows, cutoffs, windows_days=windows, horizon_days=10, zone="Europe/London").collect()
    assert len(found) > 12

    def midnight(day):
        return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)

    for row in found:
        for days in windows:
            first, end = midnight(row["cutoff"] - timedelta(days=days)), midnight(row["cutoff"])
            own = [
                line
                for line in lines
                if line["customer_id"] == row["customer_id"]
                and first <= datetime.fromisoformat(f"{line['ordered_at']}+00:00") < end
            ]
            expected = (len({line["order_id"] for line in own}), sum(line["quantity"] * 10.0 for line in own))
            assert (row[f"order_count_{days}d"], row[f"spend_total_{days}d"]) == expected
