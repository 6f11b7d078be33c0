"""`ringmill optimize`: the same rows in files that a query passes over, and nothing else is done again."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from ringmill.errors import ConfigError, RaceLost
from ringmill.handoff.manifest import pin_splits
from ringmill.lake.key import stage_key
from ringmill.lake.ledger import Entry, Ledger
from ringmill.lake.locks import alone
from ringmill.lake.pins import pins_of
from ringmill.lake.tables import Lake
from ringmill.pipeline.optimize import optimize
from ringmill.pipeline.vacuum import vacuum

FEATURES, SCORES, ROWS = "features/customers", "scores/customers", "clean/rows"
START = datetime(2026, 1, 1, tzinfo=UTC)
FILES, ROWS_A_FILE = 6, 2_000


class Warehouse:
    """Tables of many files, in each of which every customer may stand; and the ledger's rows that publish them."""

    def __init__(self, root: Path) -> None:
        self.ledger = Ledger(Lake(str(root)))
        self.number = 0

    def fill(self, table: str, *, partition_by: list[str] | None = None, configuration: Any = None) -> int:
        draw, path = random.Random(7), self.ledger.lake.path(table)
        for _ in range(FILES):
            customers = [draw.randrange(10_000) for _ in range(ROWS_A_FILE)]
            rows = pa.table(
                {
                    "row_id": [draw.getrandbits(40) for _ in customers],
                    "customer_id": [f"c{customer:05}" if customer else None for customer in customers],
                    "ordered_at": pa.array(
                        [START + timedelta(minutes=c) for c in customers], pa.timestamp("us", "UTC")
                    ),
                    "split": [("train", "validation", "test")[customer % 3] for customer in customers],
                    "x": pa.array([[draw.random(), 1.0] for _ in customers], pa.list_(pa.float32())),
                }
            )
            write_deltalake(path, rows, mode="append", partition_by=partition_by, configuration=configuration)
        return DeltaTable(path).version()

    def publish(self, stage: str, outcome: str = "published", **more: Any) -> Entry:
        self.number += 1
        entry = Entry(f"run-{self.number}", "shop", stage, outcome, more.pop("key", stage), "code", {}, {})
        # Before the rows of a command that is called here, which have the time of day.
        entry = replace(entry, started_at=START + timedelta(minutes=self.number), **more)
        self.ledger.append(entry)
        return entry

    def at(self, table: str, version: int | None = None) -> DeltaTable:
        return DeltaTable(self.ledger.lake.path(table), version=version)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "shop")


def read_for(table: DeltaTable, customer: str) -> tuple[int, int]:
    """Files and bytes that a query for one customer cannot pass over, by the ranges in the log."""
    actions = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    met = [one for one in actions if one["min.customer_id"] <= customer <= one["max.customer_id"]]
    fragments = table.to_pyarrow_dataset().get_fragments(filter=pc.field("customer_id") == customer)
    assert len(list(fragments)) == len(met), "and so says who reads by Arrow"
    return len(met), sum(one["size_bytes"] for one in met)


def rows_of(table: DeltaTable) -> list[dict[str, Any]]:
    return sorted(table.to_pyarrow_table().to_pylist(), key=lambda row: row["row_id"])


def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringmill.pipeline.optimize.MEGABYTE", 20_000)


