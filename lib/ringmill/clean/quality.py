"""Rows → what a person asks for first, by batch: how many came, what became of them and why, and what they hold.

All of it is one aggregate over the written rows. Rules are counted by the combinations of marks that rows carry: few
rows carry any, and a combination is one value, so fifty rules cost what one does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from ringmill.clean.profile import STATES, kinds_of, profile_states, with_measures, with_metrics
from ringmill.columns import is_customer_line, is_sale
from ringmill.errors import LawError

# Spark counts up to so many combinations exactly; more than these no table has.
MOST_COMBINATIONS = 1_000_000
RANGES = ("first_event_at", "last_event_at", "last_known_at")


@dataclass(frozen=True)
class Quality:
    """What one batch's rows say: rows by status, by reason and by flag, its columns, and the range of its lines.

    `together` are the rows that have reasons, by all that each has; `torn` rows could not be parsed; `columns` are the
    fields of `profile.STATES` and `profile.with_metrics` of the others. `sales` and the UTC instants are of clean lines
    of known customers, None where there is none.
    """

    batch: str
    rows: int
    torn: int
    statuses: Mapping[str, int]
    together: Mapping[frozenset[str], int]
    flags: Mapping[str, int]
    sales: int
    first_event_at: str | None
    last_event_at: str | None
    last_known_at: str | None
    columns: Sequence[Mapping[str, Any]]

    @property
    def reasons(self) -> Mapping[str, int]:
        """Rows by each of their reasons, most first."""
        counts = Counter[str]()
        for each, rows in self.together.items():
            counts.update(dict.fromkeys(each, rows))
        return _ordered(counts)

    @property
    def unreadable(self) -> int:
        """Rows that could not be parsed, or hold a value that cannot be read."""
        return sum(rows for each, rows in self.together.items() if any(map(_says_unreadable, each)))


def summarise_quality(rows: DataFrame, *, personal: Collection[str] = ()) -> DataFrame:
    """Rows of `clean/rows` → one row per batch and column that it profiles; one aggregate, one shuffle of its states.

    Columns out: of the column those of `profile.with_metrics`; of its batch, the same on each row: source_batch,
    all_rows, torn, marked (rows that are not clean, or flagged), combinations (of status, reasons and flags; on the
    first row alone), sales, first_event_at, last_event_at and last_known_at. `quality_of` reads them.
    """
    kinds = kinds_of(rows.schema)
    marked = (F.col("status") != "clean") | (F.size("flags") > 0)
    marks = F.concat_ws("|", "status", F.concat_ws(" ", "reasons"), F.concat_ws(" ", "flags"))
    staged = with_measures(rows, kinds).withColumns(
        {
            "_torn": F.array_contains("reasons", "torn_line"),
            "_marks": F.when(marked, marks),
            "_is_sale": is_customer_line() & is_sale(),
            "_ordered_at": F.when(is_customer_line(), F.col("ordered_at")),
            "_known_at": F.when(is_customer_line(), F.col("known_at")),
        }
    )
    every, torn, limit = F.count(F.lit(1)), F.count_if("_torn"), F.lit(MOST_COMBINATIONS)
    ranges = {
        "first_event_at": F.min("_ordered_at"),
        "last_event_at": F.max("_ordered_at"),
        "last_known_at": F.max("_known_at"),
    }
    whole = staged.groupBy("source_batch").agg(
        every.alias("all_rows"),
        torn.alias("torn"),
        F.count("_marks").alias("marked"),
        F.call_function("approx_top_k", F.col("_marks"), limit, limit).alias("combinations"),
        F.count_if("_is_sale").alias("sales"),
        *(value.alias(name) for name, value in ranges.items()),
        profile_states(kinds, every - torn, personal=personal).alias("profile"),
    )
    texts = [F.col(name).cast("timestamp_ntz").cast("string").alias(name) for name in ranges]
    each = whole.select("source_batch", "all_rows", "torn", "marked", "combinations", "sales", *texts, _numbered())
    first = F.when(F.col("_place") == 0, F.col("combinations")).alias("combinations")
    kept = ("source_batch", "all_rows", "torn", "marked", "sales", *ranges)
    return with_metrics(each.select(*kept, first, *(F.col(f"_of.{name}").alias(name) for name in STATES)))


def summarise_marks(rows: DataFrame) -> DataFrame:
    """Rows of `clean/rows` → one row per batch and combination of status, reasons and flags; few columns are read.

    Columns out: source_batch, status, reasons, flags, rows, sales, first_event_at, last_event_at, last_known_at.
    `recounted` reads them.
    """
    ordered, known = (F.when(is_customer_line(), F.col(name)) for name in ("ordered_at", "known_at"))
    ranges = {"first_event_at": F.min(ordered), "last_event_at": F.max(ordered), "last_known_at": F.max(known)}
    return rows.groupBy("source_batch", "status", "reasons", "flags").agg(
        F.count(F.lit(1)).alias("rows"),
        F.count_if(is_customer_line() & is_sale()).alias("sales"),
        *(value.cast("timestamp_ntz").cast("string").alias(name) for name, value in ranges.items()),
    )


def recounted(found: Iterable[Row]) -> list[Quality]:
    """Collected rows of `summarise_marks` → one `Quality` per batch, by name, without columns."""
    batches: dict[str, list[Row]] = {}
    for row in found:
        batches.setdefault(row["source_batch"], []).append(row)
    return [_recounted(batch, rows) for batch, rows in sorted(batches.items())]


def _recounted(batch: str, found: Sequence[Row]) -> Quality:
    statuses, flags, together = Counter[str](), Counter[str](), Counter[frozenset[str]]()
    for row in found:
        statuses[row["status"]] += row["rows"]
        together[frozenset(row["reasons"])] += row["rows"]
        flags.update(dict.fromkeys(row["flags"], row["rows"]))
    ranges = {name: [row[name] for row in found if row[name]] for name in RANGES}
    return Quality(
        batch=batch,
        rows=sum(statuses.values()),
        torn=sum(rows for each, rows in together.items() if "torn_line" in each),
        statuses=_ordered(statuses),
        together={each: rows for each, rows in together.items() if each},
        flags=_ordered(flags),
        sales=sum(row["sales"] for row in found),
        first_event_at=min(ranges["first_event_at"], default=None),
        last_event_at=max(ranges["last_event_at"], default=None),
        last_known_at=max(ranges["last_known_at"], default=None),
        columns=(),
    )


def _says_unreadable(reason: str) -> bool:
    return reason == "torn_line" or reason.startswith("unreadable_")


def quality_of(found: Iterable[Row]) -> list[Quality]:
    """Collected rows of `summarise_quality` → one `Quality` per batch, by name.

    Raises:
        LawError: marks were not counted exactly.
    """
    batches: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        batches.setdefault(row["source_batch"], []).append(row.asDict(recursive=True))
    return [_quality(batch, columns) for batch, columns in sorted(batches.items())]


def _numbered() -> Any:
    return F.posexplode("profile").alias("_place", "_of")


def _quality(batch: str, columns: list[dict[str, Any]]) -> Quality:
    first = columns[0]
    combined = next(of["combinations"] for of in columns if of["combinations"] is not None)
    counts = {each["item"]: each["count"] for each in combined if each["item"] is not None}
    if sum(counts.values()) != first["marked"]:
        raise LawError.broken(
            "Law 1 (nothing is lost)",
            f"marks of batch {batch}",
            f"{first['marked']:,} rows with a mark",
            f"{sum(counts.values()):,} in {len(counts):,} combinations",
        )
    statuses, flags, together = Counter[str](), Counter[str](), Counter[frozenset[str]]()
    statuses["clean"] += first["all_rows"] - first["marked"]
    for combination, rows in counts.items():
        status, why, marks = combination.split("|")
        statuses[status] += rows
        together[frozenset(why.split())] += rows
        flags.update(dict.fromkeys(marks.split(), rows))
    return Quality(
        batch=batch,
        rows=first["all_rows"],
        torn=first["torn"],
        statuses=_ordered(statuses),
        together={each: rows for each, rows in together.items() if each},
        flags=_ordered(flags),
        sales=first["sales"],
        first_event_at=first["first_event_at"],
        last_event_at=first["last_event_at"],
        last_known_at=first["last_known_at"],
        columns=sorted(columns, key=lambda of: str(of["name"])),
    )


def _ordered(counts: Counter[str]) -> dict[str, int]:
    """Most first, then by name: in no order that partitions decide."""
    return {name: rows for name, rows in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if rows}
