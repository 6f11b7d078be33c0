"""Raw lines → the rows of `clean/rows`: the order in which law 1 decides a row's status stands here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.clean.duplicates import REASONS, STATUS, with_copy_number, with_key_rank
from ringmill.clean.fixes import fixing, with_fixes
from ringmill.clean.parse import NEEDED, named, trimmed, typed
from ringmill.clean.personal import with_protected
from ringmill.clean.references import with_references
from ringmill.clean.rules import check_conditions, is_product, violated, with_cancellation
from ringmill.clean.statistics import with_statistics
from ringmill.config.columns import check_columns
from ringmill.config.models import Clean, Raw
from ringmill.contracts import CLEAN_ROWS
from ringmill.errors import InputError

ADDED = ("source_file", "_torn", "_repaired")


def clean_rows(
    raw_lines: DataFrame,
    *,
    raw: Raw,
    clean: Clean,
    zone: str,
    batch: str,
    fitted: Mapping[str, Any] | None = None,
    tables: Mapping[str, DataFrame] | None = None,
    key_fingerprint: str | None = None,
) -> DataFrame:
    """One raw line → one row of `contracts.CLEAN_ROWS` with the columns of raw.extras behind its own; no line is added
    and none is lost (law 1).

    `raw_lines` holds the source's columns as strings, `source_file`, `_torn` (the text of a line that could not be
    parsed) and, optionally, `_repaired`. A row's status is decided in this order: unreadable (rejected), exact
    duplicate, rejected by rules, key duplicate or superseded, clean. `fitted` holds what `statistics.fitted_of` gave
    for the rules that need a statistic, `tables` by referential rule the table that it refers to, as texts;
    `key_fingerprint` tells workers which key personal hashes are made with.

    Raises:
        InputError: a column of raw.columns is not there.
        ConfigError: a rule cannot be used; the message names it.
    """
    cells, texts = _cells_and_texts(raw_lines, raw)
    key_values = typed(texts, raw=raw, zone=zone)
    key = {f"_key_{name}": _comparable(name, key_values[name]) for name in clean.key}
    gathered = with_copy_number(_unnamed(raw_lines, cells), [*cells.values(), "_torn"], key=key)
    values = _with_values(gathered, texts, raw, zone)
    check_columns(raw, clean)
    fixed = with_fixes(with_statistics(values, clean.rules, fitted or {}), clean.rules)
    derived = {"line_total": F.col("quantity") * F.col("unit_price"), "is_product": is_product(clean)}
    referred = with_references(fixed.withColumns(derived), clean.rules, tables or {})
    rows = with_cancellation(referred, clean)
    check_conditions(rows, clean)
    judged = _with_reasons(rows, raw, clean)
    written = [cells[raw.columns[name]] for name in clean.key]
    ranked = with_key_rank(judged, key=list(key), as_written=written, keep=clean.keep)
    decided = _with_status(ranked, clean, batch)
    keeps_raw = _keeps_raw(clean)
    protected = with_protected(
        decided, raw=raw, clean=clean, cells=cells, zone=zone, keeps_raw=keeps_raw, fingerprint=key_fingerprint
    )
    shown = protected.withColumn("raw", F.when(keeps_raw, _raw_map(cells)))
    return shown.select(*CLEAN_ROWS.names, *raw.extras)


def read_values(raw_lines: DataFrame, *, raw: Raw, zone: str) -> DataFrame:
    """The same lines with the typed columns that `clean_rows` begins with, before any fix: what statistics are fitted
    on.

    Raises:
        InputError: a column of raw.columns is not there.
    """
    cells, texts = _cells_and_texts(raw_lines, raw)
    return _with_values(_unnamed(raw_lines, cells), texts, raw, zone)


def _cells_and_texts(raw_lines: DataFrame, raw: Raw) -> tuple[dict[str, str], dict[str, Column]]:
    """The source's columns → our names for their cells; our columns → their trimmed texts."""
    if missing := set(raw.mapped.values()) - set(raw_lines.columns):
        raise InputError.missing_columns("raw lines", missing, raw_lines.columns)
    names = [name for name in raw_lines.columns if name not in ADDED]
    cells = {name: f"_cell{index}" for index, name in enumerate(names)}
    return cells, {ours: trimmed(F.col(cells[theirs])) for ours, theirs in raw.mapped.items()}


def _unnamed(raw_lines: DataFrame, cells: dict[str, str]) -> DataFrame:
    """The source's columns under names of our own: theirs may be ours too, or differ from ours only by case.

    The cells of a torn line may belong to other columns, so only its whole text is kept.
    """
    whole = F.col("_torn").isNull()
    repaired = F.col("_repaired") if "_repaired" in raw_lines.columns else F.lit(False)
    return raw_lines.select(
        *(F.when(whole, F.col(f"`{name.replace('`', '``')}`")).alias(cell) for name, cell in cells.items()),
        "source_file",
        "_torn",
        repaired.alias("_repaired"),
    )


def _comparable(name: str, value: Column) -> Column:
    """A key's value without the differences that no one means: case, and white space within it."""
    is_text = name not in ("quantity", "unit_price", "ordered_at", "known_at")
    return F.upper(F.regexp_replace(value, r"\s+", " ")) if is_text else value


