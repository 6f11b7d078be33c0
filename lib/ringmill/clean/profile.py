"""Profiles of columns as mergeable states: the profile of a month is the merge of its days, which are not read again.

The population is every line of a batch that could be parsed, whatever became of it: a status may change when a later
batch arrives, the profile of a batch never does. Each kind of column is measured in a unit of its own: numbers as they
are, instants in microseconds since 1970, texts by their length in characters, truths as 0 and 1. Values are held as
doubles, exact up to 2⁵³.

States and their bounds: distinct values in an HLL sketch (relative standard error 1.04 ÷ √2¹²); quantiles in a KLL
sketch (normalised rank error 2.296 ÷ k^0.9723 with confidence 99 %, exact up to k values); the most frequent values in
a frequent-items sketch (each count is too high by at most 3.5 × rows ÷ its map's size, exact while all values fit).
Sources: P. Flajolet et al. 2007; Z. Karnin, K. Lang, E. Liberty 2016; Apache DataSketches, which Spark calls. Mean and
sum of squared deviations are merged by T. Chan, G. Golub, R. LeVeque 1983, about the common mean, so nothing cancels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

# Columns of clean/rows that say what became of a line, not what came.
BOOKKEEPING = frozenset(
    (
        "superseded_at",
        "is_cancellation",
        "is_product",
        "flags",
        "reasons",
        "raw",
        "source_file",
        "source_batch",
        "status_batch",
        "status",
    )
)
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BINS = 12
_GRID = tuple((place + 0.5) / 200 for place in range(200))
TOP = 5
HLL_BITS = 12
KLL_K = 200
TRACKED = 1_000
# As Spark sizes the map of a frequent-items sketch; it holds three quarters of it before it forgets values.
_MAP_SIZE = 2 ** math.ceil(math.log2(math.ceil(TRACKED / 0.75)))
DISTINCT_ERROR = 1.04 / math.sqrt(2**HLL_BITS)
RANK_ERROR = 2.296 / KLL_K**0.9723

_KINDS = {
    "string": "text",
    "boolean": "truth",
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), "whole"),
    **dict.fromkeys(("float", "double"), "number"),
    **dict.fromkeys(("date", "timestamp", "timestamp_ntz"), "instant"),
}
# Kinds whose frequent values are kept.
_SHOWN = ("text", "whole")
STATES = ("name", "kind", "rows", "distinct_state", "quantile_state", "top_state", "mean", "m2")


def kinds_of(schema: StructType) -> dict[str, str]:
    """By column that can be profiled its kind: text, whole, number, instant or truth; bookkeeping is left out."""
    types = {field.name: field.dataType.simpleString() for field in schema.fields if field.name not in BOOKKEEPING}
    kinds = {name: "number" if of.startswith("decimal") else _KINDS.get(of) for name, of in types.items()}
    return {name: kind for name, kind in kinds.items() if kind is not None and not name.startswith("_")}


def with_measures(rows: DataFrame, kinds: Mapping[str, str]) -> DataFrame:
    """Add what `profile_states` reads of each column: `_measured_NAME` (double, in the unit of its kind),
    `_hashed_NAME` (64 bits, for counting distinct values) and, of texts and whole numbers, `_shown_NAME`; null where
    the value is.

    Sketches are no generated code, and walk the tree of an expression for every row: of a column they just take it.
    """
    added = {}
    for name, kind in kinds.items():
        value = F.col(f"`{name}`")
        added[f"_measured_{name}"] = _measured(kind, value)
        # A hash of null would be a value.
        added[f"_hashed_{name}"] = F.when(value.isNotNull(), F.xxhash64(value))
        if kind in _SHOWN:
            added[f"_shown_{name}"] = value.cast("string")
    return rows.withColumns(added)


def profile_states(kinds: Mapping[str, str], rows: Column, *, personal: Collection[str] = ()) -> Column:
    """An aggregate over columns of `with_measures`: array of one struct per column, with the fields of `STATES`.

    `rows` is an aggregate too, the size of the population. What people wrote of themselves is not kept: a column in
    `personal` has no frequent values.
    """
    return F.array(*(_state(name, kind, rows, shown=name not in personal) for name, kind in kinds.items()))


def merge_profiles(states: DataFrame) -> DataFrame:
    """States of many batches → one row per column, with `STATES`; a column that changed its kind has one row a kind.

    Columns in: those of `STATES`, as `quality/runs` holds them. No batch is read again. Rows, counts, minimum and
    maximum are exact, moments within rounding; sketches keep their bounds.
    """
    counted = states.withColumn("_count", F.call_function("kll_sketch_get_n_double", "quantile_state"))
    moments = F.collect_list(F.struct(F.col("_count").alias("n"), F.col("mean"), F.col("m2")))
    merged = counted.groupBy("name", "kind").agg(
        F.sum("rows").alias("rows"),
        F.hll_union_agg("distinct_state").alias("distinct_state"),
        F.call_function("kll_merge_agg_double", F.col("quantile_state")).alias("quantile_state"),
        F.filter(moments, lambda part: part["mean"].isNotNull()).alias("_parts"),
        F.count_if(F.col("top_state").isNull()).alias("_without_top"),
    )
    n = _total("_parts", lambda part: part["n"])
    merged = merged.withColumn("mean", F.try_divide(_total("_parts", lambda part: part["n"] * part["mean"]), n))
    apart = _total("_parts", lambda part: part["m2"] + part["n"] * (part["mean"] - F.col("mean")) ** 2)
    merged = merged.withColumn("m2", F.when(F.size("_parts") > 0, apart))
    # Spark's merge fails on a group without a sketch. One batch that kept none leaves the whole without: what is
    # frequent in the others would mislead.
    combined = F.call_function("approx_top_k_combine", _top_struct()).getField("sketch").alias("top_state")
    tops = states.where(F.col("top_state").isNotNull()).groupBy("name", "kind").agg(combined)
    every = merged.where("_without_top = 0").select("name", "kind")
    return merged.join(tops.join(every, ["name", "kind"]), ["name", "kind"], "left").select(*STATES)


def with_metrics(states: DataFrame) -> DataFrame:
    """Add to states what a person reads, with its bounds.

    Columns out: count, missing (rows); distinct, distinct_error (relative standard error); minimum, maximum, deviation
    (population), quantiles (at `QUANTILES`), in the column's unit, null where no value is there; rank_error (of a
    quantile's rank, share of count); edges and shares of a histogram of `BINS` equal bins between the first and the
    last quantile, whose outer bins hold what lies beyond; top, the most frequent values and their rows, and top_error,
    the rows by which such a count may be too high; both null where none are kept.
    """
    rows = states.withColumn("count", F.call_function("kll_sketch_get_n_double", "quantile_state").cast("bigint"))
    some, distinct = F.col("count") > 0, F.hll_sketch_estimate("distinct_state")
    ranks = F.array(*map(F.lit, (0.0, *QUANTILES, 1.0, *_GRID)))
    rows = rows.withColumns(
        {
            "missing": F.col("rows") - F.col("count"),
            "distinct": F.least(distinct, F.col("count")),
            "distinct_error": F.lit(DISTINCT_ERROR),
            "_ordered": F.when(some, F.call_function("kll_sketch_get_quantile_double", "quantile_state", ranks)),
            "deviation": F.sqrt(F.try_divide(F.col("m2"), F.col("count"))),
            "rank_error": F.when(F.col("count") > KLL_K, F.lit(RANK_ERROR)).otherwise(F.lit(0.0)),
        }
    )
    last = len(QUANTILES)
    low, high = F.col("_ordered")[1], F.col("_ordered")[last]

    # Spark finds ranks of constants alone, so values at even ranks are counted by bin.
    def place(value: Column) -> Column:
        return F.greatest(F.lit(0), F.least(F.lit(BINS - 1), F.floor((value - low) / (high - low) * BINS)))

    places = F.transform(F.slice("_ordered", last + 3, len(_GRID)), place)
    drawn = some & (low < high)
    of_bin = F.transform(
        F.sequence(F.lit(0), F.lit(BINS - 1)),
        lambda bin_: F.size(F.filter(places, lambda each: each == bin_)) / F.lit(len(_GRID)),
    )
    edges = F.array(*(low + (high - low) * F.lit(step / BINS) for step in range(BINS + 1)))
    fits = F.col("distinct") * (1 + 3 * DISTINCT_ERROR) <= 0.75 * _MAP_SIZE
    most = F.call_function("approx_top_k_estimate", _top_struct(), F.lit(TRACKED))
    # Ties are settled by the value: the order in which Spark gives them depends on the merge.
    items = F.filter(most, lambda each: each["item"].isNotNull())
    ordered = F.array_sort(F.transform(items, lambda each: F.struct(-each["count"], each["item"])))
    named = F.transform(
        F.slice(ordered, 1, TOP), lambda each: F.struct(each["item"].alias("value"), (-each["col1"]).alias("rows"))
    )
    has_top = F.col("top_state").isNotNull()
    return rows.withColumns(
        {
            "minimum": F.col("_ordered")[0],
            "maximum": F.col("_ordered")[last + 1],
            "quantiles": F.slice("_ordered", 2, last),
            "edges": F.when(drawn, edges),
            "shares": F.when(drawn, of_bin),
            "top": F.when(has_top, named),
            "top_error": F.when(
                has_top, F.when(fits, F.lit(0)).otherwise(F.ceil(F.col("rows") * (3.5 / _MAP_SIZE)))
            ).cast("bigint"),
        }
    ).drop("_ordered")


def _state(name: str, kind: str, rows: Column, *, shown: bool) -> Column:
    measured = F.col(f"`_measured_{name}`")
    nothing = F.lit(None)
    top = nothing.cast("binary")
    if shown and kind in _SHOWN:
        counted = F.call_function("approx_top_k_accumulate", F.col(f"`_shown_{name}`"), F.lit(TRACKED))
        top = counted.getField("sketch")
    has_moments = kind in ("whole", "number", "truth")
    fields = {
        "name": F.lit(name),
        "kind": F.lit(kind),
        "rows": rows,
        "distinct_state": F.hll_sketch_agg(F.col(f"`_hashed_{name}`"), HLL_BITS),
        "quantile_state": F.kll_sketch_agg_double(measured, KLL_K),
        "top_state": top,
        "mean": F.avg(measured) if has_moments else nothing.cast("double"),
        "m2": F.var_pop(measured) * F.count(measured) if has_moments else nothing.cast("double"),
    }
    return F.struct(*(fields[field].alias(field) for field in STATES))


def _measured(kind: str, value: Column) -> Column:
    match kind:
        case "text":
            return F.char_length(value).cast("double")
        case "instant":
            return F.unix_micros(value.cast("timestamp")).cast("double")
        case "truth":
            return value.cast("int").cast("double")
        case _:
            return value.cast("double")


def _top_struct() -> Column:
    """The kept bytes as the struct that Spark's functions pass on; an empty sketch where none are kept."""
    return F.named_struct(
        F.lit("sketch"),
        F.col("top_state"),
        F.lit("maxItemsTracked"),
        F.lit(TRACKED),
        F.lit("itemDataType"),
        F.lit(None).cast("string"),
        F.lit("itemDataTypeDDL"),
        F.lit("item string not null"),
    )


def _total(parts: str, value: Callable[[Column], Column]) -> Column:
    return F.aggregate(F.transform(parts, value), F.lit(0.0), lambda total, each: total + each)
