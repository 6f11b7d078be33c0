"""Law 2 for the rows of features/<name>: the declared kind of split, proved from the rows, as the ledger keeps it."""

from __future__ import annotations

from datetime import UTC
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ringmill.config.models import Features
from ringmill.config.sequences import Sequences
from ringmill.errors import LawError
from ringmill.pipeline.cutoffs import no_customers
from ringmill.pipeline.stage import Run
from ringmill.windows import horizon, midnight

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

SPLITS = ("train", "validation", "test")


def prove_split(run: Run, customers: DataFrame) -> dict[str, Any]:
    """The proof for the declared kind of split, and that every instant seen, or labelled, lies in its window.

    Three actions. Rows whose customer and cutoff are of different splits (kind both) have no split.
    """
    from pyspark.sql import functions as F

    section = run.config.features
    kind = section.split.kind
    per_customer = customers.groupBy("customer_id").agg(F.count_distinct("split").alias("splits"))
    shared = per_customer.where("splits > 1").count()
    if shared and kind != "time":
        raise LawError.broken("Law 2", "features", "no customer in two splits", f"{shared} customers")
    proof: dict[str, Any] = {"kind": kind, "customers_in_two_splits": shared}
    if kind == "both":
        proof["rows_left_out"] = customers.where("split IS NULL").count()
    proof |= _windows_hold(run, customers, section)
    if kind != "group":
        proof["instants"] = _splits_follow(run, customers)
    return proof


def prove_times(run: Run, customers: DataFrame, section: Sequences) -> dict[str, Any]:
    """The proof of a split by time, of rows with customer_id, cutoff, split, last_seen_at, first_label_at and
    last_label_at. Two actions.

    Raises:
        LawError: an instant lies outside of its window, or in a later split's time.
        InputError: no row is of one of the cutoffs.
    """
    proof = {"kind": "time"} | _windows_hold(run, customers, section)
    return proof | {"instants": _splits_follow(run, customers)}


def prove_contents(written: DataFrame, *, by: str, where: str) -> dict[str, Any]:
    """That no content of a table of examples, by the column `by`, is in two splits, under whatever names.

    Raises:
        LawError: one is.
    """
    from pyspark.sql import functions as F

    per_content = written.groupBy(by).agg(F.count_distinct("split").alias("splits"))
    shared = per_content.where("splits > 1").count()
    if shared:
        raise LawError.broken("Law 2", where, "no content in two splits", f"{shared:,} contents")
    return {"kind": "group", "contents_in_two_splits": shared}


def _windows_hold(run: Run, customers: DataFrame, section: Features | Sequences) -> dict[str, Any]:
    """By cutoff the latest event seen and the labels' range, all in their windows."""
    from pyspark.sql import functions as F

    proof, zone = {}, run.config.zone
    found = customers.groupBy("cutoff").agg(
        F.max("last_seen_at").alias("seen"),
        F.min("first_label_at").alias("first_label"),
        F.max("last_label_at").alias("last_label"),
    )
    windows = {cutoff: horizon(cutoff, section.horizon_days, zone) for cutoff in section.cutoffs}
    for row in found.collect():
        window = windows[row["cutoff"]]
        labels = [_utc(row[name]) for name in ("first_label", "last_label") if row[name] is not None]
        if _utc(row["seen"]) >= window.start or not all(label in window for label in labels):
            raise LawError.broken("Law 2", "features", f"events before {window.start}, labels in {window}", str(row))
        proof[str(row["cutoff"])] = {
            "latest_event": str(_utc(row["seen"])),
            "labels": " to ".join(str(label) for label in labels) or "none",
        }
    if missing := {cutoff for cutoff in windows if str(cutoff) not in proof}:
        key = next(key for key in SPLITS if min(missing) in section.cutoffs_by_split.get(key, ()))
        raise no_customers(run, min(missing), key=section.key_of(key))
    return proof


def _splits_follow(run: Run, customers: DataFrame) -> dict[str, Any]:
    """By split its first cutoff and the last instant that its rows see or are labelled with: each before the next's."""
    from pyspark.sql import functions as F

    last = F.max(F.greatest("last_seen_at", "last_label_at"))
    placed = customers.where("split IS NOT NULL")
    found = placed.groupBy("split").agg(F.min("cutoff").alias("cutoff"), last.alias("last"))
    spans = {row["split"]: (midnight(row["cutoff"], run.config.zone), _utc(row["last"])) for row in found.collect()}
    for earlier, later in pairwise(split for split in SPLITS if split in spans):
        if spans[earlier][1] >= spans[later][0]:
            expected = f"every instant of {earlier} before {later}'s first cutoff, {spans[later][0]}"
            raise LawError.broken("Law 2", "features", expected, str(spans[earlier][1]))
    return {split: {"first_cutoff": str(first), "last_instant": str(last)} for split, (first, last) in spans.items()}


def _utc(instant: Any) -> Any:
    """Spark hands timestamps to Python as naive local times of this process; make them aware again."""
    return instant.astimezone(UTC)
