"""Stage clean: raw input → clean/rows, every line with one status; law 1 counted from the written table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import CLEAN_ROWS
from ringmill.errors import InputError
from ringmill.lake.files import Entry, batch_of, find_source, fingerprint
from ringmill.pipeline.generate import planted_list
from ringmill.pipeline.progress import Step
from ringmill.pipeline.stage import Result, Run, Stage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def _configuration(config: Config) -> Mapping[str, Any]:
    # Where the input lies is no part of the key: what it holds is, by its hashes.
    raw = {name: value for name, value in dump(config.raw).items() if name != "path"}
    return {"raw": raw, "clean": dump(config.clean), "zone": config.zone}


def _inputs(run: Run) -> Mapping[str, Any]:
    return {"raw": [asdict(entry) for entry in fingerprint(find_source(run.config.raw))]}


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from ringmill.clean.law import check_nothing_lost, with_line_count
    from ringmill.clean.quality import summarise_quality
    from ringmill.clean.rows import clean_rows
    from ringmill.lake.raw import read_raw

    config = run.config
    source = find_source(config.raw)
    batch = batch_of(config.raw, tuple(Entry(**entry) for entry in inputs["raw"]))
    step.say(f"reading {len(source.files) or 1} {source.format} input(s) of batch {batch}")
    lines, seen = with_line_count(read_raw(run.spark, source))
    rows = clean_rows(lines, raw=config.raw, clean=config.clean, zone=config.zone, batch=batch)
    version = run.lake.write(rows, CLEAN_ROWS, run_id=run.run_id)
    step.say("counting what was written")
    written = run.lake.read(run.spark, CLEAN_ROWS.path, version)
    quality = [row.asDict() for row in summarise_quality(written).collect()]
    statuses = _totals(quality, "status")
    counts = check_nothing_lost(seen.get["lines"], statuses, where=f"{CLEAN_ROWS.path} version {version}")
    reasons, flags = _totals(quality, "reason"), _totals(quality, "flag")
    first, last = _event_range(written, reasons)
    detail: dict[str, Any] = {"batch": batch, "first_event_at": first, "last_event_at": last}
    if (planted := planted_list(config)) is not None:
        step.say("comparing with what was planted")
        detail["detection"] = _detected(run, written, planted)
    summary = f"{counts['raw']:,} lines: " + ", ".join(f"{n:,} {status}" for status, n in statuses.items())
    return Result(
        outputs={CLEAN_ROWS.path: version},
        counts={**counts, "reasons": reasons, "flags": flags},
        summary=summary,
        laws={"law 1": {"batch": batch, **counts}},
        detail=detail,
    )


def _totals(quality: list[dict[str, Any]], kind: str) -> dict[str, int]:
    totals = Counter[str]()
    for row in quality:
        if row["kind"] == kind:
            totals[row["name"]] += row["rows"]
    return dict(totals.most_common())


def _event_range(rows: DataFrame, reasons: Mapping[str, int]) -> tuple[str, str]:
    """The instants of the first and last clean line of a known customer. Raises InputError where there is none."""
    from pyspark.sql import functions as F

    from ringmill.columns import is_customer_line, is_sale

    lines = rows.where(is_customer_line())
    instants = [f("ordered_at").cast("timestamp_ntz").cast("string") for f in (F.min, F.max)]
    first, last, sales = lines.agg(*instants, F.count_if(is_sale())).collect()[0]
    if not sales:
        most = ", ".join(f"{name}: {n:,}" for name, n in list(reasons.items())[:5])
        raise InputError.nothing_left(CLEAN_ROWS.path, most or "no reasons: the lines are cancellations")
    return f"{first}+00:00", f"{last}+00:00"


def _detected(run: Run, rows: DataFrame, planted: str) -> list[dict[str, Any]]:
    from ringmill.clean.detection import summarise_detection

    found = summarise_detection(rows, run.spark.read.parquet(planted))
    return [row.asDict() for row in found.collect()]


CLEAN = Stage("clean", ("ringmill.pipeline.clean",), _configuration, _inputs, _body)
