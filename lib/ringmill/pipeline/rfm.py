"""Stage rfm: clean/rows → rfm/customers, one row per customer as of each cutoff, rfm/lifetime and rfm/cohorts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import CLEAN_CANCELLATIONS, CLEAN_ROWS, RFM_COHORTS, RFM_CUSTOMERS, Table, rfm_lifetime
from ringmill.errors import LawError
from ringmill.pipeline.cutoffs import key_of_cutoff, no_customers, rfm_cutoffs, snapshot_cutoffs
from ringmill.pipeline.lines import line_configuration, line_inputs, order_links, priced_lines
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.windows import midnight

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def _configuration(config: Config) -> Mapping[str, Any]:
    asked = [str(cutoff) for cutoff in snapshot_cutoffs(config)]
    more = {"snapshot_cutoffs": asked} if asked else {}
    return {"rfm": dump(config.rfm), "seed": config.seed, **line_configuration(config), **more}


def _inputs(run: Run) -> Mapping[str, Any]:
    path, outputs = CLEAN_CANCELLATIONS.path, run.ledger.resolve("clean").outputs
    # Cancellations are linked to orders where the clean stage published such links.
    return {**line_inputs(run), **({path: outputs[path]} if path in outputs else {})}


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from pyspark.sql import functions as F

    from ringmill.lifetime.fit import fit_models
    from ringmill.rfm.clusters import fit_state, with_cluster
    from ringmill.rfm.cohorts import summarise_cohorts
    from ringmill.rfm.customers import summarise_history
    from ringmill.rfm.lifetime import summarise_lifetime
    from ringmill.rfm.orders import latest_by_cutoff, seen_as_of, summarise_orders, summarise_versions, with_cutoffs
    from ringmill.rfm.scores import check_cover, thresholds_of, with_scores, with_segment

    section, zone = run.config.rfm, run.config.zone
    check_cover(section.segments)
    current, cutoffs = rfm_cutoffs(run)
    rows, path = priced_lines(run, inputs[CLEAN_ROWS.path]), CLEAN_CANCELLATIONS.path
    links = order_links(run, inputs[path], rows) if path in inputs else None
    with_links = links is not None
    step.say(f"customers as of {', '.join(map(str, cutoffs))}")
    versions = summarise_versions(rows, cutoffs, zone=zone, free_orders=section.free_orders, links=links).persist()
    orders = summarise_orders(versions, cutoffs, with_links=with_links)
    customers = summarise_history(orders, cutoffs, zone=zone, period=section.period, with_links=with_links).persist()
    shown = customers.where(F.col("cutoff") == F.lit(current))
    step.say("scores and clusters")
    measured = _measured(run, inputs)
    # What was fitted is of use as long as its numbers mean the same.
    last = run.ledger.published("rfm")
    kept = last.detail if last is not None and last.detail.get("measured") == measured else {}
    thresholds = thresholds_of(shown, section.scores, kept.get("thresholds"))
    clusters = fit_state(shown, section.clusters, seed=run.config.seed, last=kept.get("clusters"))
    scored = customers.transform(with_scores, thresholds).transform(with_segment, section.segments)
    version = _replace(run, scored.transform(with_cluster, clusters), RFM_CUSTOMERS, cutoffs)
    step.say("lifetime value")
    models = fit_models(shown, section.lifetime.least_repeat_customers)
    foreseen = summarise_lifetime(shown, models, section.lifetime, section.period)
    lifetime = rfm_lifetime(section.lifetime.horizons_days)
    lifetime_version = _replace(run, foreseen, lifetime, [current])
    standing = summarise_orders(seen_as_of(versions, cutoffs, current), [current], with_links=with_links)
    cohorts = summarise_cohorts(with_cutoffs(standing, [current]), zone=zone)
    cohorts_version = _replace(run, cohorts, RFM_COHORTS, [current])
    latest = latest_by_cutoff(versions, cutoffs)
    customers.unpersist()
    versions.unpersist()
    snapshots, law_2 = _snapshots(run, version, latest, current, cutoffs)
    return Result(
        outputs={RFM_CUSTOMERS.path: version, lifetime.path: lifetime_version, RFM_COHORTS.path: cohorts_version},
        counts={"customers": snapshots[current], "snapshots": len(cutoffs)},
        summary=_summary(current, cutoffs, snapshots),
        laws={"law 2": law_2},
        detail={
            "cutoff": str(current),
            "cutoffs": [str(cutoff) for cutoff in cutoffs],
            "snapshots": {str(cutoff): count for cutoff, count in snapshots.items()},
            "measured": measured,
            "thresholds": thresholds.to_json(),
            "clusters": clusters.to_json() if clusters else None,
            "lifetime": models.to_json(),
        },
    )


def _measured(run: Run, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the numbers of customers mean: whether they are net of links, which lines make an order, which currency."""
    section = run.config.rfm
    return {
        "net": CLEAN_CANCELLATIONS.path in inputs,
        "free_orders": section.free_orders,
        "currency": section.currency.into if section.currency else None,
    }


def _replace(run: Run, frame: DataFrame, table: Table, cutoffs: Sequence[date]) -> int:
    """Replace these cutoffs' rows of a table and keep the others that were published."""
    last = run.ledger.published("rfm")
    where = "cutoff IN (" + ", ".join(f"DATE '{cutoff}'" for cutoff in cutoffs) + ")"
    onto = last.outputs.get(table.path) if last else None
    return run.lake.replace(frame, table, where=where, onto=onto, run_id=run.run_id)


def _snapshots(
    run: Run, version: int, latest: Mapping[date, str], current: date, cutoffs: Sequence[date]
) -> tuple[dict[date, int], dict[str, Any]]:
    """Customers of every snapshot in the table, and of these cutoffs the latest event that any customer's row saw, and
    the `latest` instant at which anything that it saw happened or became known.

    Raises:
        InputError: a cutoff sees no customer.
        LawError: a cutoff saw what happened or became known at or after its midnight (law 2); nothing is published.
    """
    from pyspark.sql import functions as F

    written = run.lake.read(run.spark, RFM_CUSTOMERS.path, version)
    last_event = F.max("last_ordered_at").cast("timestamp_ntz").cast("string")
    found = {row[0]: row for row in written.groupBy("cutoff").agg(F.count("*"), last_event).collect()}
    proof: dict[str, Any] = {}
    for cutoff in cutoffs:
        if cutoff not in found:
            raise no_customers(run, cutoff, key=key_of_cutoff(run.config, cutoff, current))
        instant, event, known = midnight(cutoff, run.config.zone), found[cutoff][2], latest[cutoff]
        seen = [datetime.fromisoformat(f"{at}+00:00") for at in (event, known)]
        if max(seen) >= instant:
            raise LawError.broken("Law 2", RFM_CUSTOMERS.path, f"what was known before {instant}", str(max(seen)))
        proof[str(cutoff)] = {
            "latest_event": str(seen[0]),
            "latest_known": str(seen[1]),
            "cutoff_instant": str(instant),
        }
    return {cutoff: found[cutoff][1] for cutoff in sorted(found)}, proof


def _summary(current: date, cutoffs: Sequence[date], snapshots: Mapping[date, int]) -> str:
    more = f", and {len(cutoffs) - 1} further snapshots" if len(cutoffs) > 1 else ""
    return f"{snapshots[current]:,} customers as of {current}{more}"


RFM = Stage("rfm", ("ringmill.pipeline.rfm",), _configuration, _inputs, _body)
