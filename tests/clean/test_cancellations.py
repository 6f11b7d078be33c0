"""Cancellations and their orders: pure matching against its laws, then the same through Spark."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from frames import assert_frames_equal
from ringmill.clean import clean_rows, link_cancellations
from ringmill.clean.matching import Line, Link, match_cancellations
from ringmill.config import load
from ringmill.contracts import CLEAN_CANCELLATIONS
from ringmill.lake.files import find_source
from ringmill.lake.raw import read_raw
from ringmill.rfm.orders import summarise_versions
from rows import SALE, utc

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CONF = Path(__file__).resolve().parents[2] / "conf" / "online_retail.yaml"


def order(name: str, pieces: int, at: int, *, price: float = 1.0, known: int | None = None, **more: Any) -> Line:
    return Line(at, at if known is None else known, name, price, pieces, 0, False, **more)


def cancelled(name: str, pieces: int, at: int, *, price: float = 1.0, known: int | None = None, **more: Any) -> Line:
    return order(name, pieces, at, price=price, known=known, **more)._replace(is_cancellation=True)


def pairs(*lines: Line) -> list[tuple[str, str | None, int, int]]:
    """Links as (cancellation, order, pieces, known_at), those that were ended left out."""
    return [
        (link.cancellation.order_id, link.order.order_id if link.order else None, link.pieces, link.known_at)
        for link in match_cancellations(lines)
        if link.superseded_at is None
    ]


def test_an_order_of_as_many_pieces_and_the_same_price_comes_first_then_the_most_recent() -> None:
    orders = [order("1", 6, 1), order("2", 6, 2), order("3", 6, 3, price=2.0), order("4", 4, 4)]
    assert pairs(*orders, cancelled("C", 6, 9)) == [("C", "2", 6, 9)]
    assert pairs(*orders, cancelled("C", 6, 9, price=2.0)) == [("C", "3", 6, 9)]
    assert pairs(*orders, cancelled("C", 5, 9)) == [("C", "4", 4, 9), ("C", "3", 1, 9)]
    # What is left of a line may be just as many pieces: 4 − 1 of the last order are the next cancellation's 3.
    assert pairs(*orders, cancelled("C", 1, 8), cancelled("D", 3, 9)) == [("C", "4", 1, 8), ("D", "4", 3, 9)]


def test_an_order_after_the_cancellation_is_none_of_its_and_what_nothing_accounts_for_is_said() -> None:
    assert pairs(cancelled("C", 2, 5), order("1", 2, 6)) == [("C", None, 2, 5)]
    assert pairs(cancelled("C", 2, 5), order("1", 2, 5)) == [("C", "1", 2, 5)]  # at the same instant: it is
    assert pairs(order("1", 2, 1), cancelled("C", 5, 5)) == [("C", "1", 2, 5), ("C", None, 3, 5)]
    assert pairs() == []


def test_of_two_cancellations_known_at_once_the_one_that_happened_first_chooses_first() -> None:
    lines = [order("1", 2, 1), cancelled("C", 2, 5, known=9), cancelled("D", 2, 4, known=9)]
    assert pairs(*lines) == [("D", "1", 2, 9), ("C", None, 2, 9)]


def test_law_2_an_order_that_is_known_later_is_linked_when_it_is_known() -> None:
    late = order("1", 2, 1, known=8)
    assert pairs(late, cancelled("C", 2, 5)) == [("C", "1", 2, 8)]
    # What was linked before stays, though the order that is known now would have been the better one.
    assert pairs(late, order("0", 3, 0), cancelled("C", 2, 5)) == [("C", "0", 2, 5)]


def test_law_2_a_correction_ends_the_links_of_the_line_that_it_replaces() -> None:
    first, second = order("1", 10, 1, superseded_at=8), order("1", 4, 1, known=8)
    taken = cancelled("C", 6, 5)
    links = match_cancellations([first, second, taken])
    assert links == [Link(taken, first, 6, 5, 8), Link(taken, second, 4, 8), Link(taken, None, 2, 5)]
    # A cancellation that was corrected to fewer pieces gives the others back.
    before, after = cancelled("C", 6, 5, superseded_at=8), cancelled("C", 1, 5, known=8)
    stays = order("1", 10, 1)
    assert match_cancellations([stays, before, after]) == [Link(before, stays, 6, 5, 8), Link(after, stays, 1, 8)]
    # A version that was replaced at the instant at which it became known never stood.
    assert pairs(order("1", 9, 1, superseded_at=1), taken) == [("C", None, 6, 5)]


@st.composite
def histories(draw: st.DrawFn) -> list[Line]:
    """Lines that collide often in time, price and pieces; one in four is superseded some time later."""
    lines = []
    for number in range(draw(st.integers(0, 14))):
        known = draw(st.integers(0, 9))
        later = draw(st.sampled_from([None, None, None, 0, 2, 4]))
        lines.append(
            Line(
                happened_at=draw(st.integers(0, 9)),
                known_at=known,
                order_id=draw(st.sampled_from("ABC")),
                price=draw(st.sampled_from([1.0, 2.0])),
                pieces=draw(st.integers(1, 5)),
                tie=number,
                is_cancellation=draw(st.booleans()),
                superseded_at=None if later is None else known + later,
            )
        )
    return lines


def known_before(lines: list[Line], cutoff: int) -> list[Line]:
    """The lines as they stood before anything that became known at `cutoff` or later."""
    return [
        line._replace(superseded_at=_masked(line.superseded_at, cutoff)) for line in lines if line.known_at < cutoff
    ]


def _masked(instant: int | None, cutoff: int) -> int | None:
    return None if instant is None or instant >= cutoff else instant


def linked_before(lines: list[Line], cutoff: int) -> list[Link]:
    """Links known before `cutoff`, with their ends and their lines' as they were known then."""

    def then(line: Line) -> Line:
        return line._replace(superseded_at=_masked(line.superseded_at, cutoff))

    return [
        replace(
            link,
            cancellation=then(link.cancellation),
            order=then(link.order),
            superseded_at=_masked(link.superseded_at, cutoff),
        )
        for link in match_cancellations(lines)
        if link.order is not None and link.known_at < cutoff
    ]


