"""Every table as data: column, type, unit, nullability and meaning. Types are Spark DDL names; no JVM needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Column:
    """One column: its Spark DDL type, whether it may be null, and what a value means."""

    name: str
    type: str
    meaning: str
    nullable: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """A table's path under the warehouse, its grain in words, its columns, and how its files are laid out.

    `rows_per_group` are those of a Parquet row group, where Spark's 128 MB do not suit who reads.
    """

    path: str
    grain: str
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...] = ()
    rows_per_group: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


STATUSES = ("clean", "rejected", "duplicate", "superseded")

CLEAN_ROWS = Table(
    path="clean/rows",
    grain="one row per raw line, whatever became of it",
    partition_by=("status",),
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
            "gave no reason and were not fixed",
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
        Column("status", "string", "clean, rejected, duplicate or superseded"),
    ),
)


def clean_rows_table(extras: Mapping[str, str]) -> Table:
    """`CLEAN_ROWS` with the columns of raw.extras behind its own; `extras` holds the type of each."""
    more = (Column(name, kind, "extra column of the configuration", nullable=True) for name, kind in extras.items())
    return replace(CLEAN_ROWS, columns=(*CLEAN_ROWS.columns, *more))


CLEAN_CANCELLATIONS = Table(
    path="clean/cancellations",
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
        Column("pieces", "bigint", "pieces of the order line that the cancellation takes back; above 0", unit="pieces"),
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

QUALITY_RUNS = Table(
    path="quality/runs",
    grain="one row per source batch and column of clean/rows; the lines that could be parsed, whatever their status",
    columns=(
        Column("source_batch", "string", "batch whose lines are profiled"),
        Column("middle_known_at", "timestamp", "median of the batch's known_at: the order of batches", nullable=True),
        Column("name", "string", "the column"),
        Column("kind", "string", "text (measured by its length), whole, number, instant or truth (0 and 1)"),
        Column("rows", "bigint", "lines of the batch that could be parsed", unit="rows"),
        Column("count", "bigint", "of them those with a value", unit="rows"),
        Column("missing", "bigint", "of them those without one, or with one that cannot be read", unit="rows"),
        Column("distinct", "bigint", "distinct values, estimated"),
        Column("distinct_error", "double", "relative standard error of the estimate"),
        Column("minimum", "double", "lowest value", nullable=True, unit="by kind; instants in µs since 1970"),
        Column("maximum", "double", "highest value", nullable=True, unit="by kind"),
        Column("mean", "double", "mean; null for texts and instants", nullable=True, unit="by kind"),
        Column("deviation", "double", "population standard deviation, as the mean", nullable=True, unit="by kind"),
        Column(
            "quantiles", "array<double>", "at 1, 5, 25, 50, 75, 95 and 99 % of count", nullable=True, unit="by kind"
        ),
        Column("rank_error", "double", "by how much a quantile's rank may be wrong, with confidence 99 %"),
        Column("edges", "array<double>", "of equal bins from the first quantile to the last", nullable=True),
        Column("shares", "array<double>", "of count in each bin; the outer ones hold what lies beyond", nullable=True),
        Column(
            "top", "array<struct<value:string,rows:bigint>>", "most frequent values, most frequent first", nullable=True
        ),
        Column("top_error", "bigint", "rows by which a frequent value's count may be too high", nullable=True),
        Column("m2", "double", "mergeable state: sum of squared deviations from the mean", nullable=True),
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
        Column("kind", "string", "status, rule, reason or flag"),
        Column("name", "string", "of the status, rule, reason or flag"),
        Column("action", "string", "reject, fix or flag; null for a status", nullable=True),
        Column("tried", "bigint", "lines that were looked at; copies keep no reasons of rules", unit="rows"),
        Column("failed", "bigint", "of them those with the name", unit="rows"),
        Column("fixed", "bigint", "of them those whose value was replaced", unit="rows"),
        Column("share", "double", "failed ÷ tried; 0 where nothing was tried"),
        Column(
            "examples",
            "array<struct<source_file:string,shown:string>>",
            "up to three lines, those with the lowest hashes: file and values as they came; personal ones masked",
        ),
    ),
)

RFM_CUSTOMERS = Table(
    path="rfm/customers",
    grain="one row per cutoff and customer with at least one sales line that the cutoff sees; cutoffs of earlier runs "
    "stay",
    partition_by=("cutoff",),
    columns=(
        Column("customer_id", "string", "who bought"),
        Column("cutoff", "date", "exclusive: events at or after its local midnight are not seen"),
        Column("first_ordered_at", "timestamp", "first sales line", unit="UTC instant"),
        Column("last_ordered_at", "timestamp", "last sales line", unit="UTC instant"),
        Column(
            "days_since_last_order", "int", "local calendar days from the last order's day to the cutoff", unit="days"
        ),
        Column("tenure_days", "int", "local calendar days from the first order's day to the cutoff", unit="days"),
        Column("order_count", "bigint", "distinct orders with a sales line", unit="orders"),
        Column("repeat_order_count", "bigint", "order_count − 1", unit="orders"),
        Column("spend_total", "double", "sum of line_total over sales lines", unit="currency"),
        Column("spend_mean", "double", "spend_total ÷ order_count", unit="currency per order"),
        Column("cancelled_total", "double", "sum of |line_total| over cancellation lines", unit="currency"),
        Column(
            "order_count_net",
            "bigint",
            "orders of which not all pieces had been taken back; null where clean links no cancellations",
            nullable=True,
            unit="orders",
        ),
        Column(
            "days_since_last_order_net",
            "int",
            "local calendar days from the last such order's day to the cutoff; null where there is none, or no links",
            nullable=True,
            unit="days",
        ),
        Column(
            "spend_net",
            "double",
            "spend less the pieces taken back; without links spend_total − cancelled_total, at least 0",
            unit="currency",
        ),
        Column(
            "gap_days_mean",
            "double",
            "mean calendar days between successive days with an order that stands; null below two such days",
            nullable=True,
            unit="days",
        ),
        Column(
            "gap_days_std", "double", "standard deviation of these gaps (÷ their number)", nullable=True, unit="days"
        ),
        Column("gap_days_last", "int", "the last of these gaps", nullable=True, unit="days"),
        Column("period", "string", "day, week or month: the unit of the literature's columns, which follow"),
        Column(
            "repeat_period_count",
            "int",
            "periods with an order that stands, after the first (lifetimes' frequency); null where no order stands",
            nullable=True,
            unit="periods",
        ),
        Column(
            "recency_age_periods",
            "int",
            "from the first period with an order that stands to the last (lifetimes' recency)",
            nullable=True,
            unit="periods",
        ),
        Column(
            "age_periods",
            "int",
            "from the first period to that of the day before the cutoff (lifetimes' T)",
            nullable=True,
            unit="periods",
        ),
        Column(
            "repeat_value_mean",
            "double",
            "mean value of the periods after the first (lifetimes' monetary_value); null where there is none",
            nullable=True,
            unit="currency per period",
        ),
        Column("country", "string", "country of the customer's last sales line", nullable=True),
        Column("r_score", "int", "1–5; 5 is the most recent fifth; ties share a score; 1 where no order stands"),
        Column("f_score", "int", "1–5; 5 is the fifth with most orders; ties share a score"),
        Column("m_score", "int", "1–5; 5 is the fifth with the highest spend_net; ties share a score"),
        Column("segment", "string", "name of the one segment rule that matches the three scores"),
        Column(
            "cluster",
            "string",
            "name of the nearest k-means centre; null where no order stands, or too few customers to fit",
            nullable=True,
        ),
    ),
)
RFM_COHORTS = Table(
    path="rfm/cohorts",
    grain="one row per cutoff, month of the first purchase and month after it with a purchase",
    partition_by=("cutoff",),
    columns=(
        Column("cutoff", "date", "exclusive"),
        Column("cohort", "date", "first day of the local month of the first order that stands"),
        Column("cohort_customers", "bigint", "customers who first bought in that month", unit="customers"),
        Column("months_since", "int", "calendar months from the cohort's; 0 is the first", unit="months"),
        Column("customers", "bigint", "of them those with an order in that month", unit="customers"),
        Column("orders", "bigint", "their orders that stand", unit="orders"),
        Column("revenue", "double", "value of these orders", unit="currency"),
    ),
)


def rfm_lifetime(horizons_days: tuple[int, ...]) -> Table:
    """rfm/lifetime for these horizons."""
    return Table(
        path="rfm/lifetime",
        grain="one row per cutoff and customer of rfm/customers of whom an order stands, where models were fitted",
        partition_by=("cutoff",),
        columns=(
            Column("customer_id", "string", "who bought"),
            Column("cutoff", "date", "exclusive; the models were fitted on what it sees"),
            Column("alive_probability", "double", "BG/NBD: not dropped out by the cutoff; 1 without a repeat purchase"),
            *(
                Column(
                    f"expected_purchases_{days}d",
                    "double",
                    f"BG/NBD: periods with an order in the {days} days after the cutoff",
                    unit="purchases",
                )
                for days in horizons_days
            ),
            Column(
                "expected_value",
                "double",
                "Gamma-Gamma: value of a purchase; null where too few values were known to fit it",
                nullable=True,
                unit="currency per purchase",
            ),
            Column(
                "lifetime_value",
                "double",
                "expected purchases × expected_value, by month ahead, discounted to the cutoff",
                nullable=True,
                unit="currency",
            ),
        ),
    )


SCORES = Table(
    path="scores/customers",
    grain="one row per customer with at least one sales line before the score cutoff",
    columns=(
        Column("customer_id", "string", "who may buy"),
        Column("cutoff", "date", "exclusive"),
        Column("buy_probability", "double", "chance of a sales line within the horizon after the cutoff"),
        Column("expected_spend", "double", "P(buy) × E[spend | buy] within the horizon", unit="currency"),
        Column("model_run", "string", "run id of the model that scored"),
    ),
)


def features_columns(measures: tuple[str, ...]) -> tuple[Column, ...]:
    """Columns of features/<name>: keys, the materialised measures, the encoded vector and the labels."""
    return (
        Column("row_id", "bigint", "stable id of (customer, cutoff): the permutation's and the seeds' key"),
        Column("customer_id", "string", "who bought"),
        Column("cutoff", "date", "exclusive"),
        *(
            # A gap needs two days with orders.
            Column(name, "double", "materialised measure as of the cutoff", nullable=name.startswith("gap_days_"))
            for name in measures
        ),
        Column("country", "string", "country of the last sales line", nullable=True),
        Column("x", "array<float>", "encoded features, in the frozen state's order"),
        Column("label_buy", "double", "1 if a sales line falls into [cutoff, cutoff + horizon), else 0"),
        Column("label_spend", "double", "sum of sales lines within the horizon", unit="currency"),
        Column("split", "string", "train, validation or test, by features.split"),
    )


LEDGER_RUNS = Table(
    path="ledger/runs",
    grain="one row per stage and run",
    columns=(
        Column("run_id", "string", "the run that the stage belonged to"),
        Column("pipeline", "string", "name of the pipeline"),
        Column("stage", "string", "name of the stage"),
        Column("outcome", "string", "published, unchanged or failed"),
        Column("key", "string", "hash of inputs, configuration and code"),
        Column("code", "string", "hash of the modules that the stage imports, and of the lock file"),
        Column("configuration", "string", "resolved sections, JSON"),
        Column("inputs", "string", "input tables' versions or files' hashes, JSON"),
        Column("outputs", "string", "output tables' versions, JSON"),
        Column("counts", "string", "rows, JSON"),
        Column("laws", "string", "laws checked, with their figures, JSON"),
        Column("detail", "string", "what later stages and the report need: frozen state, metrics, JSON"),
        Column("started_at", "timestamp", "wall clock", unit="UTC instant"),
        Column("seconds", "double", "from the stage's start to its last table commit", unit="seconds"),
        Column("peak_bytes", "bigint", "highest proportional memory of all processes of the run so far", unit="bytes"),
        Column("host", "string", "where the driver ran"),
        Column("user", "string", "who ran it"),
        Column("ringmill", "string", "version of the package"),
    ),
)
