"""Lines in several currencies → the same lines in one, by rates from a table; a line without a rate is an error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ringmill.columns import local_date
from ringmill.errors import InputError


@dataclass(frozen=True)
class Rate:
    """What one unit of a currency is worth from a local day on, until the currency's next rate."""

    currency: str
    valid_from: date
    rate: float


def read_rates(rows: Iterable[Mapping[str, str | None]], where: str) -> tuple[Rate, ...]:
    """Texts of the columns currency, valid_from (yyyy-MM-dd) and rate → rates, by currency and day.

    Raises:
        InputError: a value is missing or cannot be read, a rate is not above 0, or a currency has two from one day on.
    """
    rates: dict[tuple[str, date], Rate] = {}
    for row in rows:
        given = {name: (row[name] or "").strip() for name in ("currency", "valid_from", "rate")}
        try:
            rate = Rate(given["currency"], date.fromisoformat(given["valid_from"]), float(given["rate"]))
        except ValueError as error:
            raise InputError.rates(where, "A currency's rate cannot be read.", f"{given}: {error}") from error
        if not rate.currency or not 0 < rate.rate < math.inf:
            raise InputError.rates(where, "A currency's rate cannot be used.", given)
        if (rate.currency, rate.valid_from) in rates:
            raise InputError.rates(where, "A currency has two rates from one day on.", given)
        rates[rate.currency, rate.valid_from] = rate
    return tuple(rates[key] for key in sorted(rates))


def with_one_currency(
    lines: DataFrame, rates: Sequence[Rate], *, into: str, amounts: Sequence[str], zone: str
) -> DataFrame:
    """Lines with `currency` and `ordered_at` → the same lines, their `amounts` in `into`, and `currency` is `into`.

    A line takes the rate of the local day on which it happened, never a later one. A line without a rate gets null
    amounts: refuse such lines first, see `summarise_missing_rates`.
    """
    converted = {name: F.col(name) * F.col("_rate") for name in amounts}
    rated = _with_rate(lines, rates, into=into, zone=zone).withColumns(converted)
    return rated.withColumn("currency", F.lit(into)).select(*lines.columns)


def summarise_missing_rates(lines: DataFrame, rates: Sequence[Rate], *, into: str, zone: str) -> DataFrame:
    """Lines → one row per currency (null: none is named) with lines that have no rate: `lines`, `first_day`."""
    lacking = _with_rate(lines, rates, into=into, zone=zone).where("_rate IS NULL")
    day = F.min(local_date(F.col("ordered_at"), zone))
    return lacking.groupBy("currency").agg(F.count("*").alias("lines"), day.alias("first_day"))


def check_rates(missing: Sequence[Mapping[str, Any]], where: str) -> None:
    """Raises InputError for the first of the collected rows of `summarise_missing_rates`."""
    for row in sorted(missing, key=lambda row: (-row["lines"], str(row["currency"]))):
        what = f"There is no rate for the currency {row['currency'] or '(none is named)'}."
        raise InputError.rates(where, what, f"{row['lines']:,} lines without one, the first on {row['first_day']}")


def _with_rate(lines: DataFrame, rates: Sequence[Rate], *, into: str, zone: str) -> DataFrame:
    """Add `_rate`: the last from the line's local day or before; 1 for `into` itself; null where there is none."""
    ends = {(a.currency, a.valid_from): b.valid_from for a, b in pairwise(rates) if a.currency == b.currency}
    rows = [(r.currency, r.valid_from, ends.get((r.currency, r.valid_from)), r.rate) for r in rates]
    table = lines.sparkSession.createDataFrame(rows, "_currency string, _from date, _until date, _given double")
    day = local_date(F.col("ordered_at"), zone)
    inside = (F.col("currency") == F.col("_currency")) & (day >= F.col("_from"))
    inside &= F.col("_until").isNull() | (day < F.col("_until"))
    joined = lines.join(F.broadcast(table), inside, "left")
    return joined.withColumn("_rate", F.when(F.col("currency") == into, F.lit(1.0)).otherwise(F.col("_given")))
