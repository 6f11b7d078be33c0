"""`ringmill vacuum`: no version goes that a pointer, a living checkpoint or a late run pins; all else does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from ringmill.errors import RaceLost
from ringmill.lake import locks
from ringmill.lake.ledger import Entry, Ledger
from ringmill.lake.locks import all_alone, alone, in_turn
from ringmill.lake.pins import pins_of, unfinished
from ringmill.lake.promotions import Promotions
from ringmill.lake.tables import Lake
from ringmill.pipeline.history import ledger_of
from ringmill.pipeline.vacuum import LEDGER_COMMITS, find, vacuum

START = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = "clean/rows"
FEATURES = "features/customers"


class Warehouse:
    """A local warehouse whose runs are made up; each writes real Delta tables."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ledger = Ledger(Lake(str(root)))
        self.rows = 0

    def write(self, table: str, value: int, *, mode: str = "overwrite") -> int:
        path = self.ledger.lake.path(table)
        write_deltalake(path, pa.table({"value": [value] * 3}), mode=mode)  # type: ignore[arg-type]
        return DeltaTable(path).version()

    def publish(self, run: str, stage: str, outcome: str = "published", **more: Any) -> Entry:
        self.rows += 1
        entry = Entry(run, "shop", stage, outcome, "key", "code", {}, more.pop("inputs", {}))
        entry = replace(entry, started_at=START + timedelta(minutes=self.rows), **more)
        self.ledger.append(entry)
        return entry

    def trained(self, run: str, version: int, *, checkpoint: bool = False, ends: bool = True) -> Path:
        folder = self.root / "models" / "customers" / run
        folder.mkdir(parents=True)
        kept = self.root / "models" / "customers" / "checkpoints" / run
        spec = {"table": str(self.root / FEATURES), "version": version, "checkpoints": str(kept)}
        (folder / "spec.json").write_text(json.dumps({"spec": spec}))
        if checkpoint:
            kept.mkdir(parents=True)
            (kept / "000001.checkpoint").write_bytes(b"weights")
        if ends:
            model = f"models/customers/{run}"
            more = {"inputs": {FEATURES: version}, "outputs": {"model": run}, "detail": {"model": model}}
            self.publish(run, "train", **more)
        return folder

    def read(self, table: str, version: int) -> list[int]:
        found = DeltaTable(self.ledger.lake.path(table), version=version).to_pyarrow_table()
        return sorted(found["value"].to_pylist())


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "shop")


def is_readable(warehouse: Warehouse, table: str, version: int) -> bool:
    try:
        warehouse.read(table, version)
    except FileNotFoundError:
        return False
    return True


def test_versions_of_the_last_runs_and_of_the_last_published_row_stay_and_the_others_go(warehouse: Warehouse) -> None:
    for number in range(5):
        warehouse.publish(f"run-{number}", "clean", outputs={ROWS: warehouse.write(ROWS, number)})
    warehouse.publish("run-5", "score", outcome="failed", inputs={ROWS: 1})
    said = find(warehouse.ledger, keep_runs=2, hours=0)
    assert [is_readable(warehouse, ROWS, version) for version in range(5)] == [True] * 5
    done = vacuum(warehouse.ledger, keep_runs=2, hours=0)
    assert done == said
    # Version 4 is the last run's but one and the published one, and what the failed run read is looked for by a person.
    assert [is_readable(warehouse, ROWS, version) for version in range(5)] == [False, True, False, False, True]
    assert DeltaTable(warehouse.ledger.lake.path(ROWS)).version() == 4
    assert next(done.lines()).startswith("clean/rows: 3 files, ")
    row = warehouse.ledger.entries()[-1]
    assert (row.stage, row.outcome, row.counts["files"]) == ("vacuum", "published", {ROWS: 3})
    assert list(vacuum(warehouse.ledger, keep_runs=2, hours=0).lines()) == ["0 files of tables and 0 folders, 0.0 MB"]


def test_what_a_late_report_read_of_each_stage_stays(warehouse: Warehouse) -> None:
    versions = [warehouse.write(ROWS, number) for number in range(3)]
    warehouse.publish("run-0", "report", inputs={"clean": {ROWS: versions[0]}})
    warehouse.publish("run-1", "clean", outputs={ROWS: versions[2]})
    assert pins_of(warehouse.ledger, keep_runs=2).versions[ROWS] == {versions[0], versions[2]}