@settings(max_examples=400, deadline=None)
@given(lines=histories(), cutoff=st.integers(0, 14))
def test_law_2_links_known_before_an_instant_are_those_of_matching_what_was_known_before_it(
    lines: list[Line], cutoff: int
) -> None:
    of_the_past = match_cancellations(known_before(lines, cutoff))
    assert linked_before(lines, cutoff) == [link for link in of_the_past if link.order is not None]


@settings(max_examples=400, deadline=None)
@given(lines=histories(), cutoff=st.integers(0, 14), turn=st.randoms(use_true_random=False))
def test_no_line_gives_back_more_than_it_sold_and_all_pieces_are_accounted_for_in_any_order_of_lines(
    lines: list[Line], cutoff: int, turn: Any
) -> None:
    links = match_cancellations(lines)
    shuffled = list(lines)
    turn.shuffle(shuffled)
    assert match_cancellations(shuffled) == links
    given_back, taken = Counter[Line | None](), Counter[Line]()
    for link in links:
        assert link.pieces > 0
        if link.order is not None:
            assert link.order.happened_at <= link.cancellation.happened_at
            assert link.known_at >= max(link.order.known_at, link.cancellation.known_at)
        if link.known_at < cutoff and (link.superseded_at is None or link.superseded_at >= cutoff):
            given_back[link.order] += link.pieces
        if link.superseded_at is None:
            taken[link.cancellation] += link.pieces
    assert all(pieces <= line.pieces for line, pieces in given_back.items() if line is not None)
    assert taken == Counter(
        {line: line.pieces for line in lines if line.is_cancellation and line.superseded_at is None}
    )
    # A standing cancellation with pieces over has no standing order that could give them.
    over = [link.cancellation for link in links if link.order is None]
    held = Counter[Line]()
    for link in links:
        if link.order is not None and link.superseded_at is None:
            held[link.order] += link.pieces
    for line in lines:
        if not line.is_cancellation and line.superseded_at is None and held[line] < line.pieces:
            assert all(one.happened_at < line.happened_at for one in over)


SCHEMA = (
    "customer_id string, product_id string, order_id string, quantity bigint, unit_price double, ordered_at timestamp, "
    "known_at timestamp, superseded_at timestamp, is_cancellation boolean, status string, "
    "line_id string, description string, country string"
)


def rows_of(spark: SparkSession, *lines: dict[str, Any]) -> DataFrame:
    times = {"ordered_at": utc("2024-03-01"), "known_at": utc("2024-03-01"), "superseded_at": None}
    names = [part.split()[0] for part in SCHEMA.split(", ")]
    rows = [SALE | times | line for line in lines]
    return spark.createDataFrame([[row.get(name) for name in names] for row in rows], SCHEMA)


@pytest.mark.spark
def test_links_have_the_contracts_columns_and_only_lines_of_a_known_customer_and_product_take_part(
    spark: SparkSession,
) -> None:
    noon = utc("2024-03-01 12:00:00")
    back = {"is_cancellation": True, "order_id": "C", "ordered_at": noon, "known_at": noon}
    rows = rows_of(
        spark,
        {"quantity": 5},
        {"quantity": 5, "order_id": "2", "product_id": "B"},
        {"quantity": -3, **back},
        {"quantity": -3, **back, "customer_id": "bob"},  # never bought it
        {"quantity": -3, **back, "customer_id": None},
        {"quantity": -3, **back, "product_id": "B", "status": "rejected"},
        {"quantity": -3, **back, "status": "duplicate"},
        {"quantity": 0, "order_id": "3"},
    )
    links = link_cancellations(rows)
    kinds = {"customer_id": "ann", "product_id": "A", "cancellation_id": "C", "cancelled_at": noon, "pieces": 3}
    found = {**kinds, "order_id": "1", "ordered_at": utc("2024-03-01"), "order_price": 10.0, "known_at": noon}
    lacking = {**kinds, "customer_id": "bob", "known_at": noon}
    expected = spark.createDataFrame(
        [[row.get(name) for name in CLEAN_CANCELLATIONS.names] for row in (found, lacking)], links.schema
    )
    assert_frames_equal(links, expected)
    assert {field.name: (field.dataType.simpleString(), field.nullable) for field in links.schema} == {
        column.name: (column.type, column.nullable) for column in CLEAN_CANCELLATIONS.columns
    }
    assert link_cancellations(rows.where("NOT is_cancellation")).collect() == []


