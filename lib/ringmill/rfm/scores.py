"""Quantile scores 1–5 with frozen thresholds, and the segment that a rule table gives to each of the 125 cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.config.rfm import Segment
from ringmill.errors import ConfigError

MEASURES = {"r": "days_since_last_order", "f": "order_count", "m": "spend_net"}
FIFTHS = (0.2, 0.4, 0.6, 0.8)
# Greenwald–Khanna error of a rank: 1/10,000 of the customers, far below a fifth.
ACCURACY = 10_000


@dataclass(frozen=True)
class Thresholds:
    """The four inner fifths of each measure, fitted once; plain data."""

    r: tuple[float, ...]
    f: tuple[float, ...]
    m: tuple[float, ...]


def fit_thresholds(customers: DataFrame) -> Thresholds:
    """Customers → the fifths of recency, frequency and monetary value (an action: one aggregate row)."""
    row = customers.agg(
        *(
            F.percentile_approx(measure, list(FIFTHS), ACCURACY).cast("array<double>").alias(letter)
            for letter, measure in MEASURES.items()
        )
    ).first()
    if row is None or row["r"] is None:
        return Thresholds((), (), ())
    return Thresholds(*(tuple(row[letter]) for letter in MEASURES))


def with_scores(customers: DataFrame, thresholds: Thresholds) -> DataFrame:
    """Add r_score, f_score, m_score (1–5, 5 is best; equal values share a score)."""
    recency = F.lit(5) - _passed(F.col(MEASURES["r"]), thresholds.r)
    return customers.withColumns(
        {
            "r_score": recency.cast("int"),
            "f_score": (F.lit(1) + _passed(F.col(MEASURES["f"]), thresholds.f)).cast("int"),
            "m_score": (F.lit(1) + _passed(F.col(MEASURES["m"]), thresholds.m)).cast("int"),
        }
    )


def _passed(value: Column, thresholds: Sequence[float]) -> Column:
    """How many thresholds lie below the value."""
    return reduce(lambda total, t: total + (value > F.lit(t)).cast("int"), thresholds, F.lit(0))


def with_segment(customers: DataFrame, segments: Sequence[Segment]) -> DataFrame:
    """Add `segment`, the name of the first rule that matches the three scores.

    Raises:
        ConfigError: some of the 125 cells match no rule.
    """
    check_cover(segments)
    first, *rest = segments
    named = F.when(_matches(first), F.lit(first.name))
    for segment in rest:
        named = named.when(_matches(segment), F.lit(segment.name))
    return customers.withColumn("segment", named)


def check_cover(segments: Sequence[Segment]) -> None:
    """Raises ConfigError naming the first cell that no segment covers."""
    fifths = range(1, 6)
    for r, f, m in product(fifths, fifths, fifths):
        if not any(covers(segment, (r, f, m)) for segment in segments):
            raise ConfigError.bad_value(
                "rfm.segments", "rfm.segments", "rules that cover all 125 cells", f"none for r={r}, f={f}, m={m}"
            )


def covers(segment: Segment, cell: tuple[int, int, int]) -> bool:
    """Whether the segment's ranges hold the three scores."""
    ranges = zip(cell, (segment.r, segment.f, segment.m), strict=True)
    return all(low <= score <= high for score, (low, high) in ((s, _range(text)) for s, text in ranges))


def _matches(segment: Segment) -> Column:
    conditions = [
        F.col(f"{letter}_score").between(*_range(text))
        for letter, text in zip("rfm", (segment.r, segment.f, segment.m), strict=True)
    ]
    return reduce(lambda a, b: a & b, conditions)


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    return int(low), int(high or low)
