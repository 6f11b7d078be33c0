"""Stage clean: raw input → clean/rows, every line with one status; law 1 counted from the written table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.contracts import CLEAN_ROWS
from ringmill.lake.files import Entry, Source, batch_of, find_source, fingerprint
from ringmill.pipeline.generate import planted_list
from ringmill.pipeline.progress import Step
from ringmill.pipeline.quality import checked_range, keep_quality, measure, totals
from ringmill.pipeline.stage import Result, Run, Stage
from ringmill.windows import midnight

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def _configuration(config: Config) -> Mapping[str, Any]:
    # Where the input lies is no part of the key: what it holds is, by its hashes.
    raw = {name: value for name, value in dump(config.raw).items() if name != "path"}
    return {"raw": raw, "clean": {**dump(config.clean), "fit_before": str(_fit_before(config))}, "zone": config.zone}


def _fit_before(config: Config) -> date | None:
    """The local midnight before which a line is known that statistics are fitted on.

    By default the first cutoff of training: what is filled in or clipped there has seen no label.
    """
    if not any(rule.is_fitted for rule in config.clean.rules):
        return None
    return config.clean.fit_before or min(config.features.train_cutoffs)


def _inputs(run: Run) -> Mapping[str, Any]:
    sources = {f"reference {name}": source for name, source in _references(run.config).items()}
    everything = {"raw": find_source(run.config.raw), **sources}
    return {name: [asdict(entry) for entry in fingerprint(source)] for name, source in everything.items()}


def _references(config: Config) -> dict[str, Source]:
    """By referential rule the table that it refers to, found and with the column that the rule names."""
    found = {}
    for rule in config.clean.rules:
        if (other := rule.references) is not None:
            columns = {rule.column: other.column}
            asked = {"path": other.path, "format": other.format, "delimiter": other.delimiter, "columns": columns}
            found[rule.name] = find_source(config.raw.model_copy(update=asked))
    return found


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from pyspark.errors import PySparkException

    from ringmill.clean.failures import blamed, check_patterns
    from ringmill.clean.law import check_nothing_lost, with_line_count
    from ringmill.clean.rows import clean_rows
    from ringmill.lake.raw import read_raw

    config = run.config
    source = find_source(config.raw)
    batch = batch_of(config.raw, tuple(Entry(**entry) for entry in inputs["raw"]))
    step.say(f"reading {len(source.files) or 1} {source.format} input(s) of batch {batch}")
    raw_lines = read_raw(run.spark, source)
    check_patterns(run.spark, config.raw, config.clean)
    fitted = _fitted(run, raw_lines, step)
    lines, seen = with_line_count(raw_lines)
    tables = {name: read_raw(run.spark, other) for name, other in _references(config).items()}
    rows = clean_rows(
        lines, raw=config.raw, clean=config.clean, zone=config.zone, batch=batch, fitted=fitted, tables=tables
    )
    try:
        version = run.lake.write(rows, CLEAN_ROWS, run_id=run.run_id)
    except PySparkException as error:
        if (named := blamed(error, config.clean)) is not None:
            raise named from error
        raise
    step.say("measuring what was written")
    written = run.lake.read(run.spark, CLEAN_ROWS.path, version)
    batches = measure(written)
    statuses, reasons, flags = (totals(batches, kind) for kind in ("statuses", "reasons", "flags"))
    counts = check_nothing_lost(seen.get["lines"], statuses, where=f"{CLEAN_ROWS.path} version {version}")
    first, last, known = checked_range(written, batches, config.clean.unreadable_at_most)
    kept = keep_quality(run, written, batches)
    detail: dict[str, Any] = {
        "batch": batch,
        "first_event_at": first,
        "last_event_at": last,
        "last_known_at": known,
        "fitted": fitted,
        "batches": [of.batch for of in batches],
        "gates": kept.gates,
    }
    if (planted := planted_list(config)) is not None:
        step.say("comparing with what was planted")
        detail["detection"] = _detected(run, written, planted)
    # One wrong date in the far future would move every default cutoff: the range is where a person sees it.
    became = ", ".join(f"{n:,} {status}" for status, n in statuses.items())
    summary = f"{counts['raw']:,} lines, {first[:10]} to {last[:10]}: {became}"
    return Result(
        outputs={CLEAN_ROWS.path: version, **kept.outputs},
        counts={**counts, "reasons": reasons, "flags": flags},
        summary=summary,
        laws={"law 1": {"batch": batch, **counts}},
        detail=detail,
    )


def _fitted(run: Run, raw_lines: DataFrame, step: Step) -> Mapping[str, Any]:
    """By rule its statistic: the one that the last published run kept, or one fitted now on this batch."""
    from ringmill.clean.rows import read_values
    from ringmill.clean.statistics import fitted_of, summarise_statistics, to_fit

    config = run.config
    day = _fit_before(config)
    known_before = midnight(day, config.zone) if day else None
    last = run.ledger.published("clean")
    kept = last.detail.get("fitted", {}) if last else {}
    rules = to_fit(config.clean, kept, known_before)
    new: Mapping[str, Any] = {}
    if rules:
        step.say(f"fitting statistics of {len(rules)} rule(s) on lines known before {day}")
        values = read_values(raw_lines, raw=config.raw, zone=config.zone)
        new = fitted_of(summarise_statistics(values, rules, known_before).collect(), rules, known_before)
    return {rule.name: new.get(rule.name) or kept[rule.name] for rule in config.clean.rules if rule.is_fitted}


def _detected(run: Run, rows: DataFrame, planted: str) -> list[dict[str, Any]]:
    from ringmill.clean.detection import summarise_detection

    found = summarise_detection(rows, run.spark.read.parquet(planted))
    return [row.asDict() for row in found.collect()]


CLEAN = Stage("clean", ("ringmill.pipeline.clean",), _configuration, _inputs, _body)