@pytest.mark.spark
def test_gifts_stores_and_currencies_are_matched_apart(spark: SparkSession) -> None:
    day = {name: utc("2024-03-02") for name in ("ordered_at", "known_at")}
    back = {"is_cancellation": True, "quantity": -1, **day}
    rows = rows_of(
        spark,
        {"order_id": "paid", "quantity": 5},
        {"order_id": "gift", "quantity": 5, "unit_price": 0.0, "ordered_at": utc("2024-03-01 18:00:00")},
        {"order_id": "C paid", "unit_price": 1.65, **back},
        {"order_id": "C gift", "unit_price": 0.0, **back},
        {"order_id": "C unpriced", "unit_price": None, **back},
    )
    found = {row["cancellation_id"]: row["order_id"] for row in link_cancellations(rows).collect()}
    assert found == {"C paid": "paid", "C gift": "gift", "C unpriced": "paid"}
    sold = rows_of(
        spark,
        {"order_id": "north", "quantity": 5},
        {"order_id": "south", "quantity": 5, "ordered_at": utc("2024-03-01 18:00:00")},
        {"order_id": "C north", **back},
        {"order_id": "C none", **back},
    )
    for name in ("store_id", "currency"):
        apart = sold.withColumn(
            name, F.when(~F.col("order_id").endswith("none"), F.element_at(F.split("order_id", " "), -1))
        )
        links = link_cancellations(apart)
        found = {row["cancellation_id"]: (row["order_id"], row[name]) for row in links.collect()}
        assert found == {"C north": ("north", "north"), "C none": (None, None)}
        assert links.columns == [*CLEAN_CANCELLATIONS.names, name]


@pytest.mark.spark
def test_law_2_pieces_taken_back_are_those_known_at_the_cutoff(spark: SparkSession) -> None:
    def at(day: int) -> Any:
        return utc(f"2024-03-{day:02d}")

    back = {"is_cancellation": True, "order_id": "C", "quantity": -6}
    rows = rows_of(
        spark,
        {"quantity": 10, "ordered_at": at(1), "known_at": at(1), "superseded_at": at(8), "status": "superseded"},
        {"quantity": 4, "ordered_at": at(1), "known_at": at(8)},
        {**back, "ordered_at": at(3), "known_at": at(5)},
    )
    links = link_cancellations(rows)

    cutoffs = [date(2024, 3, day) for day in (5, 6, 8, 9)]
    lines = rows.withColumn("line_total", F.expr("quantity * unit_price"))
    seen = summarise_versions(lines, cutoffs, zone="UTC", links=links).where("taken_pieces IS NOT NULL")
    names = ("order_id", "first_seen", "end_seen", "taken_pieces", "taken_spend")
    found = sorted(tuple(row[name] for name in names) for row in seen.collect())
    # Exclusive: nothing at the cutoff itself, neither the cancellation on the 5th nor the correction on the 8th.
    assert found == [("1", 1, 3, 6, 600_000), ("1", 3, 4, 4, 400_000)]


@pytest.mark.long
@pytest.mark.spark
def test_the_great_cancellations_of_online_retail_are_linked_whatever_the_partitions(
    spark: SparkSession, online_retail: Path
) -> None:
    config = load(CONF, [f"raw.path={online_retail / 'online_retail.parquet'}"])
    lines = read_raw(spark, find_source(config.raw))
    rows = clean_rows(lines, raw=config.raw, clean=config.clean, zone=config.zone, batch="b").localCheckpoint()
    links = link_cancellations(rows).localCheckpoint()
    great = links.where("cancellation_id IN ('C581484', 'C541433')").orderBy("cancelled_at")
    assert [(row.order_id, row.cancellation_id, row.pieces) for row in great.collect()] == [
        ("541431", "C541433", 74_215),
        ("581483", "C581484", 80_995),
    ]
    pieces = rows.where("is_cancellation AND status = 'clean'").agg(F.sum("quantity")).first()
    linked = links.agg(F.sum("pieces"), F.sum(F.when(F.isnotnull("order_id"), F.col("pieces")))).first()
    assert pieces is not None and linked is not None
    assert -pieces[0] == linked[0]
    assert linked[1] > 0.9 * linked[0]
    # No cancellation of this file is free of charge, so none takes back one of its 40 gifts to a known customer.
    assert links.where("order_price <= 0").count() == 0
    elsewhere = link_cancellations(rows.orderBy(F.xxhash64("order_id", "product_id")).repartition(7, "country"))
    assert_frames_equal(elsewhere, links)
