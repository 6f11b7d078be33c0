"""Profiles: what they say of a column, and that the merge of batches is the profile of their union."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ringmill.clean.profile import (
    BINS,
    DISTINCT_ERROR,
    KLL_K,
    STATES,
    kinds_of,
    merge_profiles,
    profile_states,
    with_measures,
    with_metrics,
)

pytestmark = pytest.mark.spark
SCHEMA = "batch string, price double, pieces bigint, word string, at timestamp, is_new boolean"
DAY = datetime(2024, 1, 1, tzinfo=UTC)


def states(rows: DataFrame, personal: tuple[str, ...] = ()) -> DataFrame:
    kinds = {name: kind for name, kind in kinds_of(rows.schema).items() if name != "batch"}
    measured = with_measures(rows, kinds)
    each = measured.groupBy("batch").agg(profile_states(kinds, F.count(F.lit(1)), personal=personal).alias("profile"))
    return each.select("batch", F.explode("profile").alias("of")).select("batch", "of.*")


def metrics(found: DataFrame, key: str = "name") -> dict[Any, dict[str, Any]]:
    rows = [row.asDict(recursive=True) for row in with_metrics(found).collect()]
    return {(row.get("batch"), row["name"]): row for row in rows}


def test_a_profile_says_of_each_kind_of_column_what_can_be_seen_by_eye(spark: SparkSession) -> None:
    rows = [
        ("a", 1.0, 3, "x", DAY, True),
        ("a", 2.0, 3, "xyz", DAY + timedelta(microseconds=1), False),
        ("a", 6.0, -1, "x", None, None),
        ("a", None, None, None, DAY, True),
    ]
    found = metrics(states(spark.createDataFrame(rows, SCHEMA)))
    price, pieces, word = found["a", "price"], found["a", "pieces"], found["a", "word"]
    assert (price["rows"], price["count"], price["missing"], price["distinct"]) == (4, 3, 1, 3)
    assert (price["minimum"], price["maximum"], price["mean"], price["m2"]) == (1.0, 6.0, 3.0, 14.0)
    assert price["deviation"] == pytest.approx((14 / 3) ** 0.5, rel=1e-15)
    assert (price["quantiles"][3], price["rank_error"]) == (2.0, 0.0)
    assert (len(price["edges"]), len(price["shares"]), sum(price["shares"])) == (BINS + 1, BINS, pytest.approx(1.0))
    assert price["top"] is None
    assert pieces["top"] == [{"value": "3", "rows": 2}, {"value": "-1", "rows": 1}]
    assert (word["minimum"], word["maximum"], word["mean"], word["top_error"]) == (1.0, 3.0, None, 0)
    assert word["top"] == [{"value": "x", "rows": 2}, {"value": "xyz", "rows": 1}]
    assert (found["a", "at"]["distinct"], found["a", "at"]["maximum"]) == (2, DAY.timestamp() * 1e6 + 1)
    assert found["a", "is_new"]["mean"] == pytest.approx(2 / 3)


def test_a_column_without_values_and_one_of_people_keep_nothing_that_could_be_shown(spark: SparkSession) -> None:
    rows = [("a", None, 1, "ann@example.org", None, None), ("b", None, None, None, None, None)]
    kept = states(spark.createDataFrame(rows, SCHEMA), personal=("word",))
    merged = metrics(merge_profiles(kept))
    price = merged[None, "price"]
    assert (price["rows"], price["count"], price["distinct"], price["rank_error"]) == (2, 0, 0, 0.0)
    assert [price[name] for name in ("minimum", "mean", "deviation", "quantiles", "edges")] == [None] * 5
    assert merged[None, "word"]["top"] is None
    assert b"ann@" not in b"".join(bytes(v) for row in kept.collect() for v in row if isinstance(v, bytearray))


words = st.sampled_from(["a", "b", "cc", "ddd", None])
prices = st.one_of(st.none(), st.floats(-1e6, 1e6, allow_nan=False), st.sampled_from([0.01, 1e9]))
lines = st.tuples(prices, st.one_of(st.none(), st.integers(-9, 9)), words)
cases = st.lists(st.lists(st.lists(lines, min_size=1, max_size=12), min_size=1, max_size=4), min_size=20, max_size=30)


# Shrinking would run jobs for minutes; a failing case stands in the message as it is.
@settings(
    max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cases=cases)
def test_the_merge_of_batches_is_the_profile_of_their_union(
    spark: SparkSession, cases: list[list[list[tuple[Any, ...]]]]
) -> None:
    """Each case is some batches; all cases go through two jobs."""
    rows = [
        (f"{case}/{batch}", price, pieces, word, None, None)
        for case, batches in enumerate(cases)
        for batch, lines in enumerate(batches)
        for price, pieces, word in lines
    ]
    table = spark.createDataFrame(rows, SCHEMA)
    case_of = F.split("batch", "/")[0]
    merged = metrics(merge_profiles(states(table).withColumn("name", F.concat_ws(":", case_of, "name"))))
    whole = metrics(states(table.withColumn("batch", case_of)))
    assert len(merged) == len(whole) == 5 * len(cases)
    for (case, name), union in whole.items():
        both = merged[None, f"{case}:{name}"]
        for field in ("kind", "rows", "count", "missing", "distinct", "minimum", "maximum", "quantiles", "rank_error"):
            # Few values: every sketch still holds them all.
            assert both[field] == union[field], (field, cases[int(case)])
        assert both["top"] == union["top"]
        if union["mean"] is None:
            assert both["mean"] is None
            continue
        # Relative to the values: a mean near zero is a difference of large ones.
        scale = max(abs(union["minimum"]), abs(union["maximum"]))
        assert both["mean"] == pytest.approx(union["mean"], rel=1e-12, abs=1e-12 * scale)
        assert both["m2"] == pytest.approx(union["m2"], rel=1e-12, abs=1e-12 * scale**2)


def test_large_sketches_stay_within_their_stated_error_after_a_merge(spark: SparkSession) -> None:
    rows = spark.range(60_000).select(
        (F.col("id") % 6).cast("string").alias("batch"),
        F.col("id").cast("double").alias("price"),
        (F.col("id") % 3_000).alias("pieces"),
        F.when(F.col("id") % 4 == 0, F.lit("often")).otherwise(F.col("id").cast("string")).alias("word"),
    )
    merged = metrics(merge_profiles(states(rows)))
    price, pieces, word = (merged[None, name] for name in ("price", "pieces", "word"))
    assert price["rank_error"] == pytest.approx(2.296 / KLL_K**0.9723)
    for share, value in zip((0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99), price["quantiles"], strict=True):
        assert abs(value / 60_000 - share) <= 2 * price["rank_error"]
    assert abs(price["distinct"] - 60_000) <= 4 * DISTINCT_ERROR * 60_000
    assert abs(pieces["distinct"] - 3_000) <= 4 * DISTINCT_ERROR * 3_000
    assert abs(sum(price["shares"]) - 1) < 1e-9
    assert word["top"][0]["value"] == "often"
    assert 0 <= word["top"][0]["rows"] - 15_000 <= word["top_error"] == -(-60_000 * 3.5 // 2_048)
    assert set(STATES) <= set(price)
