"""Stage features: clean/rows → features/<name>, one row per (customer, train cutoff), encoded with frozen state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import CLEAN_ROWS, Column, Table, features_columns
from ringmill.errors import InputError, LawError
from ringmill.pipeline.cutoffs import check_cutoff, no_customers
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.windows import horizon

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

SPLITS = ("train", "validation", "test")
# What entries may read beside the measures: known at the cutoff, unlike labels, and no name of a row.
FURTHER = ("country", "cutoff", "last_seen_at")
FOLD = Column("fold", "int", "which out-of-fold table encodes the train row; null in other splits", nullable=True)


def table_of(config: Config, measures: Sequence[str]) -> Table:
    """The contract of features/<name> under this configuration."""
    folds = (FOLD,) if config.features.has_folds else ()
    return Table(
        path=f"features/{config.features.name}",
        grain="one row per (customer, cutoff) with a sales line before the cutoff",
        columns=(*features_columns(tuple(measures)), *folds),
        partition_by=("split", *(column.name for column in folds)),
    )


def _configuration(config: Config) -> Mapping[str, Any]:
    return {"features": dump(config.features), "zone": config.zone, "seed": config.seed}


def _inputs(run: Run) -> Mapping[str, Any]:
    return {CLEAN_ROWS.path: run.ledger.resolve("clean").outputs[CLEAN_ROWS.path]}


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from pyspark.sql import functions as F

    from ringmill.features.apply import encoder
    from ringmill.features.default import default_set
    from ringmill.features.events import measure_names, summarise_measures, with_row_id
    from ringmill.features.fit import fit
    from ringmill.features.splits import split_of, with_fold

    section, zone = run.config.features, run.config.zone
    for cutoff in section.train_cutoffs:
        end = horizon(cutoff, section.horizon_days, zone).end
        check_cutoff(run, cutoff, key="features.train_cutoffs", horizon_end=end)
    measures = measure_names(section.windows_days)
    table = table_of(run.config, measures)
    rows = run.lake.read(run.spark, CLEAN_ROWS.path, inputs[CLEAN_ROWS.path])
    step.say(f"measures at {', '.join(map(str, section.train_cutoffs))}")
    customers = (
        rows.transform(
            summarise_measures,
            section.train_cutoffs,
            windows_days=section.windows_days,
            horizon_days=section.horizon_days,
            zone=zone,
        )
        .transform(with_row_id)
        .withColumn("split", split_of(F.col("customer_id"), section.shares, seed=run.config.seed))
    )
    if section.has_folds:
        customers = customers.transform(with_fold, section.folds, seed=run.config.seed)
    customers = customers.persist()
    law_2 = _law_2(run, customers)
    step.say("fitting on the train split")
    entries = section.set or default_set(measures, top_countries=section.top_countries)
    state = fit(customers.where("split = 'train'"), entries, columns=(*measures, *FURTHER), zone=zone)
    encode = encoder(state, fold=FOLD.name if section.has_folds else None)
    version = run.lake.write(customers.mapInArrow(encode, with_x(customers)), table, run_id=run.run_id)
    customers.unpersist()
    counts = _counts(run, table, version)
    return Result(
        outputs={table.path: version},
        counts=counts,
        summary=f"{sum(counts.values()):,} rows × {len(state.names)} features, {counts['train']:,} to train on",
        laws={"law 2": law_2},
        detail={"state": state.to_json(), "state_hash": state.hash, "names": state.names, "measures": measures},
    )


def with_x(customers: DataFrame) -> StructType:
    """The schema of encoded rows: theirs, and x."""
    from pyspark.sql.types import ArrayType, FloatType, StructField, StructType

    x = StructField("x", ArrayType(FloatType(), containsNull=False), nullable=False)
    return StructType([*customers.schema.fields, x])


def _law_2(run: Run, customers: DataFrame) -> dict[str, Any]:
    """Group split: no customer in two splits; and every instant seen, or labelled, lies in its window (two actions)."""
    from pyspark.sql import functions as F

    per_customer = customers.groupBy("customer_id").agg(F.count_distinct("split").alias("splits"))
    shared = per_customer.where("splits > 1").count()
    if shared:
        raise LawError.broken("Law 2", "features", "no customer in two splits", f"{shared} customers")
    proof: dict[str, Any] = {"kind": "group", "customers_in_two_splits": shared}
    found = customers.groupBy("cutoff").agg(
        F.max("last_seen_at").alias("seen"),
        F.min("first_label_at").alias("first_label"),
        F.max("last_label_at").alias("last_label"),
    )
    section, zone = run.config.features, run.config.zone
    windows = {cutoff: horizon(cutoff, section.horizon_days, zone) for cutoff in section.train_cutoffs}
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
        raise no_customers(run, min(missing), key="features.train_cutoffs")
    return proof


def _utc(instant: Any) -> Any:
    """Spark hands timestamps to Python as naive local times of this process; make them aware again."""
    return instant.astimezone(UTC)


def _counts(run: Run, table: Table, version: int) -> dict[str, int]:
    splits = run.lake.read_arrow(table.path, version, ["split"])["split"].to_pylist()
    counts = {split: splits.count(split) for split in SPLITS}
    if empty := [split for split, rows in counts.items() if rows == 0]:
        raise InputError.empty_split(table.path, empty, len(splits))
    return counts


FEATURES = Stage("features", ("ringmill.pipeline.features",), _configuration, _inputs, _body)