def test_what_the_current_model_and_the_one_before_it_were_made_of_stays(warehouse: Warehouse) -> None:
    folders = []
    for number in range(4):
        run = f"run-{number}"
        version = warehouse.write(FEATURES, number)
        warehouse.publish(run, "features", outputs={FEATURES: version})
        folders.append(warehouse.trained(run, version))
        how = {"by": run, "pipeline": "shop", "how": "gate", "outcome": "published"}
        Promotions(warehouse.ledger, "customers").record(run, **how, configuration={}, detail={}, clock=0.0)
    late = warehouse.write(FEATURES, 9)
    warehouse.publish("late", "features", outputs={FEATURES: late})
    pins = pins_of(warehouse.ledger, keep_runs=1)
    assert pins.versions[FEATURES] == {2, 3, late}
    vacuum(warehouse.ledger, keep_runs=1, hours=0)
    assert [folder.is_dir() for folder in folders] == [False, False, True, True]
    assert [is_readable(warehouse, FEATURES, version) for version in range(5)] == [False, False, True, True, True]


def test_what_a_model_was_trained_on_stays_as_long_as_a_late_run_scored_with_it(warehouse: Warehouse) -> None:
    for number in range(3):
        version = warehouse.write(FEATURES, number)
        warehouse.publish(f"run-{number}", "features", outputs={FEATURES: version})
        warehouse.trained(f"run-{number}", version)
    scored = {FEATURES: 2, "model": "models/customers/run-0"}
    warehouse.publish("late", "score", inputs=scored, outputs={"scores/customers": 0})
    pins = pins_of(warehouse.ledger, keep_runs=1)
    assert "models/customers/run-0" in pins.folders
    assert pins.versions[FEATURES] == {0, 2}


def test_a_killed_training_keeps_its_version_as_long_as_it_can_be_gone_on_with(warehouse: Warehouse) -> None:
    first = warehouse.write(FEATURES, 0)
    warehouse.publish("run-0", "features", outputs={FEATURES: first})
    killed = warehouse.trained("killed", first, checkpoint=True, ends=False)
    kept = warehouse.root / "models" / "customers" / "checkpoints" / "killed"
    warehouse.publish("run-1", "report")
    vacuum(warehouse.ledger, keep_runs=1, hours=0)
    assert killed.is_dir()
    assert kept.is_dir()
    second = warehouse.write(FEATURES, 1)
    warehouse.publish("run-2", "features", outputs={FEATURES: second})
    assert find(warehouse.ledger, keep_runs=1, hours=1).folders == {}, "it was written to within the hour"
    vacuum(warehouse.ledger, keep_runs=1, hours=0)
    assert not killed.exists()
    assert not kept.exists()
    assert not is_readable(warehouse, FEATURES, first)


