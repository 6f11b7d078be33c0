"""Run one stage: skip it if its key is published (law 3), else run it, check its laws, publish by a ledger row."""

from __future__ import annotations

import gc
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringmill.config.load import recorded
from ringmill.config.models import Config
from ringmill.config.tracking import OpenLineage
from ringmill.errors import LawError, RaceLost, RingmillError, UnforeseenError, WarehouseError, named_in
from ringmill.errors.credentials import without_credentials
from ringmill.lake.key import code_hash, stage_key
from ringmill.lake.ledger import Entry, Ledger
from ringmill.lake.locks import alone, has_none
from ringmill.lake.paths import absolute, local
from ringmill.lake.tables import Lake
from ringmill.pipeline.memory import MemoryWatch
from ringmill.pipeline.openlineage import Event, emit, ended, started
from ringmill.pipeline.progress import Progress, Step
from ringmill.pipeline.tracking import track

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Check = Callable[[], None]

# Stages that keep or read models, checkpoints or pages, which are files in folders.
IN_FOLDERS = ("augment", "embed", "train", "score", "report")


def new_run_id() -> str:
    """The second in which the run begins, and enough besides to tell it from another's."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"


@dataclass
class Run:
    """One run of a command: its configuration, warehouse, and a Spark session that starts when a stage asks for it.

    A session that is handed in is checked and left running. `kept` holds what a stage's inputs found for its body.
    """

    config: Config
    progress: Progress = field(default_factory=Progress)
    session: SparkSession | None = None
    kept: dict[str, Any] = field(default_factory=dict)
    run_id: str = field(default_factory=new_run_id)

    def __post_init__(self) -> None:
        self._opened, self._checked = self.session is None, False
        self.lake = Lake(_absolute(self.config.warehouse))
        self.ledger = Ledger(self.lake)
        self.lake.check_writable()
        self.memory = MemoryWatch().start()

    @property
    def log_folder(self) -> Path:
        """Where logs of Spark and ranks go: under a local warehouse, else under the working directory."""
        base = Path(self.lake.root) if "://" not in self.lake.root else Path("logs-ringmill").absolute()
        return base / "logs" / self.run_id

    @property
    def spark(self) -> SparkSession:
        """The session. Raises ConfigError where one was handed in with which results would be others."""
        from ringmill.lake.session import check_session, open_session

        if self.session is None:
            section = self.config.spark
            self.session = open_session(section, name=self.config.pipeline, log=self.log_folder / "spark.log")
        elif not self._opened and not self._checked:
            check_session(self.session)
            self._checked = True
        return self.session

    def close(self) -> int:
        """Stop what the run started; returns its peak memory in bytes."""
        if self.session is not None and self._opened:
            with suppress(Exception):  # the JVM may have been ended before us
                self.session.stop()
            self.session = None
        return self.memory.stop()


@dataclass(frozen=True)
class Result:
    """What a stage's body hands to the ledger."""

    outputs: Mapping[str, Any]
    counts: Mapping[str, Any]
    summary: str
    laws: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """A stage as data: what its key is made of, the function that does it, and whether its files are still there.

    A published result whose files someone has removed is made again; tables are left to Delta. `after` is called with
    the published row, and again whenever the stage is found unchanged: it does what has not been done.
    """

    name: str
    modules: Sequence[str]
    configuration: Callable[[Config], Mapping[str, Any]]
    inputs: Callable[[Run], Mapping[str, Any]]
    body: Callable[[Run, Mapping[str, Any], Step], Result]
    is_there: Callable[[Run, Entry], bool] = lambda run, entry: True
    after: Callable[[Run, Entry], None] = lambda run, entry: None


def check_place(run: Run, stage: str) -> None:
    """Raises WarehouseError where a stage keeps or reads files beside tables, and the warehouse is no folder."""
    if has_none(run.lake) and stage.partition("_")[0] in IN_FOLDERS:
        raise WarehouseError.no_folder(run.lake.root, stage)


def execute(stage: Stage, run: Run) -> Entry:
    """Publish the stage, or find it published.

    Raises:
        WarehouseError: see `check_place`; nothing is begun.
        RingmillError: as the stage says; the ledger keeps a row with outcome 'failed', and no table version of this
            stage becomes visible. What fails once the stage is published has a row of its own, 'after' it.
    """
    check_place(run, stage.name)
    try:
        return _executed(stage, run)
    finally:
        # What Python holds of the JVM's plans and tables is held in rings, which nothing but the collector undoes; left
        # to itself it comes so seldom that the plans of many stages fill a small driver's memory.
        if run.session is not None:
            gc.collect()


