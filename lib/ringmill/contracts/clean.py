"""Tables of the stage clean: rows by status, cancellations, quality by batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from ringmill.contracts.table import Column, Table

STATUSES = ("clean", "rejected", "duplicate", "superseded")

CLEAN_ROWS = Table(
    path="clean/rows",
    grain="one row per raw line, whatever became of it",
    partition_by=("status",),
    # What readers restrict: a batch, a window of events, what was known by then.
    ranged=("source_batch", "ordered_at", "known_at"),
    gathered=True,
    columns=(
        Column("line_id", "string", "the source's own id of the line, where it has one", nullable=True),
        Column("order_id", "string", "invoice or order; a cancellation has an id of its own", nullable=True),
        Column("product_id", "string", "stock code, trimmed and in upper case", nullable=True),
        Column("description", "string", "free text of the line", nullable=True),
        Column("quantity", "bigint", "pieces; negative on a cancellation", nullable=True, unit="pieces"),
        Column("unit_price", "double", "price of one piece", nullable=True, unit="currency"),
        Column("line_total", "double", "quantity × unit_price", nullable=True, unit="currency"),
        Column("customer_id", "string", "who bought", nullable=True),
        Column("country", "string", "the customer's country as written", nullable=True),
        Column("ordered_at", "timestamp", "when the line happened", nullable=True, unit="UTC instant"),
        Column(
            "known_at",
            "timestamp",
            "when the line became known; the event time where none is configured",
            nullable=True,
        ),
        Column(
            "superseded_at",
            "timestamp",
            "when a later version of the line became known; null on all but superseded rows",
            nullable=True,
            unit="UTC instant",
        ),
        Column("is_cancellation", "boolean", "the line takes back an earlier one"),
        Column("is_product", "boolean", "false for postage, fees and other codes that are no products"),
        Column(
            "flags",
            "array<string>",
            "names of the flagging rules that the row violates, and of the rules that fixed a value of it",
        ),
        Column("reasons", "array<string>", "all reasons for which the row is not clean; empty on clean rows"),
        Column(
            "raw",
            "map<string,string>",
            "the values as they came, by their names in the file, without missing ones; null on rows whose own values "
            "gave no reason, were not fixed and could be read",
            nullable=True,
        ),
        Column(
            "others",
            "map<string,string>",
            "values of columns that are not mapped, where raw.drift.new is 'add'; else null",
            nullable=True,
        ),
        Column("source_file", "string", "file the row came from, named from the folder that was read"),
        Column("source_batch", "string", "batch the row came in"),
        Column(
            "status_batch",
            "string",
            "batch that decided the status: the row's own, or that of the line that replaced it or of which it is a "
            "copy",
        ),
        Column(
            "identity",
            "struct<line_a:bigint,line_b:bigint,number:int,gather:bigint,key:bigint,written:bigint,complete:int>",
            "hashes by which a later batch finds copies and keys; null where raw.batches is 'whole'",
            nullable=True,
        ),
        Column("status", "string", "clean, rejected, duplicate or superseded", one_of=STATUSES),
    ),
)


def clean_rows_table(extras: Mapping[str, str]) -> Table:
    """`CLEAN_ROWS` with the columns of raw.extras behind its own; `extras` holds the type of each."""
    more = (Column(name, kind, "extra column of the configuration", nullable=True) for name, kind in extras.items())
    return replace(CLEAN_ROWS, columns=(*CLEAN_ROWS.columns, *more))


CLEAN_CANCELLATIONS = Table(
    path="clean/cancellations",
    gathered=True,
    grain="one row per link from a cancellation line to an order line, and one per cancellation line for pieces "
    "that no earlier order of the customer and product accounts for",
    columns=(
        Column("customer_id", "string", "who bought and cancelled"),
        Column("product_id", "string", "what was bought and cancelled"),
        Column("cancellation_id", "string", "order_id of the cancellation line"),
        Column("cancelled_at", "timestamp", "when the cancellation happened", unit="UTC instant"),
        Column("order_id", "string", "the order that the pieces were bought in; null: none is known", nullable=True),
        Column("ordered_at", "timestamp", "when the pieces were ordered", nullable=True, unit="UTC instant"),
        Column("order_price", "double", "unit_price of the order line", nullable=True, unit="currency"),
        Column(
            "pieces",
            "bigint",
            "pieces of the order line that the cancellation takes back; above 0",
            unit="pieces",
            least=1,
        ),
        Column(
            "known_at",
            "timestamp",
            "when both lines, and that the pieces are free, were known: the link is seen as of a cutoff where it and "
            "cancelled_at lie before, and superseded_at does not; without an order, when the cancellation was known",
            unit="UTC instant",
        ),
        Column(
            "superseded_at",
            "timestamp",
            "when a later version of one of the two lines became known, which ended the link; null while it stands",
            nullable=True,
            unit="UTC instant",
        ),
    ),
)

# Where rows have them: what was bought in one store, or in one currency, is not given back in another.
TOLD_APART = (
    Column("store_id", "string", "the store of both lines; null where they name none", nullable=True),
    Column("currency", "string", "of order_price, and of both lines; null where they name none", nullable=True),
)


def cancellations_table(columns: Collection[str]) -> Table:
    """clean/cancellations of rows with these columns: with `store_id` and `currency` where rows have them."""
    more = (column for column in TOLD_APART if column.name in columns)
    return replace(CLEAN_CANCELLATIONS, columns=(*CLEAN_CANCELLATIONS.columns, *more))


QUALITY_RUNS = Table(
    path="quality/runs",
    grain="one row per source batch and column of clean/rows; the lines that could be parsed, whatever their status",
    columns=(
        Column("source_batch", "string", "batch whose lines are profiled"),
        Column("middle_known_at", "timestamp", "median of the batch's known_at: the order of batches", nullable=True),
        Column("name", "string", "the column"),
        Column(
            "kind",
            "string",
            "text (measured by its length), whole, number, instant or truth (0 and 1)",
            one_of=("text", "whole", "number", "instant", "truth"),
        ),
        Column("rows", "bigint", "lines of the batch that could be parsed", unit="rows", least=0),
        Column("count", "bigint", "of them those with a value", unit="rows", least=0),
        Column("missing", "bigint", "of them those without one, or with one that cannot be read", unit="rows", least=0),
        Column("distinct", "bigint", "distinct values, estimated", least=0),
        Column("distinct_error", "double", "relative standard error of the estimate", least=0),
        Column("minimum", "double", "lowest value", nullable=True, unit="by kind; instants in µs since 1970"),
        Column("maximum", "double", "highest value", nullable=True, unit="by kind"),
        Column("mean", "double", "mean; null for texts and instants", nullable=True, unit="by kind"),
        Column(
            "deviation", "double", "population standard deviation, as the mean", nullable=True, unit="by kind", least=0
        ),
        Column(
            "quantiles", "array<double>", "at 1, 5, 25, 50, 75, 95 and 99 % of count", nullable=True, unit="by kind"
        ),
        Column("rank_error", "double", "by how much a quantile's rank may be wrong, with confidence 99 %", least=0),
        Column("edges", "array<double>", "of equal bins from the first quantile to the last", nullable=True),
        Column("shares", "array<double>", "of count in each bin; the outer ones hold what lies beyond", nullable=True),
        Column(
            "top", "array<struct<value:string,rows:bigint>>", "most frequent values, most frequent first", nullable=True
        ),
        Column("top_error", "bigint", "rows by which a frequent value's count may be too high", nullable=True, least=0),
        Column("m2", "double", "mergeable state: sum of squared deviations from the mean", nullable=True, least=0),
        Column("distinct_state", "binary", "mergeable state: HLL sketch"),
        Column("quantile_state", "binary", "mergeable state: KLL sketch of doubles"),
        Column("top_state", "binary", "mergeable state: frequent-items sketch", nullable=True),
    ),
)

QUALITY_RULES = Table(
    path="quality/rules",
    grain="one row per source batch and status, rule, or reason or flag of Ringmill's own",
    columns=(
        Column("source_batch", "string", "batch whose lines are counted"),
        Column("kind", "string", "status, rule, reason or flag", one_of=("status", "rule", "reason", "flag")),
        Column("name", "string", "of the status, rule, reason or flag"),
        Column("action", "string", "reject, fix or flag; null for a status", nullable=True),
        Column("tried", "bigint", "lines that were looked at", unit="rows", least=0),
        Column("failed", "bigint", "of them those with the name", unit="rows", least=0),
        Column("fixed", "bigint", "of them those whose value was replaced", unit="rows", least=0),
        Column("share", "double", "failed ÷ tried; 0 where nothing was tried", least=0, most=1),
        Column(
            "examples",
            "array<struct<source_file:string,shown:string>>",
            "up to three lines, those with the lowest hashes: file and values as they came; personal ones masked",
        ),
    ),
)