def test_a_warehouse_that_is_named_by_a_relative_path_keeps_the_same(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = warehouse.write(FEATURES, 0)
    warehouse.publish("run-0", "features", outputs={FEATURES: first})
    killed = warehouse.trained("killed", first, checkpoint=True, ends=False)
    warehouse.publish("run-1", "report")
    monkeypatch.chdir(warehouse.root.parent)
    for named in ("shop", "."):  # the warehouse, or a folder with one in it
        ledger = ledger_of(named)
        assert pins_of(ledger, keep_runs=1) == pins_of(warehouse.ledger, keep_runs=1)
        vacuum(ledger, keep_runs=1, hours=0)
        assert killed.is_dir()
    assert list(unfinished("shop")) == list(unfinished(str(warehouse.root)))


@pytest.mark.parametrize("inside", [True, False])
def test_a_killed_training_on_a_table_of_ones_own_keeps_its_checkpoints_and_its_row_index(
    warehouse: Warehouse, tmp_path: Path, inside: bool
) -> None:
    killed = warehouse.trained("killed", 3, checkpoint=True, ends=False)
    table = warehouse.root / "raw" / "mine" if inside else tmp_path / "mine"
    spec = json.loads((killed / "spec.json").read_text())
    spec["spec"]["table"] = str(table)
    (killed / "spec.json").write_text(json.dumps(spec))
    index = warehouse.root / "models" / "customers" / "row_index"
    index.mkdir()
    finished = warehouse.trained("finished", 3, ends=False)
    warehouse.publish("run-1", "report")
    vacuum(warehouse.ledger, keep_runs=1, hours=0)
    assert killed.is_dir() and index.is_dir()
    assert (warehouse.root / "models" / "customers" / "checkpoints" / "killed").is_dir()
    assert not finished.exists()


def test_logs_of_runs_that_are_not_kept_go(warehouse: Warehouse) -> None:
    for number in range(3):
        (warehouse.root / "logs" / f"run-{number}").mkdir(parents=True)
        warehouse.publish(f"run-{number}", "report")
    vacuum(warehouse.ledger, keep_runs=1, hours=0)
    assert [path.name for path in (warehouse.root / "logs").iterdir()] == ["run-2"]


def test_files_that_no_commit_names_go_once_they_are_old_enough(warehouse: Warehouse) -> None:
    warehouse.publish("run-0", "clean", outputs={ROWS: warehouse.write(ROWS, 0)})
    torn = Path(warehouse.ledger.lake.path(ROWS)) / "part-99999-of-a-killed-writer.snappy.parquet"
    torn.write_bytes(b"half a file")
    assert find(warehouse.ledger, keep_runs=1, hours=1).files == {}
    assert find(warehouse.ledger, keep_runs=1, hours=0).files == {ROWS: {torn.name: 11}}
    vacuum(warehouse.ledger, keep_runs=1, hours=0)
    assert not torn.exists()
    assert warehouse.read(ROWS, 0) == [0, 0, 0]


def test_nothing_goes_while_a_stage_runs(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.0)
    for number in range(2):
        warehouse.publish("run", "clean", outputs={ROWS: warehouse.write(ROWS, number)})
    with alone(warehouse.ledger.lake, "clean", pytest.fail), pytest.raises(RaceLost, match="stage 'clean'"):
        vacuum(warehouse.ledger, keep_runs=1, hours=0)
    assert is_readable(warehouse, ROWS, 0)
    # One that never ran before has no row in the ledger.
    with alone(warehouse.ledger.lake, "train", pytest.fail), pytest.raises(RaceLost, match="stage 'train' runs"):
        vacuum(warehouse.ledger, keep_runs=1, hours=0)
    with (
        all_alone(warehouse.ledger.lake, "vacuum"),
        pytest.raises(RaceLost, match="'warehouse' is held"),
        alone(warehouse.ledger.lake, "train", lambda words: None),
    ):
        pytest.fail("a stage began beside it")


def test_stages_run_beside_each_other(warehouse: Warehouse) -> None:
    lake = warehouse.ledger.lake
    warehouse.root.mkdir()
    with (
        alone(lake, "clean", pytest.fail),
        alone(lake, "promote", pytest.fail),
        pytest.raises(RaceLost),
        alone(lake, "clean", pytest.fail),
    ):
        pytest.fail("the same stage began twice")
    with all_alone(lake, "vacuum"), pytest.raises(RaceLost, match="another command runs"), all_alone(lake, "optimize"):
        pytest.fail("two had the warehouse to themselves")


def test_a_stage_waits_for_a_command_that_has_the_warehouse_to_itself_and_says_so(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, said = warehouse.ledger.lake, list[str]()
    warehouse.root.mkdir()
    vacuuming = ExitStack()
    vacuuming.enter_context(all_alone(lake, "vacuum"))
    pauses = iter((lambda: None, vacuuming.close))
    monkeypatch.setattr(locks.time, "sleep", lambda seconds: next(pauses)())
    with alone(lake, "clean", said.append):
        pass
    assert said == [f"stage 'clean' of {lake.root} waits for the lock 'warehouse', at most 600 s"]
    vacuuming.enter_context(in_turn(lake, "promote.mine", pytest.fail))
    pauses = iter((vacuuming.close,))
    with in_turn(lake, "promote.mine", said.append):
        pass
    assert len(said) == 2 and "promote.mine" in said[1]


def test_the_ledgers_commits_are_gathered_and_say_the_same(warehouse: Warehouse) -> None:
    for number in range(LEDGER_COMMITS):
        warehouse.publish(f"run-{number:03}", "report", counts={"rows": number})
    before = warehouse.ledger.entries()
    vacuum(warehouse.ledger, keep_runs=1, hours=0)
    assert warehouse.ledger.entries()[:-1] == before
    assert len(DeltaTable(warehouse.ledger.lake.path("ledger/runs")).file_uris()) == 1


WRITES = st.lists(
    st.tuples(st.sampled_from(["overwrite", "append"]), st.sampled_from(["published", "failed", "unchanged"])),
    min_size=1,
    max_size=7,
)


@settings(max_examples=25, deadline=None)
@given(writes=WRITES, keep_runs=st.integers(1, 4))
def test_law_3_every_pinned_version_reads_as_before(
    tmp_path_factory: pytest.TempPathFactory, writes: Sequence[tuple[str, str]], keep_runs: int
) -> None:
    warehouse = Warehouse(tmp_path_factory.mktemp("pins"))
    content: dict[int, list[int]] = {}
    for number, (mode, outcome) in enumerate(writes):
        version = warehouse.write(ROWS, number, mode=mode)
        content[version] = warehouse.read(ROWS, version)
        outputs: Mapping[str, int] = {} if outcome == "failed" else {ROWS: version}
        warehouse.publish(f"run-{number}", "clean", outcome, outputs=outputs)
    pinned = pins_of(warehouse.ledger, keep_runs=keep_runs).versions.get(ROWS, frozenset())
    vacuum(warehouse.ledger, keep_runs=keep_runs, hours=0)
    for version in pinned | {max(content)}:
        assert warehouse.read(ROWS, version) == content[version]
    assert DeltaTable(warehouse.ledger.lake.path(ROWS)).version() == max(content)