def _executed(stage: Stage, run: Run) -> Entry:
    clock = time.monotonic()
    entry = Entry(
        run_id=run.run_id,
        pipeline=run.config.pipeline,
        stage=stage.name,
        outcome="failed",
        key="",
        code=code_hash(*stage.modules),
        configuration=stage.configuration(run.config),
        inputs={},
        started_at=datetime.now(UTC),
    )
    _emit(run, started, entry)
    try:
        with alone(run.lake, stage.name, run.progress.say):
            entry = replace(entry, seen=run.ledger.last_commit())
            inputs = stage.inputs(run)
            entry = replace(entry, inputs=inputs, key=_key(run, entry, inputs))
            last = run.ledger.published(stage.name)
            if last is not None and last.key == entry.key and stage.is_there(run, last):
                done = _record(run, entry, _unchanged(last), clock, outcome="unchanged")
            else:
                with run.progress.stage(stage.name) as step:
                    result = stage.body(run, inputs, step)
                check = _not_overtaken(run, entry, last)
                last = done = _record(run, entry, result, clock, outcome="published", check=check)
    except Exception as error:
        named = error if isinstance(error, RingmillError) else _unforeseen(run, error)
        failed = _append(
            run,
            entry,
            Result({}, {}, "", detail={"error": str(named), "exit_status": named.exit_status}),
            clock,
            outcome="failed",
        )
        with suppress(RingmillError):  # the first error is the one to read
            _emit(run, ended, failed)
        raise named from error
    # The stage is published, whatever comes of this; and after a crash in between it is not left undone.
    try:
        stage.after(run, last)
        if run.config.mlflow is not None and "model" in last.detail:
            track(run.config.mlflow, last, run.lake)
        _emit(run, ended, done)
    except Exception as error:
        named = error if isinstance(error, RingmillError) else _unforeseen(run, error, "the stage is published")
        _record_afterwards(run, entry, named)
        with suppress(RingmillError):
            _emit(run, ended, done)
        raise named from error
    return done


def _record_afterwards(run: Run, entry: Entry, error: RingmillError) -> None:
    """A row of its own, so that the ledger knows what the command ended with; a gate of models has written one."""
    if not isinstance(error, LawError):
        row = replace(entry, stage=f"after {entry.stage}", started_at=datetime.now(UTC), key="", inputs={}, seen=None)
        detail = {"error": str(error), "exit_status": error.exit_status}
        _append(run, row, Result({}, {}, "", detail=detail), time.monotonic(), outcome="failed")


def _emit(run: Run, kind: Callable[[OpenLineage, Lake, Entry], Event], entry: Entry) -> None:
    if run.config.openlineage is not None:
        emit(run.config.openlineage, kind(run.config.openlineage, run.lake, entry))


def _key(run: Run, entry: Entry, inputs: Mapping[str, Any]) -> str:
    return stage_key(run.ledger.as_written(inputs), entry.configuration, entry.code)


def _unforeseen(run: Run, error: Exception, *tables: str) -> RingmillError:
    """The named error that a worker's trace ends with; else keep the trace in a file and say where.

    A stack trace from inside Spark tells a reader of the terminal nothing (law 10).
    """
    if (named := named_in(str(error))) is not None:
        return named
    log = run.log_folder / "error.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(without_credentials("".join(traceback.format_exception(error))), encoding="utf-8")
    return UnforeseenError.of(error, str(log), *tables)


def _unchanged(last: Entry) -> Result:
    return Result(last.outputs, last.counts, str(last.detail.get("summary", "")), last.laws, last.detail)


def _not_overtaken(run: Run, entry: Entry, last: Entry | None) -> Check:
    """Without a lock: raises RaceLost where `last` is no longer what the stage published last."""

    def check() -> None:
        now = run.ledger.published(entry.stage)
        if now is not None and (last is None or now.commit != last.commit):
            raise RaceLost.on(f"stage '{entry.stage}' of {run.lake.root}", f"run {now.run_id} published it meanwhile")

    return check if has_none(run.lake) else _nothing


def _nothing() -> None:
    """A stage that holds its lock has nothing to check."""


def _record(run: Run, entry: Entry, result: Result, clock: float, *, outcome: str, check: Check = _nothing) -> Entry:
    written = _append(run, entry, result, clock, outcome=outcome, check=check)
    run.progress.finished(entry.stage, outcome, result.summary, written.seconds)
    return written


def _append(run: Run, entry: Entry, result: Result, clock: float, *, outcome: str, check: Check = _nothing) -> Entry:
    written = replace(
        entry,
        outcome=outcome,
        outputs=result.outputs,
        counts=result.counts,
        laws=result.laws,
        detail={**result.detail, "summary": result.summary, "config": recorded(run.config)},
        seconds=time.monotonic() - clock,
        peak_bytes=run.memory.peak_bytes,
    )
    run.ledger.append(written, check=check)
    return written


def _absolute(root: str) -> str:
    return absolute(local(root))
