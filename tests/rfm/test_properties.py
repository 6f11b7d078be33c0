"""What must not matter to RFM does not, on many small histories at once; and what must move with time moves."""

import random
from datetime import date, datetime, timedelta

import pytest
from pyspark.sql import functions as F

from ringmill.rfm.customers import summarise_customers
from rows import clean_rows, links

pytestmark = pytest.mark.spark
CUTOFF = date(2024, 4, 1)
START = datetime(2024, 3, 1)
ZONE = "Europe/London"


def histories(*, cases, seed):
    """Per case a few lines of one customer within 31 days, in orders of several lines, some of them cancellations."""
    draw = random.Random(seed)
    for case in range(cases):
        for order in range(draw.randint(1, 5)):
            at = START + timedelta(hours=draw.randrange(24 * 31 - 1), minutes=draw.choice([0, 0, 30]))
            back = draw.random() < 0.2
            for line in range(draw.randint(1, 3)):
                yield {
                    "customer_id": f"c{case:03}",
                    "order_id": f"{'C' if back else ''}{order}",
                    "product_id": "ABC"[line],
                    "country": draw.choice(["France", "Spain", None]),
                    "quantity": (-1 if back else 1) * draw.randint(1, 9),
                    "unit_price": draw.choice([0.1, 0.35, 2.55, 19.99]),
                    "ordered_at": str(at),
                    "known_at": str(at + timedelta(hours=draw.choice([0, 0, 0, 30]))),
                    "is_cancellation": back,
                }


def taken_back(lines):
    """Of each cancelling line a link to another of its customer's numbers, which may be an order's, or nothing's."""
    for line in lines:
        if line["is_cancellation"]:
            yield {
                "customer_id": line["customer_id"],
                "order_id": str((int(line["order_id"][1:]) + 1) % 3),
                "pieces": -line["quantity"],
                "order_price": line["unit_price"],
                "cancelled_at": line["ordered_at"],
                "known_at": line["known_at"],
            }


LINES = list(histories(cases=120, seed=5))
LINKS = list(taken_back(LINES))


def found(rows, cutoff=CUTOFF, period="day", links=None):
    table = summarise_customers(rows, [cutoff], zone=ZONE, period=period, links=links).drop("cutoff")
    return {row["customer_id"]: row.asDict() for row in table.collect()}


@pytest.fixture(scope="module")
def expected(spark):
    result = found(clean_rows(spark, *LINES))
    assert len(result) > 100
    return result


@pytest.fixture(scope="module")
def net(spark):
    result = found(clean_rows(spark, *LINES), links=links(spark, *LINKS))
    assert sum(row["order_count_net"] < row["order_count"] for row in result.values()) > 10
    assert sum(0 < row["spend_net"] < row["spend_total"] for row in result.values()) > 10
    return result


def test_neither_the_order_of_rows_nor_the_number_of_partitions_changes_anything(spark, expected, net):
    for partitions, lines, taken in ((1, LINES[::-1], LINKS[::-1]), (7, sorted(LINES, key=repr), LINKS)):
        rows = clean_rows(spark, *lines).repartition(partitions)
        assert found(rows) == expected
        assert found(rows, links=links(spark, *taken).repartition(partitions)) == net


def test_law_2_rows_at_or_after_the_cutoff_or_known_then_change_nothing(spark, expected, net):
    midnight = "2024-03-31 23:00:00"  # in UTC: summer time began that day
    late = [{**line, "quantity": 9_999, "known_at": midnight} for line in LINES[::3]]
    after = [{**line, "order_id": "9", "ordered_at": midnight, "known_at": midnight} for line in LINES[::2]]
    rows = clean_rows(spark, *LINES, *late, *after)
    assert found(rows) == expected
    unseen = [{**link, "order_id": order, "pieces": 9_999, "known_at": midnight} for link in LINKS for order in "0123"]
    assert found(rows, links=links(spark, *LINKS, *unseen)) == net


def test_shifting_all_times_by_whole_weeks_shifts_all_times_and_nothing_else(spark):
    # Both within winter time: clocks that change between would make other days of the same instants.
    weeks, cutoff = timedelta(weeks=6), date(2024, 1, 29)
    early = [line for line in LINES if line["ordered_at"] < "2024-03-25"]
    taken = [link for link in LINKS if link["cancelled_at"] < "2024-03-25"]

    def moved(rows, by):
        times = rows[0].keys() & {"ordered_at", "cancelled_at", "known_at"}
        return [{**row, **{name: str(datetime.fromisoformat(row[name]) - by) for name in times}} for row in rows]

    def measured(by, cutoff, period):
        return found(clean_rows(spark, *moved(early, by)), cutoff, period, links(spark, *moved(taken, by)))

    for period in ("day", "week"):
        here = measured(weeks + timedelta(weeks=3), cutoff, period)
        there = measured(timedelta(weeks=3), cutoff + weeks, period)
        for row in here.values():
            for name in ("first_ordered_at", "last_ordered_at"):
                row[name] += weeks
        assert here == there
        assert len(here) > 50


def test_amounts_add_up_whatever_their_order(spark, expected):
    lines = clean_rows(spark, *LINES)
    sold = lines.where("NOT is_cancellation AND known_at < '2024-03-31 23:00:00'")
    exact = sold.groupBy("customer_id").agg(F.sum(F.col("line_total").cast("decimal(20,4)")).alias("total"))
    totals = {row["customer_id"]: float(row["total"]) for row in exact.collect()}
    assert {name: row["spend_total"] for name, row in expected.items()} == totals
