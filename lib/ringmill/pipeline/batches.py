"""New batches → clean/rows: written whole, or merged into what is published; and law 1, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ringmill.clean.law import MOST_FILES_APART, check_batches, with_line_count
from ringmill.contracts import CLEAN_ROWS, STATUSES, clean_rows_table
from ringmill.lake.ledger import Entry
from ringmill.pipeline.stage import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from ringmill.clean.quality import Quality
    from ringmill.lake.files import Source


def write_batches(
    run: Run,
    raw_lines: DataFrame,
    source: Source,
    *,
    batch: str | None,
    fitted: Mapping[str, Any],
    tables: Mapping[str, DataFrame],
    key_fingerprint: str | None,
    base: Entry | None,
) -> tuple[int, dict[str, int]]:
    """Clean `raw_lines` into one commit; returns its version and the lines that were read, by batch.

    Without `base` the table is replaced; else the lines are merged into that published version: rows of earlier
    batches that share a copy, a key or a unique value with a new line are settled again, and no other is looked at.
    `batch` is None where each file is a batch.
    """
    from ringmill.clean.rows import clean_rows, judge_lines
    from ringmill.clean.settle import settle_rows
    from ringmill.clean.touched import IDENTIFIED_BY, touched_rows

    config, spark = run.config, run.spark
    names = [file.name for file in source.files] if batch is None else []
    apart = names if len(names) <= MOST_FILES_APART else []
    lines, seen = with_line_count(raw_lines, apart)
    table = clean_rows_table({name: extra.type for name, extra in config.raw.extras.items()})
    settings: dict[str, Any] = {"raw": config.raw, "clean": config.clean, "zone": config.zone, "batch": batch}
    settings |= {"fitted": fitted, "tables": tables, "key_fingerprint": key_fingerprint}
    if base is None:
        rows = clean_rows(lines, **settings)
        version = run.lake.write(rows, table, run_id=run.run_id)
    else:
        at = base.outputs[CLEAN_ROWS.path]
        published = run.lake.read(spark, CLEAN_ROWS.path, at)
        # Read once: the rows are needed to find what they touch, and to be written.
        judged = judge_lines(lines, **settings).persist()
        try:
            judged.count()
            touched = touched_rows(published, judged, config.clean)
            settled = settle_rows(judged.unionByName(touched), config.clean)
            version = run.lake.merge(settled.where("_changed"), table, on=IDENTIFIED_BY, base=at, run_id=run.run_id)
        finally:
            judged.unpersist()
    found = seen.get
    if batch is not None:
        return version, {batch: found["lines"]}
    if not apart:
        return version, _counted_together(run, version, names, found["lines"])
    return version, {name: found[str(place)] for place, name in enumerate(names)}


def law_1(seen: Mapping[str, int], every: Iterable[Quality], base: Entry | None, *, where: str) -> dict[str, Any]:
    """Check law 1 for each batch of a version: new ones against the lines that were read, older ones against the lines
    that were read when they came.

    Raises:
        LawError: a batch's rows do not add up.
    """
    before = {name: counts["raw"] for name, counts in base.laws["law 1"]["batches"].items()} if base else {}
    batches = check_batches({**before, **seen}, {of.batch: of.statuses for of in every}, where=where)
    totals = {name: sum(counts[name] for counts in batches.values()) for name in ("raw", *STATUSES)}
    return {**totals, "batches": batches}


def _counted_together(run: Run, version: int, names: Iterable[str], lines: int) -> dict[str, int]:
    """By file the rows that were written; together they are the lines that were read, or law 1 is broken."""
    from pyspark.sql import functions as F

    rows = run.lake.read(run.spark, CLEAN_ROWS.path, version).where(F.col("source_batch").isin(list(names)))
    found = {row["source_batch"]: row["count"] for row in rows.groupBy("source_batch").count().collect()}
    check_batches({"all new files": lines}, {"all new files": {"clean": sum(found.values())}}, where=CLEAN_ROWS.path)
    return {name: found.get(name, 0) for name in names}
