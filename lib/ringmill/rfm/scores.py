"""Scores 1–5 by frozen thresholds, and the segment that a rule table gives to each of the 125 cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from itertools import product
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.config.rfm import Scores, Segment
from ringmill.errors import ConfigError

FIFTHS = (0.2, 0.4, 0.6, 0.8)
LETTERS = ("r", "f", "m")
# Money is told apart to this many digits where fifths are fitted: an exact quantile then needs bounded memory.
DIGITS = 3


@dataclass(frozen=True)
class Thresholds:
    """The four inner fifths of each measure, fitted once; plain data.

    Fitted ones are of money to its first `digits`, and are compared with such; of given ones `digits` is None.
    """

    r: tuple[float, ...]
    f: tuple[float, ...]
    m: tuple[float, ...]
    digits: int | None = None

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Thresholds:
        return cls(tuple(tree["r"]), tuple(tree["f"]), tuple(tree["m"]), tree["digits"])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def measures() -> dict[str, Column]:
    """What is scored: days since the last order, orders, and net spend; of the orders that stand where that is known.

    The recency of a customer of whom no order stands is null.
    """
    links = F.col("order_count_net").isNotNull()
    return {
        "r": F.when(links, F.col("days_since_last_order_net")).otherwise(F.col("days_since_last_order")),
        "f": F.coalesce("order_count_net", "order_count"),
        "m": F.col("spend_net"),
    }


def thresholds_of(customers: DataFrame, section: Scores, kept: Mapping[str, Any] | None) -> Thresholds:
    """The thresholds of the configuration, else those that were fitted before, else ones fitted now (an action)."""
    if (fixed := section.thresholds) is not None:
        return Thresholds(fixed.r, fixed.f, fixed.m)
    last = Thresholds.from_json(kept) if kept and not section.refit else None
    return last if last is not None and last.digits and last.r else fit_thresholds(customers)


def fit_thresholds(customers: DataFrame) -> Thresholds:
    """Customers of one cutoff → the fifths of recency, frequency and monetary value (an action: one aggregate row).

    Quantiles are exact, of money to its first digits, and interpolated linearly, so that partitions do not matter.
    Customers of whom no order stands are left out. Without any other customer there are no thresholds.
    """
    scored = measures()
    fitted = customers.where(scored["r"].isNotNull())
    row = fitted.agg(
        *(
            F.percentile(_rounded(scored[letter], DIGITS) if letter == "m" else scored[letter], list(FIFTHS)).alias(
                letter
            )
            for letter in LETTERS
        )
    ).first()
    if row is None or row["r"] is None:
        return Thresholds((), (), (), DIGITS)
    return Thresholds(tuple(row["r"]), tuple(row["f"]), tuple(row["m"]), DIGITS)


def _rounded(amount: Column, digits: int) -> Column:
    """An amount to its first digits."""
    unit = F.pow(F.lit(10.0), F.floor(F.log10(amount)) - (digits - 1))
    return F.when(amount > 0, F.round(amount / unit) * unit).otherwise(F.lit(0.0))


def with_scores(customers: DataFrame, thresholds: Thresholds) -> DataFrame:
    """Add r_score, f_score, m_score (1–5, 5 is best; equal values share a score; 1 each where no order stands)."""
    scored = measures()
    # As they were told apart when they were fitted: equal amounts lie on one side of a threshold that is theirs.
    money = _rounded(scored["m"], thresholds.digits) if thresholds.digits else scored["m"]
    scores = {
        "r_score": F.lit(5) - _passed(scored["r"], thresholds.r),
        "f_score": F.lit(1) + _passed(scored["f"], thresholds.f),
        "m_score": F.lit(1) + _passed(money, thresholds.m),
    }
    stands = scored["r"].isNotNull()
    return customers.withColumns(
        {name: F.when(stands, score).otherwise(F.lit(1)).cast("int") for name, score in scores.items()}
    )


def _passed(value: Column, thresholds: Sequence[float]) -> Column:
    """How many thresholds lie below the value."""
    return reduce(lambda total, t: total + (value > F.lit(t)).cast("int"), thresholds, F.lit(0))


def with_segment(customers: DataFrame, segments: Sequence[Segment]) -> DataFrame:
    """Add `segment`, the name of the one rule that matches the three scores.

    Raises:
        ConfigError: as `check_cover`.
    """
    check_cover(segments)
    first, *rest = segments
    named = F.when(_matches(first), F.lit(first.name))
    for segment in rest:
        named = named.when(_matches(segment), F.lit(segment.name))
    return customers.withColumn("segment", named)


def check_cover(segments: Sequence[Segment]) -> None:
    """Raises ConfigError naming the first cell that no rule covers, or more than one: order never decides."""
    fifths = range(1, 6)
    for r, f, m in product(fifths, fifths, fifths):
        found = [segment.name for segment in segments if covers(segment, (r, f, m))]
        if len(found) != 1:
            said = " and ".join(found) or "none"
            expected = "rules that cover each of the 125 cells exactly once"
            raise ConfigError.bad_value("rfm.segments", "rfm.segments", expected, f"{said} for r={r}, f={f}, m={m}")


def covers(segment: Segment, cell: tuple[int, int, int]) -> bool:
    """Whether the segment's ranges hold the three scores."""
    ranges = zip(cell, (segment.r, segment.f, segment.m), strict=True)
    return all(low <= score <= high for score, (low, high) in ((s, _range(text)) for s, text in ranges))


def _matches(segment: Segment) -> Column:
    conditions = [
        F.col(f"{letter}_score").between(*_range(text))
        for letter, text in zip(LETTERS, (segment.r, segment.f, segment.m), strict=True)
    ]
    return reduce(lambda a, b: a & b, conditions)


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    return int(low), int(high or low)
