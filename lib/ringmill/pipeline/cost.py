"""What a run of clean will cost, told before it: passes, shuffles, joins and writes follow from the configuration.

Nothing is started: the raw input is looked at, no JVM runs. `tests/integration/test_cost.py` holds these figures
against the plans that Spark executed and the bytes that it read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ringmill.clean.law import MOST_FILES_APART
from ringmill.config.clean import Clean
from ringmill.config.models import Config
from ringmill.contracts import CLEAN_CANCELLATIONS, CLEAN_ROWS, QUALITY_RULES, QUALITY_RUNS
from ringmill.lake.files import Source


@dataclass(frozen=True)
class Query:
    """One question put to Spark: how often it scans the raw input and clean/rows, and what moves every row it reads.

    `shuffles` names each shuffle of all rows, by what and for which rules; aggregates, whose partial results are a few
    rows, are none. `joins` names the joins; Spark sends the smaller side to every task where it is below 10 MB, and
    shuffles both otherwise.
    """

    name: str
    raw: int = 0
    rows: int = 0
    shuffles: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()
    writes: str | None = None


@dataclass(frozen=True)
class Cost:
    """What clean will do with `files` raw inputs of `bytes` together; `hashed` bytes are read by the driver alone.

    `adds` says that the lines are merged into what is published; else the table is written anew.
    """

    format: str
    files: int
    bytes: int
    hashed: int
    adds: bool
    queries: tuple[Query, ...]

    @property
    def raw_passes(self) -> int:
        return sum(query.raw for query in self.queries)

    @property
    def raw_bytes(self) -> int:
        """What Spark reads of the raw input, over all passes."""
        return self.bytes * self.raw_passes

    @property
    def row_passes(self) -> int:
        return sum(query.rows for query in self.queries)

    def lines(self) -> Iterator[str]:
        """The cost as a person reads it."""
        how = "merged into what is published" if self.adds else "written anew"
        yield f"clean: {self.files:,} new {self.format} input(s), {self.bytes:,} bytes; clean/rows is {how}"
        yield f"  read by the driver  {self.hashed:,} bytes, to hash them"
        raw = f"raw input {self.raw_passes} ×, {self.raw_bytes:,} bytes"
        yield f"  read by Spark       {raw}; clean/rows {self.row_passes} ×"
        for query in self.queries:
            read = [f"raw input {query.raw} ×"] * (query.raw > 0) + [f"clean/rows {query.rows} ×"] * (query.rows > 0)
            yield f"  {query.name}: reads {', '.join(read)}"
            for what in query.shuffles:
                yield f"    shuffle of all rows {what}"
            for what in query.joins:
                yield f"    join {what}"
            if query.writes:
                yield f"    write {query.writes}"
        yield f"  without Spark: write {QUALITY_RUNS.path} and {QUALITY_RULES.path}, a few rows a batch"


def cost_of(config: Config, source: Source, *, fits: Sequence[str] = (), hashed: int = 0, adds: bool = False) -> Cost:
    """The cost of cleaning `source`, the inputs that were not taken yet.

    `fits` names the rules whose statistics are to be fitted in this run, `hashed` is what the driver reads to know the
    inputs, `adds` says that rows of earlier batches are there and stay.
    """
    files = len(source.files) if source.version is None else 1
    queries = [*_fitting(fits), *(_merging(config.clean) if adds else _writing(config.clean))] if files else []
    if config.raw.batches == "files" and files > MOST_FILES_APART:
        queries.append(Query("count the lines of each of many files", rows=1))
    return Cost(
        format=source.format,
        files=files,
        bytes=sum(file.bytes for file in source.files),
        hashed=hashed,
        adds=adds,
        queries=(*queries, *_looking_back(config, measures=files > 0, adds=adds)),
    )


def _fitting(fits: Sequence[str]) -> Iterator[Query]:
    if fits:
        yield Query(f"fit statistics of {', '.join(fits)}", raw=1)


def _writing(clean: Clean) -> Iterator[Query]:
    shuffles = (*_forward(clean), *_settling(clean))
    yield Query("clean", raw=1, shuffles=shuffles, joins=tuple(_joins(clean)), writes=CLEAN_ROWS.path)


def _merging(clean: Clean) -> Iterator[Query]:
    """The new lines are kept in memory, so that they are read once."""
    yield Query("read and judge the new lines", raw=1, joins=tuple(_joins(clean)))
    # Delta looks for the files that a changed row lies in, and writes those again; where there is none, it writes less.
    unique = [f"rule {rule.name}" for rule in clean.rules if rule.unique]
    touched = [f"of clean/rows with what the new rows touch: {what}" for what in ("copies and keys", *unique)]
    yield Query(
        "settle and merge, at most",
        rows=len(touched) + 2,
        shuffles=(*_settling(clean), "by status: the merged rows, which Delta writes"),
        joins=(*touched, "of clean/rows with the rows that changed, 2 ×"),
        writes=CLEAN_ROWS.path,
    )


def _settling(clean: Clean) -> tuple[str, ...]:
    copies = f"by {', '.join(clean.key)}: exact duplicates and the key's" if clean.key else "by line: exact duplicates"
    unique = (f"by {', '.join(rule.unique)}: {_named([rule.name])}" for rule in clean.rules if rule.unique)
    return (copies, *unique)


def _forward(clean: Clean) -> Iterator[str]:
    forward = [rule for rule in clean.rules if rule.fill == "forward"]
    for group in dict.fromkeys(rule.group for rule in forward):
        yield f"by {', '.join(group)}: {_named(rule.name for rule in forward if rule.group == group)}"


def _joins(clean: Clean) -> Iterator[str]:
    fitted = [rule for rule in clean.rules if rule.is_fitted and rule.group]
    for group in dict.fromkeys(rule.group for rule in fitted):
        of_group = _named(rule.name for rule in fitted if rule.group == group)
        yield f"with statistics by {', '.join(group)}, sent to every task: {of_group}"
    for rule in clean.rules:
        if (other := rule.references) is not None:
            yield f"with {other.column} of {other.path}: {_named([rule.name])}"


def _looking_back(config: Config, *, measures: bool, adds: bool) -> Iterator[Query]:
    """What is read of the written rows."""
    if adds:
        yield Query("count every batch's rows again", rows=1)
    if measures:
        yield Query("profile the new batches", rows=1)
        yield Query("find examples", rows=1)
    if config.clean.match_cancellations:
        cancelled = "of rows with the customers and products that have a cancellation"
        yield Query("link cancellations", rows=2, joins=(cancelled,), writes=CLEAN_CANCELLATIONS.path)
    if config.generate is not None:
        yield Query(
            "compare with what was planted", rows=1, joins=("of marked rows with the list of what was planted",)
        )


def _named(names: Iterable[str]) -> str:
    rules = list(names)
    return f"rule{'s' * (len(rules) > 1)} {', '.join(rules)}"