def test_a_query_for_one_customer_reads_fewer_files_and_bytes_of_the_same_rows(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_files(monkeypatch)
    version = warehouse.fill(FEATURES, partition_by=["split"])
    warehouse.publish("features", outputs={FEATURES: version})
    before = read_for(warehouse.at(FEATURES), "c04711")
    found = optimize(warehouse.ledger, {}, target_mb=1)
    layout = found.layouts[FEATURES]
    assert (layout.before, layout.after) == (version, version + 1)
    after = read_for(warehouse.at(FEATURES), "c04711")
    assert before[0] == FILES * 3, "each file of each split may hold the customer"
    assert after[0] <= 6
    assert after[1] < before[1] / 2
    assert rows_of(warehouse.at(FEATURES)) == rows_of(warehouse.at(FEATURES, version))
    # Still partitioned by split: the hand-off plans by the log alone, and finds as many rows.
    pinned = [pin_splits(warehouse.ledger.lake.path(FEATURES), at, ["train", "test"]) for at in (version, version + 1)]
    for split in ("train", "test"):
        assert len({sum(file.rows for file in pins[split].files) for pins in pinned}) == 1


def test_law_3_a_second_time_nothing_is_committed_and_no_stage_is_done_again(warehouse: Warehouse) -> None:
    version = warehouse.fill(ROWS)
    warehouse.publish("clean", outputs={ROWS: version})
    key = stage_key(warehouse.ledger.as_written({ROWS: version, "files": ["a"]}), {}, "code")
    optimize(warehouse.ledger, {}, target_mb=1)
    assert warehouse.ledger.resolve("clean").outputs == {ROWS: version + 1}, "readers get the new files"
    now = {ROWS: version + 1, "files": ["a"]}
    assert stage_key(warehouse.ledger.as_written(now), {}, "code") == key, "and their keys are as before"
    by_stage = {"clean": {ROWS: version + 1}}  # as a report's inputs are
    assert warehouse.ledger.as_written(by_stage) == {"clean": {ROWS: version}}
    again = optimize(warehouse.ledger, {}, target_mb=1)
    assert list(again.lines()) == ["clean/rows: unchanged, it is laid out so already"]
    assert warehouse.ledger.entries()[-1].outcome == "unchanged"
    assert warehouse.at(ROWS).version() == version + 1
    other = optimize(warehouse.ledger, {ROWS: ["customer_id"]}, target_mb=1)
    assert other.layouts[ROWS].before == version + 1
    assert warehouse.ledger.resolve("clean").outputs == {ROWS: version + 2}


def test_only_the_last_layout_counts_as_done(warehouse: Warehouse) -> None:
    warehouse.publish("clean", outputs={ROWS: warehouse.fill(ROWS)})

    def laid_out(column: str, megabytes: int) -> bool:
        return ROWS in optimize(warehouse.ledger, {ROWS: (column,)}, target_mb=megabytes).layouts

    assert [laid_out(*how) for how in (("ordered_at", 64), ("customer_id", 64), ("ordered_at", 64))] == [True] * 3
    assert [laid_out("ordered_at", megabytes) for megabytes in (64, 1, 1, 64)] == [False, True, False, True]


def test_a_stage_that_writes_anew_is_read_from_there_and_may_be_laid_out_again(warehouse: Warehouse) -> None:
    warehouse.publish("clean", outputs={ROWS: warehouse.fill(ROWS)})
    optimize(warehouse.ledger, {}, target_mb=1)
    later = warehouse.fill(ROWS)
    entry = replace(warehouse.publish("clean", "failed"), outcome="published", outputs={ROWS: later})
    warehouse.ledger.append(replace(entry, started_at=datetime.now(UTC)))
    assert warehouse.ledger.resolve("clean").outputs == {ROWS: later}
    assert optimize(warehouse.ledger, {}, target_mb=1).layouts[ROWS].before == later


def test_vacuum_keeps_the_layout_and_what_was_pinned_before_it(warehouse: Warehouse) -> None:
    version = warehouse.fill(SCORES)
    warehouse.publish("score", outputs={SCORES: version})
    optimize(warehouse.ledger, {}, target_mb=1)
    warehouse.ledger.append(
        replace(warehouse.publish("report", "failed"), started_at=datetime.now(UTC), inputs={"a": 1})
    )
    assert pins_of(warehouse.ledger, keep_runs=1).versions[SCORES] == {version, version + 1}
    vacuum(warehouse.ledger, keep_runs=1, hours=0)
    assert rows_of(warehouse.at(SCORES)) == rows_of(warehouse.at(SCORES, version))


def test_what_a_training_can_be_gone_on_with_reads_is_left(warehouse: Warehouse) -> None:
    version = warehouse.fill(FEATURES, partition_by=["split"])
    warehouse.publish("features", outputs={FEATURES: version})
    root = Path(warehouse.ledger.lake.root)
    folder, kept = root / "models/customers/run", root / "models/customers/checkpoints/key"
    for path in (folder, kept):
        path.mkdir(parents=True)
    (kept / "1.checkpoint").touch()
    spec = f'{{"spec": {{"table": "{root / FEATURES}", "version": {version}, "checkpoints": "{kept}"}}}}'
    (folder / "spec.json").write_text(spec)
    found = optimize(warehouse.ledger, {}, target_mb=1)
    assert list(found.lines()) == ["features/customers: unchanged, a training that can be gone on with reads it"]
    assert warehouse.at(FEATURES).version() == version


def test_what_cannot_be_laid_out_is_named(warehouse: Warehouse) -> None:
    warehouse.publish("generate")
    assert list(optimize(warehouse.ledger, {}, target_mb=1).lines()) == ["no table to lay out"]
    ranges = {"delta.dataSkippingStatsColumns": "ordered_at"}
    warehouse.publish("clean", outputs={ROWS: warehouse.fill(ROWS, configuration=ranges)})
    with pytest.raises(ConfigError, match="ranges: ordered_at"):
        optimize(warehouse.ledger, {ROWS: ["customer_id"]}, target_mb=1)
    with pytest.raises(ConfigError, match="one of clean/rows"):
        optimize(warehouse.ledger, {"clean/row": ["customer_id"]}, target_mb=1)
    with alone(warehouse.ledger.lake, "clean", pytest.fail), pytest.raises(RaceLost, match="stage 'clean'"):
        optimize(warehouse.ledger, {}, target_mb=1)
    assert optimize(warehouse.ledger, {}, target_mb=1).layouts[ROWS].files_after == 1
