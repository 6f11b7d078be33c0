"""Stage clean: raw input → clean/rows, every line with one status; law 1 counted from the written table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from ringmill.config.load import dump
from ringmill.config.models import Config
from ringmill.config.raw import Drift
from ringmill.contracts import CLEAN_ROWS, STATUSES
from ringmill.contracts.clean import cancellations_table
from ringmill.errors import InputError
from ringmill.hashing import digest
from ringmill.lake.drift import told
from ringmill.lake.files import Source, batch_of, find_source, fingerprint
from ringmill.lake.key import code_hash, stage_key
from ringmill.lake.ledger import Entry as LedgerEntry
from ringmill.pipeline.batches import law_1, write_batches
from ringmill.pipeline.cost import cost_of
from ringmill.pipeline.fitting import are_first, fit_before, fitted_now, refits, rules_to_fit
from ringmill.pipeline.generate import planted_list
from ringmill.pipeline.intake import Intake, take_in
from ringmill.pipeline.progress import Step
from ringmill.pipeline.quality import checked_range, keep_quality, measure, recount, totals
from ringmill.pipeline.stage import Result, Run, Stage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def _configuration(config: Config) -> Mapping[str, Any]:
    # Where the input lies is no part of the key: what it holds is, by its hashes. So is what was passed over.
    unkeyed = ("path", "up_to", "changed_files", "bad_files")
    raw = {name: value for name, value in dump(config.raw).items() if name not in unkeyed}
    clean = {**dump(config.clean), "fit_before": str(fit_before(config))}
    # Another key gives other hashes: it is another configuration, told by what does not give the key away.
    if (fingerprint := _key_fingerprint(config)) is not None:
        clean["personal_key_fingerprint"] = fingerprint
    return {"raw": raw, "clean": clean, "zone": config.zone}


def _key_fingerprint(config: Config) -> str | None:
    """The fingerprint of the key of personal hashes; None where there is none.

    Raises:
        ConfigError: the key cannot be read, or is too short.
    """
    if (place := config.clean.personal_key) is None:
        return None
    from ringmill.clean.keyed import fingerprint_of, read_key

    return fingerprint_of(read_key(place))


def _inputs(run: Run) -> Mapping[str, Any]:
    sources = {f"reference {name}": source for name, source in _references(run.config).items()}
    others = {name: [asdict(entry) for entry in fingerprint(source)] for name, source in sources.items()}
    last = run.ledger.published(CLEAN.name)
    intake = take_in(run.config, last, base=_base(run.config, others, last))
    for text in intake.told():
        # Before it is known whether there is anything to do: it is said where nothing else changed, too.
        run.progress.console.print(f"  {CLEAN.name}: {text}", markup=False, soft_wrap=True)
    run.kept[CLEAN.name] = intake
    return intake.inputs | others


def _base(config: Config, others: Mapping[str, Any], last: LedgerEntry | None) -> LedgerEntry | None:
    """The published run whose table new files can be added to: by the same rules, code and referred tables.

    Where statistics are asked for anew there is none: they are fitted on all files, and every row is judged by them.
    """
    if config.raw.batches == "whole" or last is None or refits(config):
        return None
    before = {name: value for name, value in last.inputs.items() if name.startswith("reference ")}
    now = (others, _of_rows(_configuration(config)), code_hash(*CLEAN.modules))
    return last if digest(now) == digest((before, _of_rows(last.configuration), last.code)) else None


def _of_rows(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration less what no row hangs on: gates judge a batch, and what was fitted anew is kept."""
    clean = {name: value for name, value in configuration["clean"].items() if name not in ("gates", "refit")}
    return {**configuration, "clean": clean}


def _references(config: Config) -> dict[str, Source]:
    """By referential rule the table that it refers to, found and with the column that the rule names.

    It is whole, or an error: a file less of it, or a column of nulls, and every value that it held would be unknown.
    An empty file held none: Spark writes such for each partition without a row.
    """
    found = {}
    for rule in config.clean.rules:
        if (other := rule.references) is not None:
            columns = {rule.column: other.column}
            asked: dict[str, Any] = {"path": other.path, "format": other.format, "delimiter": other.delimiter}
            asked |= {"columns": columns, "extras": {}, "bad_files": "fail", "drift": Drift()}
            personal = [each.column for each in config.clean.personal]
            table = config.raw.model_copy(update=asked)
            found[rule.name] = find_source(table, personal=personal, empty_files="ignore")
    return found


def _body(run: Run, inputs: Mapping[str, Any], step: Step) -> Result:
    from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException

    from ringmill.clean.failures import blamed
    from ringmill.lake.raw import read_raw, unreadable_file

    raw = run.config.raw
    intake: Intake = run.kept.pop(CLEAN.name)
    for each in intake.drift:
        step.say(f"columns changed in {told(each)}")
    while True:
        for refused in intake.source.refused:
            step.say(f"left out {refused.name}: {refused.reason}")
        try:
            # One frame for both: each that is made of Parquet opens its files for their schema.
            raw_lines = cache(partial(read_raw, run.spark, intake.to_read))
            fitted, now = fitted_now(run, intake, step, raw_lines)
            if are_first(fitted, intake.base):
                step.say("the first lines that statistics can be fitted on: all batches are cleaned anew by them")
                intake = intake.anew(raw.path)
                continue
            result = _cleaned(run, intake, step, fitted, raw_lines)
            return replace(result, detail={**result.detail, "fitted_now": list(now)})
        except (PySparkException, Py4JJavaError) as error:
            if isinstance(error, PySparkException) and (named := blamed(error, run.config.clean)) is not None:
                raise named from error
            for other in _references(run.config).values():
                if (broken := unreadable_file(error, other)) is not None:
                    raise InputError.unreadable(*broken) from error
            if (broken := unreadable_file(error, intake.to_read)) is None:
                raise
            # Some damage shows only when all of a file is read.
            if raw.bad_files == "fail":
                raise InputError.unreadable(*broken) from error
            intake = intake.without(*broken)
            if intake.base is None and not intake.new:
                raise InputError.no_file_fit(raw.path, broken[1]) from error


