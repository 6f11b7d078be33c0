"""Each law that cleaning keeps has a check that notices a deliberate break of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clean.fuzz import properties
from clean.fuzz.properties import batches_are_the_references, rows_are_the_references
from ringmill.clean import duplicates, forward, gates, parse, rows, rules, settle, statistics, touched
from ringmill.config import columns
from ringmill.errors import LawError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

PROPERTIES = {
    "nothing is lost": properties.nothing_is_lost,
    "rows, keep last": rows_are_the_references("last"),
    "rows, keep first": rows_are_the_references("first"),
    "rows, most complete": rows_are_the_references("most_complete"),
    "batches, keep last": batches_are_the_references("last"),
    "statistics as of": properties.statistics_know_no_later_lines,
    "kept statistics": properties.kept_statistics_are_not_fitted_again,
    "order-free": properties.rules_that_depend_on_order_are_refused,
    "conditions": properties.conditions_are_checked_before_anything_runs,
    "gates": properties.gates_stop_a_bad_batch,
}


class Mutation(NamedTuple):
    """A break: what takes the place of `module.name`, made from what was there, the property that has to
    fail, and what its message then shows."""

    what: str
    fails: str
    seen: str
    module: Any
    name: str
    broken: Callable[[Any], Any]


def dropping(settle_rows: Any) -> Any:
    lost = "status = 'duplicate' AND quantity = 1"
    return lambda judged, clean, **more: settle_rows(judged, clean, **more).where(f"NOT coalesce({lost}, false)")


def doubling(_: Any) -> Any:
    """Referential joins against values that are not made distinct."""

    def with_references(lines: DataFrame, all_rules: Any, tables: Any) -> DataFrame:
        for rule in all_rules:
            if rule.references is not None:
                values = tables[rule.name].select(F.upper("Value").alias("_value")).where("_value IS NOT NULL")
                known = values.union(values).withColumn(f"_known_{rule.name}", F.lit(True))
                lines = lines.join(known, F.upper(rule.column) == F.col("_value"), "left").drop("_value")
        return lines

    return with_references


def first_reason_alone(named: Any) -> Any:
    return lambda conditions: F.slice(named(conditions), 1, 1)


def other_nulls(identity: Any) -> Any:
    """Lines with a missing cell equal no other line."""

    def apart(cells: Any, **of: Any) -> Column:
        each = F.concat(F.col("source_file"), F.monotonically_increasing_id())
        return identity({name: F.coalesce(cell, each) for name, cell in cells.items()}, **of)

    return apart


def missing_keys(identity: Any) -> Any:
    """A key without a value is a key like any other."""
    return lambda cells, *, key, written: identity(
        cells, key={name: F.coalesce(value, F.lit("")) for name, value in key.items()}, written=written
    )


def competing_rejects(with_standing: Any) -> Any:
    """Lines with reasons of their own take part in their key."""
    candidate = (F.col("_copy") == 1) & F.col("identity.key").isNotNull()
    return lambda lines, keep: with_standing(lines.withColumn("_candidate", candidate), keep)


def never_superseded(with_standing: Any) -> Any:
    forgotten = F.col("_outcome").withField("at", F.lit(None).cast("timestamp"))
    return lambda lines, keep: with_standing(lines, keep).withColumn("_outcome", forgotten)


def by_arrival(with_standing: Any) -> Any:
    """Lines of a key are ordered by their files alone."""

    def ordered(lines: DataFrame, keep: str) -> DataFrame:
        kept = lines.withColumns({"_known": F.col("known_at"), "_event": F.col("ordered_at")})
        alike = kept.withColumns({"known_at": F.current_timestamp(), "ordered_at": F.current_timestamp()})
        settled = with_standing(alike, keep)
        return settled.withColumns({"known_at": F.col("_known"), "ordered_at": F.col("_event")}).drop(
            "_known", "_event"
        )

    return ordered


def in_hindsight(_: Any) -> Any:
    """The most complete line of all stands from the beginning."""
    from pyspark.sql import Window

    def stood(keep: str, forward_window: Any) -> Column:
        whole = forward_window.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
        return F.col("identity.complete") == F.max("identity.complete").over(whole)

    return stood


def zero_for_unreadable(read: Any) -> Any:
    return lambda text: F.when(text.isNotNull(), F.coalesce(read(text), F.lit(0).cast("bigint")))


def only_keys(touched_rows: Any) -> Any:
    """Rows that share no key with a new one are not looked at again, whatever unique values they share."""

    def near(published: DataFrame, judged: DataFrame, clean: Any) -> DataFrame:
        found = touched_rows(published, judged, clean)
        gathers = judged.select(F.col("identity.gather").alias("_near")).distinct()
        return found.join(gathers, F.col("identity.gather") == F.col("_near"), "left_semi")

    return near


def no_rows(touched_rows: Any) -> Any:
    return lambda *given: touched_rows(*given).where("false")


def first_come(with_copy_number: Any) -> Any:
    """Of copies that line is the first that came first."""

    def numbered(lines: DataFrame, **more: bool) -> DataFrame:
        came = F.concat(F.when(F.col("_new"), "z").otherwise("a"), "source_file")
        kept = with_copy_number(lines.withColumn("source_file", came), **more)
        return kept.withColumn("source_file", F.expr("substring(source_file, 2)"))

    return numbered


def passing(judged: Any) -> Any:
    return lambda *given: replace(judged(*given), passed=True)


def fitted_with_all(summarise: Any) -> Any:
    return lambda lines, of_rules, _: summarise(lines, of_rules, None)


def each_its_own(definition_of: Any) -> Any:
    return lambda *given: definition_of(*given) | {"at": object()}


MUTATIONS = [
    Mutation("law 1: copies vanish", "nothing is lost", "Law 1 (nothing is lost)", rows, "settle_rows", dropping),
    Mutation(
        "law 1: a join doubles lines", "nothing is lost", "Law 1 (nothing is lost)", rows, "with_references", doubling
    ),
    Mutation(
        "law 1: only the first reason and flag are kept",
        "rows, keep last",
        "backwards",
        rows,
        "named",
        first_reason_alone,
    ),
    Mutation(
        "law 1: a missing cell equals no other", "rows, keep last", "exact_duplicate", rows, "identity", other_nulls
    ),
    Mutation("law 1: a missing key is a key", "rows, keep last", "superseded_by_key", rows, "identity", missing_keys),
    Mutation(
        "law 1: rejected lines replace others",
        "rows, keep last",
        "superseded_by_key",
        settle,
        "with_standing",
        competing_rejects,
    ),
    Mutation(
        "law 2: superseded_at is forgotten",
        "rows, keep last",
        "superseded_at=None",
        settle,
        "with_standing",
        never_superseded,
    ),
    Mutation(
        "law 2: a fill takes later values",
        "rows, keep last",
        "last_words",
        forward,
        "ORDER",
        lambda _: (F.desc("known_at"),),
    ),
    Mutation(
        "law 2: a fill goes by file", "rows, keep last", "last_words", forward, "ORDER", lambda _: ("source_file",)
    ),
    Mutation(
        "law 2: complete in hindsight", "rows, most complete", "key_duplicate", duplicates, "_stood", in_hindsight
    ),
    Mutation(
        "law 2: statistics of later lines",
        "statistics as of",
        "fitted from later lines",
        statistics,
        "summarise_statistics",
        fitted_with_all,
    ),
    Mutation(
        "law 3: the first line by file, not by time",
        "rows, keep first",
        "key_duplicate",
        settle,
        "with_standing",
        by_arrival,
    ),
    Mutation("law 3: published rows stay as they are", "batches, keep last", "found", touched, "touched_rows", no_rows),
    Mutation(
        "law 3: unique values of a batch alone", "batches, keep last", "same_moment", touched, "touched_rows", only_keys
    ),
    Mutation(
        "law 3: the first copy that came",
        "batches, keep last",
        "exact_duplicate",
        settle,
        "with_copy_number",
        first_come,
    ),
    Mutation(
        "law 3: statistics fitted anew", "kept statistics", "fitted again", statistics, "definition_of", each_its_own
    ),
    Mutation(
        "law 3: order is not asked for",
        "order-free",
        "DID NOT RAISE",
        columns,
        "_check_batches",
        lambda _: lambda clean: None,
    ),
    Mutation(
        "law 10: zero for what cannot be read",
        "rows, keep last",
        "unreadable_quantity",
        parse,
        "read_quantity",
        zero_for_unreadable,
    ),
    Mutation(
        "law 10: conditions unchecked",
        "conditions",
        "stack trace",
        rules,
        "_check_condition",
        lambda _: lambda *given: None,
    ),
    Mutation("law 10: a gate that never fails", "gates", "lets it pass", gates, "_judged", passing),
]


def _param(mutation: Mutation) -> Any:
    """Three batches cost three settlements: one such break is enough for every run."""
    is_slow = mutation.fails.startswith("batches") and mutation.broken is not no_rows
    return pytest.param(mutation, id=mutation.what, marks=[pytest.mark.long] if is_slow else [])


@pytest.mark.parametrize("name", PROPERTIES)
def test_the_property_holds_for_the_library_as_it_is(spark: SparkSession, name: str) -> None:
    PROPERTIES[name](spark)


@pytest.mark.parametrize("mutation", [_param(mutation) for mutation in MUTATIONS])
def test_a_break_of_the_library_is_noticed(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, mutation: Mutation
) -> None:
    broken = mutation.broken(getattr(mutation.module, mutation.name))
    monkeypatch.setattr(mutation.module, mutation.name, broken)
    with pytest.raises((AssertionError, LawError, pytest.fail.Exception)) as caught:
        PROPERTIES[mutation.fails](spark)
    assert mutation.seen in str(caught.value)
