"""Quality of what clean wrote: measured in one pass, judged by the gates, kept by batch for trends and merges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ringmill.clean.gates import Figures, Verdict, judge
from ringmill.config.load import dump
from ringmill.contracts import CLEAN_ROWS, QUALITY_RULES, QUALITY_RUNS
from ringmill.errors import InputError, LawError
from ringmill.hashing import digest

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from ringmill.clean.quality import Quality
    from ringmill.lake.ledger import Entry
    from ringmill.pipeline.stage import Run

# What gates and trends ask of earlier batches: no sketch is read for them.
_HISTORY = [
    column.name for column in QUALITY_RUNS.columns if column.type in ("string", "bigint", "double", "timestamp")
]


@dataclass(frozen=True)
class Kept:
    """What the stage publishes of its quality: versions of both tables, and every gate with its figure."""

    outputs: Mapping[str, int]
    gates: Sequence[Mapping[str, Any]]


def measure(rows: DataFrame, *, personal: Collection[str] = ()) -> list[Quality]:
    """Every batch among the written rows: its counts, its range and its columns, by one Spark job."""
    from ringmill.clean.quality import quality_of, summarise_quality

    return quality_of(summarise_quality(rows, personal=personal).collect())


def recount(rows: DataFrame) -> list[Quality]:
    """Every batch among the rows, with its counts and its range, without its columns: what a later batch can change."""
    from ringmill.clean.quality import recounted, summarise_marks

    return recounted(summarise_marks(rows).collect())


def totals(batches: Sequence[Quality], kind: str) -> dict[str, int]:
    """Rows by status, reason or flag (`kind`: 'statuses', 'reasons', 'flags') over all batches, most first."""
    found = Counter[str]()
    for batch in batches:
        found.update(getattr(batch, kind))
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def checked_range(
    rows: DataFrame, batches: Sequence[Quality], new: Sequence[Quality], unreadable_at_most: float
) -> tuple[str, str, str]:
    """The instants of the first and last clean line of a known customer, and the last at which one became known.

    Only of the batches that are `new`, too many lines may be unreadable.

    Raises:
        InputError: too many lines could not be read, or no sale of a known customer is left.
    """
    lines, unreadable = sum(batch.rows for batch in new), sum(batch.unreadable for batch in new)
    if unreadable > unreadable_at_most * lines:
        came = rows.where(_among("source_batch", [batch.batch for batch in new]))
        raise _unreadable(came, unreadable, lines, unreadable_at_most)
    if not sum(batch.sales for batch in batches):
        most = ", ".join(f"{name}: {n:,}" for name, n in list(totals(batches, "reasons").items())[:5])
        raise InputError.nothing_left(CLEAN_ROWS.path, most or "no reasons: the lines are cancellations")
    first = min(batch.first_event_at for batch in batches if batch.first_event_at)
    last = max(batch.last_event_at for batch in batches if batch.last_event_at)
    known = max(batch.last_known_at for batch in batches if batch.last_known_at)
    return f"{first}+00:00", f"{last}+00:00", f"{known}+00:00"


def keep_quality(
    run: Run,
    rows: DataFrame,
    new: Sequence[Quality],
    every: Sequence[Quality],
    *,
    base: Entry | None,
    personal: Collection[str] = (),
) -> Kept:
    """Judge the measured batches, then put their rows into both tables, in place of what those held of them.

    So are the counts of earlier batches, among `every`, whose lines the new ones have changed: they hang on no order.
    Other batches stay. Called before the stage is published: readers find the tables through its ledger row.

    Raises:
        LawError: a gate does not hold for a new batch; neither table is written.
        RaceLost: another run wrote them meanwhile.
    """
    from ringmill.clean.marks import mark_rows, summarise_examples

    config = run.config
    runs, rules = list[dict[str, Any]](), list[dict[str, Any]]()
    if new:
        known = [column["name"] for column in new[0].columns]
        renewed = [*new, *(_changed(run, every, base, {of.batch for of in new}) if base else ())]
        among = rows.where(_among("source_batch", [of.batch for of in renewed]))
        examples = summarise_examples(among, raw=config.raw, columns=known).collect()
        runs = [row for batch in new for row in _run_rows(batch)]
        by_batch: dict[str, list[Any]] = {}
        for example in examples:
            by_batch.setdefault(example["source_batch"], []).append(example)
        for batch in renewed:
            of_batch = by_batch.get(batch.batch, [])
            rules += mark_rows(batch, of_batch, clean=config.clean, known=known, personal=personal)
    verdicts = _judged(run, runs, rules, every=every, new=new, base=base)
    arrived = {of.batch for of in new}
    if failing := [verdict for verdict in verdicts if not verdict.passed and verdict.batch in arrived]:
        raise LawError.gates("clean.gates", (of.expected for of in failing), (of.received for of in failing))
    if not new:
        last = run.ledger.resolve("clean")
        outputs = {path: last.outputs[path] for path in (QUALITY_RUNS.path, QUALITY_RULES.path)}
    else:
        published = run.ledger.published("clean")
        onto: Mapping[str, Any] = published.outputs if published else {}
        outputs = {
            table.path: run.lake.replace_arrow(
                table, made, key="source_batch", onto=onto.get(table.path), run_id=run.run_id
            )
            for table, made in ((QUALITY_RUNS, runs), (QUALITY_RULES, rules))
        }
    return Kept(outputs, [verdict.plain() for verdict in verdicts])


def _changed(run: Run, every: Iterable[Quality], base: Entry, new: Collection[str]) -> list[Quality]:
    """The batches of `base` whose lines have other marks than its rows of quality/rules say."""
    from ringmill.clean.marks import mark_rows

    columns = ["source_batch", "kind", "name", "tried", "failed"]
    stored = run.lake.read_arrow(QUALITY_RULES.path, base.outputs[QUALITY_RULES.path], columns).to_pylist()
    before: dict[str, set[tuple[Any, ...]]] = {}
    for row in stored:
        before.setdefault(row["source_batch"], set()).add(tuple(row[name] for name in columns))
    found = []
    for batch in every:
        now = {tuple(row[name] for name in columns) for row in mark_rows(batch, [], clean=run.config.clean, known=())}
        if batch.batch not in new and now != before.get(batch.batch, set()):
            found.append(batch)
    return found


def quality_rows(run: Run, entry: Entry) -> tuple[list[str], list[dict[str, Any]]]:
    """Of a published run of clean: its batches in the order of their known times, and their rows of quality/rules."""
    batches = entry.detail["batches"]
    rules = run.lake.read_arrow(QUALITY_RULES.path, entry.outputs[QUALITY_RULES.path]).to_pylist()
    runs = run.lake.read_arrow(QUALITY_RUNS.path, entry.outputs[QUALITY_RUNS.path], _HISTORY).to_pylist()
    order = [of.batch for of in Figures.of_rows(runs, rules) if of.batch in batches]
    place = {batch: number for number, batch in enumerate(order)}
    return order, sorted(
        (row for row in rules if row["source_batch"] in place), key=lambda row: place[row["source_batch"]]
    )


def profile_of(run: Run, entry: Entry) -> list[dict[str, Any]]:
    """One row per column over all batches of a published run of clean; several are merged from their states."""
    version, batches = entry.outputs[QUALITY_RUNS.path], entry.detail["batches"]
    if len(batches) == 1:
        names = [column.name for column in QUALITY_RUNS.columns if column.type != "binary"]
        found = run.lake.read_arrow(QUALITY_RUNS.path, version, names).to_pylist()
        return sorted((row for row in found if row["source_batch"] in batches), key=lambda row: str(row["name"]))
    from ringmill.clean.profile import merge_profiles, with_metrics

    states = run.lake.read(run.spark, QUALITY_RUNS.path, version).where(_among("source_batch", batches))
    return [
        row.asDict(recursive=True) for row in with_metrics(merge_profiles(states)).orderBy("name", "kind").collect()
    ]


def _among(name: str, values: Sequence[str]) -> Column:
    from pyspark.sql import functions as F

    return F.col(name).isin(*values)


def _judged(
    run: Run,
    runs: Sequence[Mapping[str, Any]],
    rules: Sequence[Mapping[str, Any]],
    *,
    every: Iterable[Quality],
    new: Iterable[Quality],
    base: Entry | None,
) -> list[Verdict]:
    """One verdict per gate and new batch; of every batch where the gates are others than those of `base`.

    What is published stays so: a bound that was raised for one batch would else stop all that come after it.
    """
    gates = run.config.clean.gates
    live, judged = {of.batch for of in every}, {of.batch for of in new}
    if base is not None and digest(base.configuration["clean"]["gates"]) != digest(dump(run.config.clean)["gates"]):
        judged = live
    if not gates or not judged:
        return []
    figures = Figures.of_rows(runs, rules)
    if judged > {of.batch for of in new} or any(gate.of_median_of_last for gate in gates):
        figures = Figures.of_rows(*_beside(run, runs, rules))
    if run.config.raw.batches == "files":
        # A table that was made anew, file by file, has not the batches that it once had as a whole.
        figures = [of for of in figures if of.batch in live]
    return [verdict for of in figures if of.batch in judged for verdict in judge(gates, of, figures)]


def _beside(
    run: Run, runs: Sequence[Mapping[str, Any]], rules: Sequence[Mapping[str, Any]]
) -> tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]:
    """The rows of both tables with those of the last published version, but for batches whose rows are made anew."""
    last = run.ledger.published("clean")
    if last is None or QUALITY_RUNS.path not in last.outputs:
        return runs, rules
    names = [name for name in QUALITY_RULES.names if name != "examples"]
    stored = (
        run.lake.read_arrow(QUALITY_RUNS.path, last.outputs[QUALITY_RUNS.path], _HISTORY).to_pylist(),
        run.lake.read_arrow(QUALITY_RULES.path, last.outputs[QUALITY_RULES.path], names).to_pylist(),
    )
    both = []
    for rows, before in zip((runs, rules), stored, strict=True):
        anew = {row["source_batch"] for row in rows}
        both.append([*rows, *(row for row in before if row["source_batch"] not in anew)])
    return both[0], both[1]


def _run_rows(batch: Quality) -> list[dict[str, Any]]:
    middle = next((_median(column) for column in batch.columns if column["name"] == "known_at"), None)
    added = {"source_batch": batch.batch, "middle_known_at": middle}
    return [{name: {**added, **column}.get(name) for name in QUALITY_RUNS.names} for column in batch.columns]


def _median(column: Mapping[str, Any]) -> datetime | None:
    from ringmill.clean.profile import QUANTILES

    if column["quantiles"] is None:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=column["quantiles"][QUANTILES.index(0.5)])


def _unreadable(rows: DataFrame, count: int, lines: int, at_most: float) -> InputError:
    from ringmill.clean.settle import is_unreadable

    row = rows.where(is_unreadable()).select("source_file", "reasons", "raw").orderBy("source_file").head(1)[0]
    example = f"{', '.join(row['reasons'])} in {dict(row['raw'])}"
    return InputError.unreadable_lines(row["source_file"], count, lines, at_most, example)
