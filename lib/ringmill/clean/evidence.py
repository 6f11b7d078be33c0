"""Raw lines of unknown meaning → what each column holds: the evidence on which a configuration is proposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.clean.parse import trimmed

# Java formats that exports use; where day and month cannot be told apart, the day is taken to come first.
TIMESTAMP_FORMATS = (
    "yyyy-MM-dd HH:mm:ss",
    "yyyy-MM-dd'T'HH:mm:ss",
    "yyyy-MM-dd HH:mm",
    "yyyy-MM-dd",
    "yyyy-MM-dd'T'HH:mm:ssXXX",
    "yyyy-MM-dd HH:mm:ssXXX",
    "dd/MM/yyyy HH:mm:ss",
    "dd/MM/yyyy HH:mm",
    "dd/MM/yyyy",
    "d/M/yyyy H:mm",
    "MM/dd/yyyy HH:mm:ss",
    "MM/dd/yyyy HH:mm",
    "MM/dd/yyyy",
    "M/d/yyyy H:mm",
    "dd.MM.yyyy HH:mm:ss",
    "dd.MM.yyyy HH:mm",
    "dd.MM.yyyy",
    "yyyy/MM/dd HH:mm:ss",
    "yyyy/MM/dd",
    "yyyyMMdd",
)
NUMBER = r"^[^0-9]{0,4}\d[\d.,' \u00a0\u202f]*[^0-9]{0,3}$"
DATE = r"^(\d{4}[-/.]?\d{1,2}[-/.]?\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})([ T].*)?$"
SAMPLE_LINES = 20_000
MOST_VALUES = 1_000


@dataclass(frozen=True)
class Evidence:
    """One raw column: lines with a text in it, distinct texts (estimated), and the most frequent with their lines.

    `dates` and `numbers` are the lines whose text has the shape of one. Of a sample of `sampled` texts: `formats`, how
    many were read by which set of `TIMESTAMP_FORMATS` (bits), and `shapes`, how often each text occurred with digits as
    9 and letters as A.
    """

    name: str
    lines: int
    count: int
    distinct: int
    dates: int
    numbers: int
    values: Mapping[str, int]
    sampled: int = 0
    formats: Mapping[int, int] | None = None
    shapes: Mapping[str, int] | None = None


def summarise_texts(lines: DataFrame, names: Sequence[str]) -> DataFrame:
    """Raw lines → one row: `lines`, and per column, by its place, `count_0`, `distinct_0`, `top_0` and so on."""
    aggregates = [F.count(F.lit(1)).alias("lines")]
    for place, name in enumerate(names):
        text = _text(name)
        limit = F.lit(MOST_VALUES)
        aggregates += [
            F.count(text).alias(f"count_{place}"),
            F.approx_count_distinct(text, 0.02).alias(f"distinct_{place}"),
            F.count_if(text.rlike(DATE)).alias(f"dates_{place}"),
            F.count_if(text.rlike(NUMBER)).alias(f"numbers_{place}"),
            F.call_function("approx_top_k", text, limit, limit).alias(f"top_{place}"),
        ]
    return lines.agg(*aggregates)


def evidence_of(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Evidence]:
    """The collected row of `summarise_texts` → by column its evidence, without what is sampled."""
    return {
        name: Evidence(
            name=name,
            lines=row["lines"],
            count=row[f"count_{place}"],
            distinct=row[f"distinct_{place}"],
            dates=row[f"dates_{place}"],
            numbers=row[f"numbers_{place}"],
            values={each["item"]: each["count"] for each in row[f"top_{place}"] if each["item"] is not None},
        )
        for place, name in enumerate(names)
    }


def sample(lines: DataFrame, names: Sequence[str], of: int) -> DataFrame:
    """About `SAMPLE_LINES` of `of` lines, chosen by their hash: the same ones on every run."""
    every = max(1, of // SAMPLE_LINES)
    return lines.where(F.pmod(F.xxhash64(*(F.col(_quoted(name)) for name in names)), F.lit(every)) == 0)


def summarise_shapes(sampled: DataFrame, names: Sequence[str], dates: Sequence[str]) -> DataFrame:
    """Sampled lines → one row: per column its shapes, and for those in `dates` which formats read how many."""
    limit = F.lit(MOST_VALUES)
    found = []
    for place, name in enumerate(names):
        text = _text(name)
        shape = F.regexp_replace(F.regexp_replace(text, "[A-Za-z]", "A"), "[0-9]", "9")
        found.append(F.call_function("approx_top_k", shape, limit, limit).alias(f"shapes_{place}"))
        if name in dates:
            # A format that does not fit costs an exception inside Spark: this is why lines are sampled.
            bits = [
                F.when(F.try_to_timestamp(text, F.lit(form)).isNotNull(), F.lit(1 << bit)).otherwise(F.lit(0))
                for bit, form in enumerate(TIMESTAMP_FORMATS)
            ]
            mask = F.when(text.isNotNull(), sum(bits[1:], bits[0]))
            found.append(F.call_function("approx_top_k", mask, limit, limit).alias(f"formats_{place}"))
    return sampled.agg(*found)


def with_shapes(evidence: Evidence, row: Mapping[str, Any], place: int) -> Evidence:
    """The evidence with what the collected row of `summarise_shapes` says of the column at `place`."""
    shapes = {each["item"]: each["count"] for each in row[f"shapes_{place}"] if each["item"] is not None}
    masks = row.get(f"formats_{place}", [])
    formats = {each["item"]: each["count"] for each in masks if each["item"] is not None}
    values = {**vars(evidence), "sampled": sum(shapes.values()), "shapes": shapes, "formats": formats}
    return Evidence(**values)


def summarise_values(values: DataFrame) -> DataFrame:
    """Typed lines of `rows.read_values` → one row: what ranges, cancellations and dates are proposed from."""
    prefix = F.regexp_extract("order_id", "^([A-Za-z]+)", 1)
    taken_back = F.col("quantity") < 0
    found: list[Column] = [F.count(F.lit(1)).alias("lines")]
    for name in ("quantity", "unit_price"):
        found += [
            F.percentile_approx(name, F.array(F.lit(0.001), F.lit(0.999)), F.lit(10_000)).alias(f"{name}_bounds"),
            F.min(name).alias(f"{name}_minimum"),
            F.max(name).alias(f"{name}_maximum"),
            F.count(name).alias(f"{name}_count"),
        ]
    found += [
        F.count_if(taken_back).alias("negative"),
        F.count_if(F.col("unit_price") == 0).alias("free"),
        F.call_function("approx_top_k", F.when(taken_back, prefix), F.lit(10), F.lit(1_000)).alias("prefixes"),
        F.call_function("approx_top_k", prefix, F.lit(1_000), F.lit(1_000)).alias("all_prefixes"),
        F.percentile_approx(F.unix_micros("ordered_at"), F.array(F.lit(0.001), F.lit(0.7), F.lit(0.999))).alias("days"),
    ]
    return values.agg(*found)


def _text(name: str) -> Column:
    return trimmed(F.col(_quoted(name)))


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
