"""The run ledger: one row per stage and run; the only place by which readers resolve versions.

A stage is published by its ledger row, the last commit of the stage. Tables whose versions no row names are not read.
Rows are in the order in which they were committed, which each says itself: hosts' clocks differ, and a stage that began
early may be published late.
Rows are written by delta-rs: a run that finds everything unchanged starts no JVM.
"""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from ringmill import __version__
from ringmill.contracts import LEDGER_RUNS
from ringmill.errors import InputError, RaceLost
from ringmill.lake.tables import Lake

# The stage of `ringmill optimize`: the same rows in other files.
OPTIMIZE = "optimize"
# A row says the number of its commit, so a commit that another took is tried anew, with the next number.
_AS_NUMBERED = CommitProperties(max_commit_retries=0)
_TRIES = 100
_JSON = ("configuration", "inputs", "outputs", "counts", "laws", "detail")


@dataclass(frozen=True)
class Entry:
    """One stage of one run, as the ledger keeps it.

    `commit` is where the row stands in the ledger, and no part of what it says; `seen` the last commit that stood there
    when the stage took its inputs.
    """

    run_id: str
    pipeline: str
    stage: str
    outcome: str
    key: str
    code: str
    configuration: Mapping[str, Any]
    inputs: Mapping[str, Any]
    outputs: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, Any] = field(default_factory=dict)
    laws: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0
    peak_bytes: int = 0
    host: str = field(default_factory=socket.gethostname)
    user: str = field(default_factory=getpass.getuser)
    ringmill: str = __version__
    commit: int | None = field(default=None, compare=False)
    seen: int | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Entry:
        return cls(**{name: json.loads(value) if name in _JSON else value for name, value in row.items()})

    def to_row(self) -> dict[str, Any]:
        row = asdict(self)
        return row | {name: json.dumps(row[name], default=str, sort_keys=True) for name in _JSON}


SCHEMA = pa.schema(
    [
        pa.field(
            column.name,
            {"timestamp": pa.timestamp("us", tz="UTC"), "double": pa.float64(), "bigint": pa.int64()}.get(
                column.type, pa.string()
            ),
            nullable=column.nullable,
        )
        for column in LEDGER_RUNS.columns
    ]
)


@dataclass(frozen=True)
class Ledger:
    """The ledger of one warehouse."""

    lake: Lake

    def append(self, entry: Entry, *, check: Callable[[], None] = lambda: None) -> None:
        """Add one row, behind all others; for outcome 'published' this is what publishes the stage.

        `check` raises where the row must not be added to the ledger as it stands; nothing is committed between it and
        the row.

        Raises:
            RaceLost: others commit all the time.
        """
        for _ in range(_TRIES):
            table = self._table()
            check()
            row = {**entry.to_row(), "commit": 0 if table is None else table.version() + 1}
            try:
                write_deltalake(
                    self.lake.path(LEDGER_RUNS.path) if table is None else table,
                    pa.Table.from_pylist([row], schema=SCHEMA),
                    mode="error" if table is None else "append",
                    schema_mode="merge",
                    commit_properties=_AS_NUMBERED,
                )
                return
            except CommitFailedError:
                continue
            except DeltaError:
                if table is not None or self._table() is None:
                    raise
        raise RaceLost.on(LEDGER_RUNS.path, f"{_TRIES} commits of others, one after another")

    def last_commit(self) -> int:
        """The number of the ledger's last commit; -1 where the warehouse has none."""
        table = self._table()
        return -1 if table is None else table.version()

    def _table(self) -> DeltaTable | None:
        try:
            return DeltaTable(self.lake.path(LEDGER_RUNS.path))
        except TableNotFoundError:
            return None

    def entries(self) -> list[Entry]:
        """All rows in the order of their commits, those of an older version first, by their clocks; empty where the
        warehouse has no ledger."""
        if (table := self._table()) is None:
            return []
        rows = [Entry.from_row(row) for row in table.to_pyarrow_table().to_pylist()]
        # Among rows without a number only another process has the same microsecond; run_id settles the order.
        return sorted(rows, key=lambda row: (-1 if row.commit is None else row.commit, row.started_at, row.run_id))

    def published(self, stage: str) -> Entry | None:
        """The stage's last row with outcome 'published'."""
        entries = self.entries()
        found = [entry for entry in entries if entry.stage == stage and entry.outcome == "published"]
        return laid_out(found[-1], entries) if found else None

    def resolve(self, stage: str) -> Entry:
        """The stage's last published row. Raises InputError where there is none."""
        if (entry := self.published(stage)) is None:
            raise InputError.not_published(stage, self.lake.root)
        return entry

    def training_of(self, model: str) -> Entry:
        """The row that published a model, named by its path under the warehouse. Raises InputError where none did."""
        for entry in self.entries():
            if entry.outcome == "published" and entry.outputs and entry.detail.get("model") == model:
                return entry
        raise InputError.not_published("train", self.lake.path(model))

    def as_written(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs with each table at the version that its stage wrote, those within a mapping too: what a key is made
        of, since the rows of a table that was laid out anew are the same."""
        layouts = _layouts(self.entries())
        return _as_written(inputs, layouts[::-1])


def _as_written(inputs: Mapping[str, Any], layouts: Sequence[Entry]) -> dict[str, Any]:
    written = {
        name: _as_written(value, layouts) if isinstance(value, Mapping) else value for name, value in inputs.items()
    }
    for row in layouts:
        for name, version in row.outputs.items():
            if written.get(name) == version:
                written[name] = row.inputs[name]
    return written


def laid_out(entry: Entry, entries: Sequence[Entry]) -> Entry:
    """A published row with its tables at the versions in which they were laid out since."""
    outputs = dict(entry.outputs)
    for row in _layouts(entries):
        outputs |= {name: version for name, version in row.outputs.items() if outputs.get(name) == row.inputs[name]}
    return replace(entry, outputs=outputs)


def _layouts(entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.stage == OPTIMIZE and entry.outcome == "published"]