def _with_values(lines: DataFrame, texts: Mapping[str, Column], raw: Raw, zone: str) -> DataFrame:
    """Add the typed columns, and for each that a row needs whether its text cannot be read."""
    # Staged as columns: written into each expression that uses it, a text would be trimmed up to six times a row.
    staged: dict[str, Column] = {name: F.col(f"_text_{name}") for name in texts}
    rows = lines.withColumns({f"_text_{name}": text for name, text in texts.items()})
    rows = rows.withColumns(typed(staged, raw=raw, zone=zone))
    unread = {
        f"_unreadable_{name}": staged[name].isNotNull() & F.col(name).isNull() if name in staged else F.lit(False)
        for name in (*NEEDED, *raw.extras)
    }
    rows = rows.withColumns(unread)
    return rows if "known_at" in texts else rows.withColumn("known_at", F.col("ordered_at"))


def _with_reasons(rows: DataFrame, raw: Raw, clean: Clean) -> DataFrame:
    """Add `_unreadable`, `_reasons`, `flags` and `_candidate`: clean so far, with a key."""
    torn = F.col("_torn").isNotNull()
    unread = {name: F.col(f"_unreadable_{name}") for name in (*NEEDED, *raw.extras)}
    tolerated = {name for name, extra in raw.extras.items() if extra.unreadable == "flag"}
    unreadable = {"torn_line": torn} | {f"unreadable_{name}": unread[name] for name in unread if name not in tolerated}
    lacking = {f"missing_{name}": F.col(name).isNull() & ~F.col(f"_unreadable_{name}") for name in NEEDED}
    if "known_at" not in raw.columns:
        del lacking["missing_known_at"]
    rejecting = lacking | {rule.name: violated(rule) for rule in clean.rules if rule.action == "reject"}
    flagging = {
        rule.name: F.col(f"_fixed_{rule.name}") if rule.action == "fix" else violated(rule)
        for rule in clean.rules
        if rule.action != "reject"
    }
    own = {f"unreadable_{name}": unread[name] for name in unread if name in tolerated} | _own_flags(clean)
    rows = rows.withColumns(
        {
            "_unreadable": named(unreadable),
            # Nothing can be said of the values of a line that could not be parsed.
            "_broken": named({name: ~torn & broken for name, broken in rejecting.items()}),
            "flags": named({name: ~torn & broken for name, broken in (flagging | own).items()}),
        }
    )
    keyed = [F.col(f"_key_{name}").isNotNull() for name in clean.key]
    candidate = (F.col("_copy") == 1) & (F.size("_unreadable") == 0) & (F.size("_broken") == 0)
    for known in keyed:
        candidate = candidate & known
    return rows.withColumn("_candidate", candidate)


def _own_flags(clean: Clean) -> dict[str, Column]:
    flags = {"non_product": ~F.col("is_product"), "repaired_encoding": F.col("_repaired")}
    if clean.late_after_days is not None:
        delay = F.unix_micros("known_at") - F.unix_micros("ordered_at")
        late = delay > int(clean.late_after_days * 86_400_000_000)
        flags["late_arrival"] = F.coalesce(late, F.lit(False))
    return flags


def _with_status(ranked: DataFrame, clean: Clean, batch: str) -> DataFrame:
    """Decide the status, in law 1's order, with its reasons, its batch and when a later version became known."""
    by_key, by_similar_key = REASONS[clean.keep]
    outcomes = [
        (F.size("_unreadable") > 0, "rejected", F.concat("_unreadable", "_broken")),
        (F.col("_copy") > 1, "duplicate", F.array(F.lit("exact_duplicate"))),
        (F.size("_broken") > 0, "rejected", F.col("_broken")),
        (
            F.coalesce(F.col("_rank") > 1, F.lit(False)),
            STATUS[clean.keep],
            F.array(F.when(F.col("_similar"), F.lit(by_similar_key)).otherwise(F.lit(by_key))),
        ),
    ]
    status, reasons = F.lit("clean"), F.array().cast("array<string>")
    for holds, name, why in reversed(outcomes):
        status = F.when(holds, F.lit(name)).otherwise(status)
        reasons = F.when(holds, why).otherwise(reasons)
    decided = ranked.withColumns({"status": status, "reasons": reasons, "source_batch": F.lit(batch)})
    return decided.withColumn("superseded_at", F.when(F.col("status") == "superseded", F.col("_superseded_at")))


def _keeps_raw(clean: Clean) -> Column:
    """True on rows of which `raw` is kept: those that are not clean, and those of which a value was fixed."""
    kept = F.col("status") != "clean"
    for rule in fixing(clean.rules):
        kept = kept | F.col(f"_fixed_{rule.name}")
    return kept


def _raw_map(cells: dict[str, str]) -> Column:
    """The values as they came, by their names in the file; the whole text under `_torn` for a torn line."""
    pairs = [part for name, cell in cells.items() for part in (F.lit(name), F.col(cell))]
    torn = F.create_map(F.lit("_torn"), F.col("_torn"))
    return F.when(F.col("_torn").isNotNull(), torn).otherwise(F.create_map(*pairs))
