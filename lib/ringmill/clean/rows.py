"""Raw lines → the rows of `clean/rows`: what a row's own values say stands here, what other rows say in `settle`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.clean.fixes import fixing, with_fixes
from ringmill.clean.identity import identity
from ringmill.clean.parse import named, trimmed, typed
from ringmill.clean.personal import keyed_hash, with_protected
from ringmill.clean.references import with_references
from ringmill.clean.rules import check_conditions, is_product, violated, with_cancellation
from ringmill.clean.settle import STORED, settle_rows
from ringmill.clean.statistics import with_statistics
from ringmill.config.clean import Clean
from ringmill.config.columns import check_columns
from ringmill.config.raw import Raw
from ringmill.config.rules import NEEDED
from ringmill.contracts import CLEAN_ROWS
from ringmill.errors import InputError

ADDED = ("source_file", "_torn", "_repaired")
MOST_PARTITIONS = 1_000_000  # of a fence; more than any input has, so that none are put together
# Together they make a loop of some 8,000 bytes.
CONDITIONS_AT_ONCE = 16
TEXTS_BY_NAME = "map<string,string>"


def clean_rows(
    raw_lines: DataFrame,
    *,
    raw: Raw,
    clean: Clean,
    zone: str,
    batch: str | None,
    fitted: Mapping[str, Any] | None = None,
    tables: Mapping[str, DataFrame] | None = None,
    key_fingerprint: str | None = None,
) -> DataFrame:
    """One raw line → one row of `contracts.CLEAN_ROWS` with the columns of raw.extras behind its own; no line is added
    and none is lost (law 1).

    The arguments are those of `judge_lines`; how the status is decided, `settle_rows` says.
    """
    judged = judge_lines(
        raw_lines,
        raw=raw,
        clean=clean,
        zone=zone,
        batch=batch,
        fitted=fitted,
        tables=tables,
        key_fingerprint=key_fingerprint,
    )
    rows = settle_rows(judged, clean, numbered=raw.batches == "files")
    if raw.batches == "whole":
        # No later batch will be compared with these.
        rows = rows.withColumn("identity", F.lit(None).cast(rows.schema["identity"].dataType))
    return rows.select(*CLEAN_ROWS.names, *raw.extras)


def judge_lines(
    raw_lines: DataFrame,
    *,
    raw: Raw,
    clean: Clean,
    zone: str,
    batch: str | None,
    fitted: Mapping[str, Any] | None = None,
    tables: Mapping[str, DataFrame] | None = None,
    key_fingerprint: str | None = None,
) -> DataFrame:
    """One raw line → one row with the reasons and flags that its own values give: what `settle_rows` takes.

    `raw_lines` holds the source's columns as strings, `source_file`, `_torn` (the text of a line that could not be
    parsed) and, optionally, `_repaired`. `batch` is the name of the batch, or None where each file is one. `fitted`
    holds what `statistics.fitted_of` gave for the rules that need a statistic, `tables` by referential rule the table
    that it refers to, as texts; `key_fingerprint` tells workers which key personal hashes are made with.

    Raises:
        InputError: a column of raw.columns is not there.
        ConfigError: a rule cannot be used; the message names it.
    """
    cells, texts = _cells_and_texts(raw_lines, raw)
    check_columns(raw, clean)
    hashed = keyed_hash(clean.personal_key, key_fingerprint)
    lines = _with_identity(fenced(_unnamed(raw_lines, cells)), cells, texts, raw, clean, zone, hashed)
    values = fenced(_with_values(lines, texts, raw, zone))
    fixed = with_fixes(with_statistics(values, clean.rules, fitted or {}), clean.rules)
    derived = {"line_total": F.col("quantity") * F.col("unit_price"), "is_product": is_product(clean)}
    referred = with_references(fixed.withColumns(derived), clean.rules, tables or {})
    rows = with_cancellation(referred, clean)
    check_conditions(rows, clean)
    judged = fenced(_with_reasons(rows, raw, clean))
    keeps_raw = _keeps_raw(raw, clean)
    protected = with_protected(
        judged, raw=raw, clean=clean, cells=cells, zone=zone, keeps_raw=keeps_raw, fingerprint=key_fingerprint
    )
    return _shaped(protected, cells, raw, clean, batch)


def fenced(rows: DataFrame) -> DataFrame:
    """The same rows, in as many partitions; what comes before and what comes behind are compiled apart.

    Spark makes one loop of all that it can, and Java's compilers give up on a long one: of 20,000 bytes it stays
    interpreted for minutes or for good, and 5 million lines take three times as long. A row that passes a fence is
    copied, which costs a hundredth of the cleaning.
    """
    return rows.coalesce(MOST_PARTITIONS)


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


def _with_identity(
    lines: DataFrame,
    cells: Mapping[str, str],
    texts: Mapping[str, Column],
    raw: Raw,
    clean: Clean,
    zone: str,
    hashed: Callable[[Column], Column],
) -> DataFrame:
    """Add `identity`. Where it is kept in the table, a hash that gives personal values away to who tries them all is
    made of their keyed hashes."""
    personal = {each.column for each in clean.personal} if raw.batches == "files" else set[str]()
    hidden = {raw.mapped[name] for name in personal}
    values = typed(texts, raw=raw, zone=zone)
    compared = {name: _comparable(name, values[name]) for name in clean.key}
    all_cells = {name: F.col(cell) for name, cell in cells.items()}
    shown = {name: hashed(cell) if name in hidden else cell for name, cell in all_cells.items()}
    torn = hashed(F.col("_torn")) if personal else F.col("_torn")
    compared_by = identity(
        shown | {"_torn": torn},
        key={name: hashed(value) if name in personal else value for name, value in compared.items()},
        written={name: shown[raw.columns[name]] for name in clean.key},
    )
    return lines.withColumn("identity", compared_by)


def _with_reasons(rows: DataFrame, raw: Raw, clean: Clean) -> DataFrame:
    """Add `reasons`, `flags`, and `status`: 'rejected' for a line that could not be read, else null."""
    torn = F.col("_torn").isNotNull()
    unread = {name: F.col(f"_unreadable_{name}") for name in (*NEEDED, *raw.extras)}
    tolerated = _tolerated(raw)
    unreadable = {"torn_line": torn} | {f"unreadable_{name}": unread[name] for name in unread if name not in tolerated}
    lacking = {f"missing_{name}": F.col(name).isNull() & ~F.col(f"_unreadable_{name}") for name in NEEDED}
    if "known_at" not in raw.columns:
        del lacking["missing_known_at"]
    rules = [rule for rule in clean.rules if not rule.unique]
    rejecting = lacking | {rule.name: violated(rule) for rule in rules if rule.action == "reject"}
    flagging = {
        rule.name: F.col(f"_fixed_{rule.name}") if rule.action == "fix" else violated(rule)
        for rule in rules
        if rule.action != "reject"
    }
    own = {f"unreadable_{name}": unread[name] for name in unread if name in tolerated} | _own_flags(clean)
    # Nothing can be said of the values of a line that could not be parsed.
    reasons = unreadable | {name: ~torn & broken for name, broken in rejecting.items()}
    refused = reduce(lambda one, other: one | other, unreadable.values())
    flags = {name: ~torn & broken for name, broken in (flagging | own).items()}
    rows = _with_names(_with_names(rows, "reasons", reasons), "flags", flags)
    return rows.withColumn("status", F.when(refused, F.lit("rejected")))


def _with_names(rows: DataFrame, column: str, conditions: Mapping[str, Column]) -> DataFrame:
    """Add the names of the conditions that are true, as an array in their order."""
    names = list(conditions)
    parts = [
        {name: conditions[name] for name in names[start : start + CONDITIONS_AT_ONCE]}
        for start in range(0, len(names), CONDITIONS_AT_ONCE)
    ]
    if len(parts) < 2:
        return rows.withColumn(column, named(conditions))
    for place, part in enumerate(parts):
        rows = fenced(rows.withColumn(f"_{column}_{place}", named(part)))
    return rows.withColumn(column, F.concat(*(f"_{column}_{place}" for place in range(len(parts)))))


def _tolerated(raw: Raw) -> tuple[str, ...]:
    """The extras of which a value that cannot be read is flagged, not refused."""
    return tuple(name for name, extra in raw.extras.items() if extra.unreadable == "flag")


def _own_flags(clean: Clean) -> dict[str, Column]:
    flags = {"non_product": ~F.col("is_product"), "repaired_encoding": F.col("_repaired")}
    if clean.late_after_days is not None:
        delay = F.unix_micros("known_at") - F.unix_micros("ordered_at")
        late = delay > int(clean.late_after_days * 86_400_000_000)
        flags["late_arrival"] = F.coalesce(late, F.lit(False))
    return flags


def _shaped(rows: DataFrame, cells: Mapping[str, str], raw: Raw, clean: Clean, batch: str | None) -> DataFrame:
    """The contract's columns, before other rows are looked at."""
    mapped = set(raw.mapped.values())
    unmapped = {name: cell for name, cell in cells.items() if name not in mapped}
    nothing = F.lit(None)
    added = {
        "source_batch": F.col("source_file") if batch is None else F.lit(batch),
        "status_batch": nothing.cast("string"),
        "superseded_at": nothing.cast("timestamp"),
        "raw": F.when(_keeps_raw(raw, clean), _raw_map(cells)),
        "others": _texts_by_name(unmapped) if raw.drift.new == "add" else nothing.cast(TEXTS_BY_NAME),
        "_stored": nothing.cast(STORED),
        "_shares": nothing.cast("array<string>"),
    }
    return rows.withColumns(added).select(*CLEAN_ROWS.names, *raw.extras, "_stored", "_shares")


def _keeps_raw(raw: Raw, clean: Clean) -> Column:
    """True where the row's own values give a reason, were fixed, or are null because they could not be read: that does
    not depend on other rows."""
    kept = F.size("reasons") > 0
    for name in _tolerated(raw):
        kept = kept | F.col(f"_unreadable_{name}")
    for rule in fixing(clean.rules):
        kept = kept | F.col(f"_fixed_{rule.name}")
    return kept


def _raw_map(cells: Mapping[str, str]) -> Column:
    """The values as they came, by their names in the file; the whole text under `_torn` for a torn line."""
    torn = F.create_map(F.lit("_torn"), F.col("_torn"))
    return F.when(F.col("_torn").isNotNull(), torn).otherwise(_texts_by_name(cells))


def _texts_by_name(cells: Mapping[str, str]) -> Column:
    """The cells that are not null: which others there are depends on the files that are read together."""
    nothing = F.create_map().cast(TEXTS_BY_NAME)
    each = (
        F.when(F.col(cell).isNull(), nothing).otherwise(F.create_map(F.lit(name), F.col(cell)))
        for name, cell in cells.items()
    )
    return F.map_concat(nothing, *each)
