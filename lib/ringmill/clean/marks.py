"""Marks of a batch → one row per status, rule, reason and flag: tried, failed and fixed, with examples.

Rules are tried on all lines that could be parsed, copies too; copies are looked for among all lines. Keys are compared,
and then values that must be unique, among the lines that have no reason of an earlier step.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from ringmill.clean.quality import Quality
from ringmill.config.clean import Clean
from ringmill.config.raw import Raw
from ringmill.contracts import STATUSES

EXAMPLES = 3
MASK = "•••"
# Ringmill's own reasons and flags that are of no single column → the columns that show why.
_OWN = {
    "non_product": ("product_id",),
    "repaired_encoding": ("description",),
    "late_arrival": ("ordered_at", "known_at"),
    "torn_line": ("_torn",),
}
# Decided after the rules of a line's own values, and before those that compare values of several lines.
_BY_KEY = ("key_duplicate", "similar_key_duplicate", "superseded_by_key", "superseded_by_similar_key")


def summarise_examples(rows: DataFrame, *, raw: Raw, columns: Collection[str]) -> DataFrame:
    """Marked rows of `clean/rows` → up to three per batch and mark: those with the lowest hashes of file and values.

    Columns out: source_batch; name; examples, an array of structs with source_file, `_torn` and the texts of `columns`
    as they came, or as they are where the raw values are not kept.
    """
    marked = rows.where((F.col("status") != "clean") | (F.size("flags") > 0))
    shown = F.struct(
        "source_file",
        F.col("raw")["_torn"].alias("_torn"),
        *(_as_it_came(name, raw).alias(name) for name in columns),
    )
    each = marked.select("source_batch", F.explode(F.concat("reasons", "flags")).alias("name"), shown.alias("shown"))
    ordered = each.withColumn("_hash", F.struct(F.xxhash64("shown"), "shown"))
    return ordered.groupBy("source_batch", "name").agg(F.min_by("shown", "_hash", EXAMPLES).alias("examples"))


def columns_shown(clean: Clean, names: Iterable[str], known: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """By mark the columns of `known` that show why a row has it."""
    rules = {rule.name: rule for rule in clean.rules}
    found = {}
    for name in names:
        rule = rules.get(name)
        if rule is not None:
            words = re.findall(r"\w+", rule.violated_when or "")
            wanted: Sequence[str] = [*rule.group, str(rule.column)] if rule.column else words
        elif name in _BY_KEY or name == "exact_duplicate":
            wanted = clean.key or ("order_id", "product_id", "quantity", "ordered_at")
        else:
            wanted = _OWN.get(name, (re.sub("^(missing|unreadable)_", "", name),))
        kept = tuple(dict.fromkeys(column for column in wanted if column in known or column == "_torn"))
        found[name] = kept or tuple(known[:3])
    return found


def mark_rows(
    quality: Quality, examples: Iterable[Row], *, clean: Clean, known: Sequence[str], personal: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Rows of `quality/rules` for one batch; statuses first, then rules in their order, then Ringmill's own marks."""
    counted = {**quality.reasons, **quality.flags}
    rules = {rule.name: rule.action for rule in clean.rules}
    own = sorted(set(counted) - set(rules))
    columns = columns_shown(clean, [*rules, *own], known)
    texts = {row["name"]: _texts(row["examples"], columns[row["name"]], personal) for row in examples}
    rows = [_row(quality, "status", name, None, quality.rows, quality.statuses.get(name, 0), []) for name in STATUSES]
    rows.append(_row(quality, "status", "unreadable", None, quality.rows, quality.unreadable, []))
    for name in [*rules, *own]:
        kind = "rule" if name in rules else "reason" if name in quality.reasons else "flag"
        action = rules.get(name) or {"reason": "reject"}.get(kind, "flag")
        tried = _tried(quality, name, clean)
        rows.append(_row(quality, kind, name, action, tried, counted.get(name, 0), texts.get(name, [])))
    return rows


def _row(
    quality: Quality, kind: str, name: str, action: str | None, tried: int, failed: int, examples: list[dict[str, str]]
) -> dict[str, Any]:
    return {
        "source_batch": quality.batch,
        "kind": kind,
        "name": name,
        "action": action,
        "tried": tried,
        "failed": failed,
        "fixed": failed if action == "fix" else 0,
        "share": failed / tried if tried else 0.0,
        "examples": examples,
    }


def _tried(quality: Quality, name: str, clean: Clean) -> int:
    if name in ("torn_line", "exact_duplicate"):
        return quality.rows
    unique = {rule.name for rule in clean.rules if rule.unique}
    if name in _BY_KEY or name in unique:
        since = unique if name in unique else unique | set(_BY_KEY)
        return quality.rows - sum(rows for reasons, rows in quality.together.items() if not reasons <= since)
    return quality.rows - quality.torn


def _as_it_came(name: str, raw: Raw) -> Column:
    typed = F.col(f"`{name}`").cast("string")
    theirs = raw.mapped.get(name)
    # A value that was missing and then filled in shows as missing: the raw cell counts wherever it is kept.
    return typed if theirs is None else F.when(F.col("raw").isNotNull(), F.col("raw")[theirs]).otherwise(typed)


def _texts(examples: Iterable[Any], columns: Sequence[str], personal: Collection[str]) -> list[dict[str, str]]:
    found = []
    for example in examples:
        parts = []
        for name in columns:
            # A line that could not be parsed may hold any column's value.
            masked = name in personal or (name == "_torn" and personal)
            value = example[name]
            parts.append(f"{name.lstrip('_')}: {'missing' if value is None else MASK if masked else value}")
        found.append({"source_file": example["source_file"], "shown": ", ".join(parts)})
    return found
