"""Stage rfm: clean/rows → rfm/customers, one row per customer as of the cutoff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import CLEAN_CANCELLATIONS, CLEAN_ROWS, RFM_CUSTOMERS
from ringmill.errors import LawError
from ringmill.pipeline.cutoffs import check_cutoff, default_cutoff, no_customers
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.windows import midnight

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def _configuration(config: Config) -> Mapping[str, Any]:
    return {"rfm": dump(config.rfm), "zone": config.zone}


def _inputs(run: Run) -> Mapping[str, Any]:
    outputs = run.ledger.resolve("clean").outputs
    # Cancellations are linked to orders where the clean stage published such links.
    return {path: outputs[path] for path in (CLEAN_ROWS.path, CLEAN_CANCELLATIONS.path) if path in outputs}


def _links(run: Run, inputs: Mapping[str, Any]) -> DataFrame | None:
    path = CLEAN_CANCELLATIONS.path
    return run.lake.read(run.spark, path, inputs[path]) if path in inputs else None


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from ringmill.rfm.customers import summarise_customers
    from ringmill.rfm.scores import check_cover, fit_thresholds, with_scores, with_segment

    section = run.config.rfm
    check_cover(section.segments)
    cutoff = section.cutoff or default_cutoff(run)
    check_cutoff(run, cutoff, key="rfm.cutoff")
    rows = run.lake.read(run.spark, CLEAN_ROWS.path, inputs[CLEAN_ROWS.path])
    step.say(f"customers as of {cutoff}")
    customers = rows.transform(
        summarise_customers,
        [cutoff],
        zone=run.config.zone,
        period=section.period,
        free_orders=section.free_orders,
        links=_links(run, inputs),
    ).persist()
    thresholds = fit_thresholds(customers)
    named = customers.transform(with_scores, thresholds).transform(with_segment, section.segments)
    version = run.lake.write(named, RFM_CUSTOMERS, run_id=run.run_id)
    customers.unpersist()
    written = run.lake.read_arrow(RFM_CUSTOMERS.path, version, ["customer_id", "last_ordered_at", "spend_total"])
    if not written.num_rows:
        raise no_customers(run, cutoff, key="rfm.cutoff")
    law_2 = _law_2(written["last_ordered_at"].to_pylist(), cutoff, run.config.zone)
    return Result(
        outputs={RFM_CUSTOMERS.path: version},
        counts={"customers": written.num_rows},
        summary=f"{written.num_rows:,} customers as of {cutoff}",
        laws={"law 2": law_2},
        detail={"cutoff": str(cutoff), "thresholds": asdict(thresholds)},
    )


def _law_2(last_seen: list[Any], cutoff: date, zone: str) -> dict[str, str]:
    """The latest event that any customer's row saw lies before the cutoff's midnight, or nothing is published."""
    latest, instant = max(last_seen), midnight(cutoff, zone)
    if latest >= instant:
        raise LawError.broken("Law 2", RFM_CUSTOMERS.path, f"events before {instant}", str(latest))
    return {"latest_event": str(latest), "cutoff_instant": str(instant)}


RFM = Stage("rfm", ("ringmill.pipeline.rfm",), _configuration, _inputs, _body)
