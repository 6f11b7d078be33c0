"""`ringmill vacuum`: removes the files, models, checkpoints and logs that nothing pins, and gathers the ledger's files.

Delta's own log names which files no kept version has; they are removed without a commit, so that every table stays at
the version that is published.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deltalake import DeltaTable

from ringmill.contracts import LEDGER_HISTORY, LEDGER_RUNS
from ringmill.lake.key import code_hash
from ringmill.lake.ledger import Entry, Ledger
from ringmill.lake.locks import all_alone
from ringmill.lake.paths import open_path
from ringmill.lake.pins import Pins, pins_of, tables_of
from ringmill.pipeline.stage import new_run_id

STAGE = "vacuum"
# A warehouse without locks: a file that is younger may belong to a write that has not been committed yet.
LEAST_HOURS_WITHOUT_LOCKS = 24
# So many commits of the ledger are gathered into one file; below, every reader is fast enough.
LEDGER_COMMITS = 50


@dataclass(frozen=True)
class Unpinned:
    """What may go: bytes by file, of each table; and bytes by folder under the warehouse."""

    files: Mapping[str, Mapping[str, int]]
    folders: Mapping[str, int]

    def lines(self) -> Iterator[str]:
        """For a person: a line per table and folder, and one in all."""
        sizes = {table: sum(files.values()) for table, files in self.files.items()}
        for table, files in self.files.items():
            yield f"{table}: {len(files):,} files, {_megabytes(sizes[table])}"
        for folder, size in self.folders.items():
            yield f"{folder}: {_megabytes(size)}"
        number = sum(len(files) for files in self.files.values())
        whole = sum(sizes.values()) + sum(self.folders.values())
        yield f"{number:,} files of tables and {len(self.folders):,} folders, {_megabytes(whole)}"


def find(ledger: Ledger, *, keep_runs: int, hours: int) -> Unpinned:
    """What nothing pins and nobody wrote to for so many hours; nothing is removed."""
    pins = pins_of(ledger, keep_runs=keep_runs)
    paths = {table: ledger.lake.path(table) for table in tables_of(ledger)}
    files = {
        table: _files(path, pins.versions.get(table, frozenset()), hours)
        for table, path in paths.items()
        if DeltaTable.is_deltatable(path)
    }
    return Unpinned({table: found for table, found in files.items() if found}, _folders(ledger.lake.root, pins, hours))


def vacuum(ledger: Ledger, *, keep_runs: int, hours: int) -> Unpinned:
    """Remove what `find` finds, and say so in the ledger.

    Raises:
        RaceLost: a stage runs on the warehouse.
    """
    clock, root = time.monotonic(), ledger.lake.root
    with all_alone(ledger.lake, STAGE):
        if "://" in root:
            hours = max(hours, LEAST_HOURS_WITHOUT_LOCKS)
        found = find(ledger, keep_runs=keep_runs, hours=hours)
        for table, files in found.files.items():
            system, base = open_path(ledger.lake.path(table))
            for name in files:
                system.delete_file(f"{base}/{name}")
        for folder in found.folders:
            shutil.rmtree(Path(root) / folder)
        _record(ledger, found, {"keep_runs": keep_runs, "hours": hours}, clock)
        _gather(ledger)
    return found


def _files(path: str, versions: frozenset[int], hours: int) -> dict[str, int]:
    """The table's files, with their bytes, of which neither a pinned version nor the newest one consists."""
    # dry_run: a vacuum of its own would commit, and the newest version would no longer be the published one.
    names = DeltaTable(path).vacuum(
        retention_hours=hours,
        dry_run=True,
        enforce_retention_duration=False,
        full=True,
        keep_versions=sorted(versions),
    )
    system, base = open_path(path)
    found = system.get_file_info([f"{base}/{name}" for name in sorted(names)])
    # The log goes on naming files that an earlier vacuum removed.
    there = {name: info.size for name, info in zip(sorted(names), found, strict=True)}
    return {name: size for name, size in there.items() if size is not None}


def _folders(root: str, pins: Pins, hours: int) -> dict[str, int]:
    """Models, checkpoints and logs of a local warehouse that are not pinned, with their bytes."""
    if "://" in root:
        return {}
    base = Path(root)
    # A row index is of a table that no stage wrote, and each training on it looks for it.
    kept = ("checkpoints", "row_index")
    of_models = [path for path in (*base.glob("models/*/*"), *base.glob("models/*/checkpoints/*")) if path.is_dir()]
    found = [
        *(path for path in of_models if path.name not in kept and str(path.relative_to(base)) not in pins.folders),
        *(path for path in base.glob("logs/*") if path.is_dir() and path.name not in pins.runs),
    ]
    return {str(path.relative_to(base)): _size(path) for path in sorted(found) if _is_idle(path, hours)}


def _is_idle(folder: Path, hours: int) -> bool:
    latest = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    return time.time() - latest >= hours * 3600


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _record(ledger: Ledger, found: Unpinned, configuration: Mapping[str, int], clock: float) -> None:
    *_, summary = found.lines()
    ledger.append(
        Entry(
            run_id=new_run_id(),
            pipeline="",
            stage=STAGE,
            outcome="published",
            key="",
            code=code_hash("ringmill.pipeline.vacuum"),
            configuration=configuration,
            inputs={},
            counts={"files": {table: len(files) for table, files in found.files.items()}, "folders": found.folders},
            detail={"summary": summary},
            started_at=datetime.now(UTC),
            seconds=time.monotonic() - clock,
        )
    )


def _gather(ledger: Ledger) -> None:
    """One file for the many commits of the ledger's tables, and a checkpoint of their logs: each run reads them."""
    for table in (LEDGER_RUNS.path, LEDGER_HISTORY.path):
        path = ledger.lake.path(table)
        if DeltaTable.is_deltatable(path) and len(DeltaTable(path).file_uris()) >= LEDGER_COMMITS:
            found = DeltaTable(path)
            found.optimize.compact()
            found.create_checkpoint()


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
