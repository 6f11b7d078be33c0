"""Snapshots of rfm/customers beside the measures of the same cutoffs, for features and for scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from ringmill.contracts import CLEAN_ROWS, RFM_CUSTOMERS
from ringmill.errors import ConfigError, InputError
from ringmill.errors.runs import saw_other_lines
from ringmill.pipeline.lines import check_money
from ringmill.pipeline.stage import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def snapshot_inputs(run: Run) -> Mapping[str, Any]:
    """The last published rfm/customers as an input of a stage; nothing where no column of it is asked for."""
    path = RFM_CUSTOMERS.path
    return {path: run.ledger.resolve("rfm").outputs[path]} if run.config.features.snapshots else {}


def with_snapshots(run: Run, customers: DataFrame, inputs: Mapping[str, Any], cutoffs: Sequence[date]) -> DataFrame:
    """Rows per (customer, cutoff) → the same rows with `features.snapshots`, doubles, null where rfm/customers is null.

    All these columns are measured as of the cutoff; nothing in them was fitted on later customers.

    Raises:
        ConfigError: the last run of rfm made no snapshot as of one of the cutoffs.
        InputError: it saw other lines, another currency or other rates; or was run by an earlier release.
    """
    from pyspark.sql import functions as F

    wanted, path = run.config.features.snapshots, CLEAN_ROWS.path
    if not wanted:
        return customers
    last = run.ledger.resolve("rfm")
    # A table that was laid out anew has the same rows.
    now, seen = (run.ledger.as_written({path: one[path]})[path] for one in (inputs, last.inputs))
    if now != seen:
        raise saw_other_lines("rfm", path, now, seen)
    check_money(run, last)
    if "cutoffs" not in last.detail:
        raise InputError.not_published("rfm", f"{run.lake.path(RFM_CUSTOMERS.path)}, by this release")
    made = set(last.detail["cutoffs"])
    if lacking := [str(cutoff) for cutoff in cutoffs if str(cutoff) not in made]:
        expected = f"with features.snapshots, a snapshot as of {', '.join(lacking)}"
        raise ConfigError.bad_value("rfm", "rfm.cutoffs", expected, ", ".join(sorted(made)))
    rows = run.lake.read(run.spark, RFM_CUSTOMERS.path, inputs[RFM_CUSTOMERS.path])
    values = (F.col(name).cast("double").alias(name) for name in wanted)
    return customers.join(rows.select("customer_id", "cutoff", *values), ["customer_id", "cutoff"], "left")