def _cleaned(
    run: Run, intake: Intake, step: Step, fitted: Mapping[str, Any], raw_lines: Callable[[], DataFrame]
) -> Result:
    from pyspark.sql import functions as F

    from ringmill.clean.cancellations import link_cancellations
    from ringmill.clean.failures import check_patterns
    from ringmill.lake.raw import read_raw

    config, base = run.config, intake.base
    by_file = config.raw.batches == "files"
    batch = None if by_file else batch_of(config.raw, intake.entries)
    check_patterns(run.spark, config.raw, config.clean)
    if base is not None and not intake.new:
        version, seen = base.outputs[CLEAN_ROWS.path], dict[str, int]()
    else:
        source = intake.to_read
        of = f"batch {batch}" if batch else f"{len(intake.new):,} new batch(es)"
        step.say(f"reading {len(source.files) or 1} {source.format} input(s) of {of}")
        tables = {name: read_raw(run.spark, other) for name, other in _references(config).items()}
        version, seen = write_batches(
            run,
            raw_lines(),
            source,
            batch=batch,
            fitted=fitted,
            tables=tables,
            key_fingerprint=_key_fingerprint(config),
            base=base,
        )
    step.say("measuring what was written")
    written = run.lake.read(run.spark, CLEAN_ROWS.path, version)
    personal = {each.column for each in config.clean.personal}
    where = f"{CLEAN_ROWS.path} version {version}"
    if base is None:
        every = new = measure(written, personal=personal)
    else:
        # Of batches that were there before, only what became of their lines can have changed.
        every = recount(written)
        new = measure(written.where(F.col("source_batch").isin(list(seen))), personal=personal) if seen else []
    proof = law_1(seen, every, base, where=where)
    counts = {name: count for name, count in proof.items() if name != "batches"}
    first, last, known = checked_range(written, every, new, config.clean.unreadable_at_most)
    kept = keep_quality(run, written, new, every, base=base, personal=personal)
    for gate in kept.gates:
        if not gate["passed"]:
            step.say(f"batch {gate['batch']} was published by other gates: {gate['subject']} would not let it pass now")
    detail: dict[str, Any] = {
        **intake.detail,
        "batch": batch,
        "new_batches": sorted(seen),
        "first_event_at": first,
        "last_event_at": last,
        "last_known_at": known,
        "fitted": fitted,
        "batches": [of.batch for of in every],
        "gates": kept.gates,
    }
    outputs = {CLEAN_ROWS.path: version, **kept.outputs}
    if config.clean.match_cancellations:
        step.say("linking cancellations to their orders")
        links = link_cancellations(written)
        table = cancellations_table(written.columns)
        outputs[table.path] = run.lake.write(links, table, run_id=run.run_id)
    if (planted := planted_list(config)) is not None:
        step.say("comparing with what was planted")
        detail["detection"] = _detected(run, written, planted)
    # One wrong date in the far future would move every default cutoff: the range is where a person sees it.
    became = ", ".join(f"{counts[status]:,} {status}" for status in STATUSES if counts[status])
    summary = f"{counts['raw']:,} lines, {first[:10]} to {last[:10]}: {became}"
    return Result(
        outputs=outputs,
        counts={**counts, "reasons": totals(every, "reasons"), "flags": totals(every, "flags")},
        summary=summary,
        laws={"law 1": proof},
        detail=detail,
    )


def planned_clean(run: Run) -> str:
    """What cleaning now would cost, as text; the raw input is looked at and hashed, Spark is not started.

    Raises:
        InputError: as the stage itself, where its input cannot be taken.
    """
    inputs = _inputs(run)
    intake: Intake = run.kept.pop(CLEAN.name)
    last = run.ledger.published(CLEAN.name)
    if last and last.key == stage_key(inputs, _configuration(run.config), code_hash(*CLEAN.modules)):
        return "clean: nothing to do, neither input, rules nor code have changed since the last run"
    source, base = intake.to_read, intake.base
    names = [rule.name for rule in rules_to_fit(run)[0]] if intake.new or not source.files else []
    hashed = sum(file.bytes for file in source.files)
    return "\n".join(cost_of(run.config, source, fits=names, hashed=hashed, adds=base is not None).lines())


def _detected(run: Run, rows: DataFrame, planted: str) -> list[dict[str, Any]]:
    from ringmill.clean.detection import summarise_detection

    found = summarise_detection(rows, run.spark.read.parquet(planted))
    return [row.asDict() for row in found.collect()]


CLEAN = Stage("clean", ("ringmill.pipeline.clean",), _configuration, _inputs, _body)
