"""`ringmill optimize`: published tables laid out by the columns that people look for, so that a query reads few files.

The ledger's row says which version holds the rows of which; from then on every reader of the published version gets the
new one. Keys of stages see the version that was written: nothing is done again because files changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from deltalake import DeltaTable

from ringmill.errors import ConfigError
from ringmill.lake.cluster import Layout, cluster, ranged
from ringmill.lake.key import code_hash, stage_key
from ringmill.lake.ledger import OPTIMIZE, Entry, Ledger
from ringmill.lake.locks import all_alone
from ringmill.lake.pins import tables_of, unfinished
from ringmill.pipeline.stage import new_run_id

MEGABYTE = 2**20
# By table, or by the room that it is in, what is looked for; of these the columns that the log keeps ranges of.
LOOKED_FOR: Mapping[str, tuple[str, ...]] = {
    "clean/rows": ("ordered_at", "known_at"),
    "features": ("customer_id", "cutoff"),
    "scores": ("customer_id",),
}


@dataclass(frozen=True)
class Optimized:
    """What was laid out anew, what was so already, and what a training that can be gone on with holds, with reasons."""

    layouts: Mapping[str, Layout]
    left: Mapping[str, str]

    def lines(self) -> Iterator[str]:
        for table, of in self.layouts.items():
            yield f"{table}: version {of.before} → {of.after}, {of.files_before:,} → {of.files_after:,} files"
        for table, why in self.left.items():
            yield f"{table}: unchanged, {why}"
        if not self.layouts and not self.left:
            yield "no table to lay out"


def optimize(ledger: Ledger, by: Mapping[str, Sequence[str]], *, target_mb: int) -> Optimized:
    """Lay out the tables `by`, or by default those that people look for customers and days in; ledgered.

    Raises:
        ConfigError: no run published a table of `by`, or the log keeps no ranges of a column.
        RaceLost: a stage runs on the warehouse.
    """
    clock, run_id = time.monotonic(), new_run_id()
    with all_alone(ledger.lake, OPTIMIZE):
        entries = ledger.entries()
        published = {
            name: version
            for entry in entries
            if entry.outcome == "published"
            for name, version in entry.outputs.items()
            if isinstance(version, int)
        }
        wanted = {table: tuple(columns) for table, columns in (by or _by_default(ledger)).items()}
        if unknown := sorted(set(wanted) - set(published)):
            raise ConfigError.bad_value(ledger.lake.root, "--by", f"one of {', '.join(published)}", unknown[0])
        keys = {
            table: stage_key(ledger.as_written({table: published[table]}), {table: wanted[table], "mb": target_mb}, "")
            for table in wanted
        }
        # How each table lies now: an earlier layout of it is gone.
        now = {
            table: key
            for entry in entries
            if entry.stage == OPTIMIZE
            for table, key in entry.detail.get("keys", {}).items()
        }
        held = {table for table, version, _ in unfinished(ledger.lake.root) if published.get(table) == version}
        left = {table: "it is laid out so already" for table in wanted if keys[table] == now.get(table)}
        left |= {table: "a training that can be gone on with reads it" for table in wanted if table in held}
        layouts = {
            table: cluster(
                ledger.lake.path(table), published[table], columns, target_bytes=target_mb * MEGABYTE, run_id=run_id
            )
            for table, columns in wanted.items()
            if table not in left
        }
        found = Optimized(layouts, left)
        ledger.append(
            Entry(
                run_id=run_id,
                pipeline="",
                stage=OPTIMIZE,
                outcome="published" if layouts else "unchanged",
                key="",
                code=code_hash("ringmill.pipeline.optimize"),
                configuration={"by": wanted, "target_mb": target_mb},
                inputs={table: of.before for table, of in layouts.items()},
                outputs={table: of.after for table, of in layouts.items()},
                counts={table: asdict(of) for table, of in layouts.items()},
                detail={"summary": "; ".join(found.lines()), "keys": {table: keys[table] for table in layouts}},
                started_at=datetime.now(UTC),
                seconds=time.monotonic() - clock,
            )
        )
    return found


def _by_default(ledger: Ledger) -> dict[str, tuple[str, ...]]:
    """The published tables that have columns that are looked for, each with these."""
    chosen = {}
    for table in tables_of(ledger):
        looked_for = LOOKED_FOR.get(table) or LOOKED_FOR.get(table.partition("/")[0], ())
        path = ledger.lake.path(table)
        if looked_for and DeltaTable.is_deltatable(path):
            there = ranged(DeltaTable(path))
            if columns := tuple(name for name in looked_for if name in there):
                chosen[table] = columns
    return chosen
