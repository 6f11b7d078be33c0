"""Judged rows → their statuses, where other rows decide: copies, keys, values that must be unique; law 1's order."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ringmill.clean.duplicates import (
    COPY,
    RELATIONAL,
    gathered,
    with_copy_number,
    with_standing,
    without_standing,
)
from ringmill.config.clean import Clean
from ringmill.config.rules import Rule

OUTCOME = ("status", "reasons", "flags", "superseded_at", "status_batch")
STORED = "struct<status:string,reasons:array<string>,flags:array<string>,superseded_at:timestamp,status_batch:string>"


def settle_rows(judged: DataFrame, clean: Clean, *, numbered: bool = True) -> DataFrame:
    """Rows with the reasons of their own → rows of `contracts.CLEAN_ROWS` with `_new` and `_changed`.

    Columns in: those of the contract, where `reasons` and `flags` hold what the row's own values gave, `status` is
    'rejected' for a line that could not be read and else null; and `_stored`, the outcome that the published table has
    for a row that is in it already (null for a new one). A row's status is decided in this order: unreadable
    (rejected), exact duplicate, rejected by its own values, key duplicate or superseded, rejected because a value that
    must be unique is not, clean. `_changed` is true for new rows, and where the outcome is no longer the stored one.

    All rows that share a copy or a key with a new one have to be there; for those that are there only because they
    share a value that must be unique, the stored copies and keys hold. `_shares` names the unique rules of which all
    rows with a stored row's values are there; of other rules the stored outcome holds. `numbered`: whether a later
    batch will look for these rows by their identity.
    """
    unique = [rule for rule in clean.rules if rule.unique]
    together = gathered(judged).withColumn("_new", F.col("_stored").isNull())
    copies = with_copy_number(together, numbered=numbered)
    candidate = F.col("status").isNull() & (F.col("_copy") == 1) & (F.size("reasons") == 0)
    candidates = copies.withColumn("_candidate", candidate & F.col("identity.key").isNotNull())
    settled = _with_status(with_standing(candidates, clean.keep) if clean.key else without_standing(candidates))
    if unique:
        touched = F.max("_new").over(Window.partitionBy("_gather"))
        settled = settled.withColumn("_touched", touched)
        stored = {name: _stored_before(name, unique) for name in OUTCOME if name != "flags"}
        settled = settled.withColumns(
            {name: F.when(F.col("_touched"), F.col(name)).otherwise(value) for name, value in stored.items()}
        )
        settled = settled.withColumn("_stays", F.col("status") == "clean")
    for rule in unique:
        settled = _with_unique(settled, rule)
    return settled.withColumn("_changed", F.col("_new") | ~outcome().eqNullSafe(F.col("_stored")))


def is_unreadable() -> Column:
    """Whether a row has a reason for which nothing can be said of its line; it is decided before copies are."""
    return F.exists("reasons", lambda name: (name == "torn_line") | name.startswith("unreadable_"))


def outcome() -> Column:
    """What other rows can change of a row."""
    return F.struct(*OUTCOME)


def unsettled(stored: DataFrame, clean: Clean) -> DataFrame:
    """Rows of the published table → what `settle_rows` takes: only what the row's own values gave, and `_stored`."""
    unique = [rule.name for rule in clean.rules if rule.unique]
    names = F.array(*map(F.lit, [*RELATIONAL, *unique])).cast("array<string>")
    own = F.array_except("reasons", names)
    kept = F.array_except("flags", F.array(*map(F.lit, unique)).cast("array<string>"))
    rows = stored.withColumn("_stored", outcome()).withColumns({"reasons": own, "flags": kept})
    return rows.withColumn("status", F.when(is_unreadable(), F.lit("rejected")))


def _stored_before(name: str, unique: list[Rule]) -> Column:
    """Of a stored row the outcome that it had before its unique values were looked at."""
    names = F.array(*(F.lit(rule.name) for rule in unique))
    others = F.array_except("_stored.reasons", names)
    match name:
        case "reasons":
            return others
        case "status":
            return F.when(F.size(others) == 0, F.lit("clean")).otherwise(F.col("_stored.status"))
        case _:
            return F.col(f"_stored.{name}")


def _with_status(rows: DataFrame) -> DataFrame:
    is_copy, unreadable = F.col("_copy") > 1, F.col("status").isNotNull()
    status = F.when(unreadable, "rejected").when(is_copy, "duplicate").when(F.size("reasons") > 0, "rejected")
    caused_by = F.when(is_copy & ~unreadable, F.col("_first_batch"))
    leaves = F.col("_outcome.reason")
    reasons = F.when(is_copy, F.array_append("reasons", F.lit(COPY))).otherwise(F.col("reasons"))
    return rows.withColumns(
        {
            "status": F.coalesce(status, "_outcome.status", F.lit("clean")),
            "reasons": F.when(leaves.isNotNull(), F.array(leaves)).otherwise(reasons),
            "status_batch": F.coalesce(caused_by, "_outcome.batch", "source_batch"),
            "superseded_at": F.col("_outcome.at"),
        }
    )


def _with_unique(rows: DataFrame, rule: Rule) -> DataFrame:
    """Mark every row that stays and shares its values of `rule.unique` with another that stays; one shuffle."""
    values = [F.col(name) for name in rule.unique]
    judged = F.col("_stays")
    for value in values:
        judged = judged & value.isNotNull()
    # Rows that cannot violate the rule are spread by their own hash: nulls would all meet in one partition.
    group = F.when(judged, F.xxhash64(*values)).otherwise(F.col("identity.line_a"))
    rows = rows.withColumns({"_judged": judged, "_group": group})
    same = Window.partitionBy("_group", "_judged", *(F.when(F.col("_judged"), value) for value in values))
    shared = F.col("_judged") & (F.count(F.lit(1)).over(same) > 1)
    stored = F.array_contains(F.concat("_stored.reasons", "_stored.flags"), rule.name)
    known = F.col("_new") | F.array_contains("_shares", rule.name)
    rows = rows.withColumn("_shared", F.when(known, shared).otherwise(stored))
    marked = F.array_append("flags" if rule.action == "flag" else "reasons", F.lit(rule.name))
    if rule.action == "flag":
        return rows.withColumn("flags", F.when(F.col("_shared"), marked).otherwise(F.col("flags")))
    return rows.withColumns(
        {
            "reasons": F.when(F.col("_shared"), marked).otherwise(F.col("reasons")),
            "status": F.when(F.col("_shared"), "rejected").otherwise(F.col("status")),
        }
    )
