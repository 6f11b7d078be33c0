"""Ranks that stall or are lost: named, ended, and started again by themselves; what cannot go better is not."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from handoff.tables import features_table, write_table
from ringmill.errors import PlanError, RankLost, TrainingError
from ringmill.train.launch.barrier import BarrierLauncher
from ringmill.train.launch.local import LocalLauncher
from ringmill.train.launch.process import Launch, RankProcess
from ringmill.train.run import Launcher, plan
from train.runs import Once, final_bits, largest_difference, rank_processes, run, spec_of

pytestmark = pytest.mark.ring


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_table(tmp_path_factory.mktemp("stalls") / "table", features_table(260, seed=5))


@pytest.fixture(scope="module")
def uninterrupted(table: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing disturbed."""
    return run(spec_of(table, tmp_path_factory.mktemp("whole"), ranks=2)).folder


def check_stopped_rank(table: str, folder: Path, launcher: Launcher, uninterrupted: Path) -> None:
    spec = spec_of(table, folder, ranks=2, retries=1, stall_seconds=12)
    stop = Once(lambda: rank_processes(folder)[1].suspend())
    run(spec, launcher, stop)
    (retry,) = stop.named("retry")
    assert retry["cause"].startswith("Rank 1 of the training stalled in epoch ")
    assert "its pulse stopped" in retry["received"]
    assert f"the file it opened last is {table}" in retry["received"]
    assert rank_processes(folder) == {}
    assert stop.named("resumed")[0]["epoch"] >= 3
    assert final_bits(folder) == final_bits(uninterrupted)


def test_law_7_a_stopped_rank_is_named_with_its_file_and_the_run_goes_on_to_the_same_bits(
    table: str, uninterrupted: Path, tmp_path: Path
) -> None:
    check_stopped_rank(table, tmp_path / "run", LocalLauncher(), uninterrupted)


@pytest.mark.spark
@pytest.mark.long
def test_law_7_a_stopped_rank_of_a_barrier_stage_is_named_and_the_run_goes_on_to_the_same_bits(
    spark, table: str, uninterrupted: Path, tmp_path: Path
) -> None:
    check_stopped_rank(table, tmp_path / "run", BarrierLauncher(spark), uninterrupted)


def test_a_rank_whose_storage_does_not_answer_is_named_with_the_file_and_not_the_one_that_waits_for_it(
    tmp_path: Path,
) -> None:
    # Two files of as many rows each: with one row more in the second, whose name decides, rank 0 would read there too.
    rows = features_table(30, seed=1)
    others = rows.set_column(0, "row_id", pc.add(rows["row_id"], 1))
    table = write_table(tmp_path / "table", rows, others)
    # The second half of a split's files is rank 1's. Whoever opens a pipe waits for a writer.
    silent = max(Path(table).glob("split=train/*.parquet"))

    class Silencing(LocalLauncher):
        def check(self, ranks: int) -> None:
            silent.unlink()
            os.mkfifo(silent)

    spec = spec_of(table, tmp_path / "run", ranks=2, version=1, stall_seconds=6)
    with pytest.raises(RankLost, match="Rank 1 of the training stalled in epoch 0, step 0") as caught:
        run(spec, Silencing())
    assert "it has not moved for" in caught.value.received
    assert caught.value.received.endswith(
        f"in phase 'reading rows', epoch 0, step 0; the file it opened last is {silent}"
    )
    assert rank_processes(tmp_path / "run") == {}


def test_a_pulse_shows_the_steps_within_one_graph_call(tmp_path: Path) -> None:
    # 25,000 steps, some five seconds: several pulses fall within them on a machine of twice the speed too.
    table = write_table(tmp_path / "table", features_table(75_000, seed=1))
    job, _ = plan(spec_of(table, tmp_path, ranks=1, batch=1, epochs=1))
    (tmp_path / "spec.json").write_bytes(job.to_bytes())
    rank = RankProcess.start(0, Launch(tmp_path / "spec.json", 1, spec_hash="", bytes_per_rank=0, stall_seconds=300))
    seen: list[Mapping[str, Any]] = []
    rank.watch.hear = seen.append  # type: ignore[method-assign]
    rank.tell({})
    while rank.status is None:
        time.sleep(0.1)
        rank.listen()
    rank.end()
    assert rank.status == 0
    steps = [pulse["step"] for pulse in seen if (pulse["phase"], pulse["epoch"]) == ("training", 1)]
    within = [step for step in steps if 0 < step < job.plan.steps]
    assert within == sorted(set(within)) != []


def test_a_rank_that_is_lost_more_often_than_it_may_be_ends_the_run_and_law_7_holds_for_other_ranks(
    table: str, uninterrupted: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    lines = []

    def kill(line) -> None:
        lines.append(line)
        if line["event"] == "epoch" and line["epoch"] in (3, 20):
            rank_processes(folder)[1].kill()

    with pytest.raises(RankLost, match="Rank 1 of the training failed"):
        run(spec_of(table, folder, ranks=2, retries=1), LocalLauncher(), kill)
    assert [line["event"] for line in lines].count("retry") == 1
    assert rank_processes(folder) == {}
    # Another number of ranks goes on in the same order of rows: equal up to the order of a sum.
    run(spec_of(table, folder, ranks=1))
    assert largest_difference(folder, uninterrupted) <= 1e-9


def test_a_loss_that_is_no_number_is_one_error_with_its_step_and_is_not_tried_again(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table", features_table(60, seed=1))
    spec = spec_of(table, tmp_path / "run", ranks=2, learning_rate=1e200, warmup_epochs=0, retries=2)
    lines = []
    with pytest.raises(TrainingError, match=r"no number any more in epoch \d+, step \d+") as caught:
        run(spec, on_progress=lines.append)
    assert not isinstance(caught.value, RankLost)
    assert "retry" not in [line["event"] for line in lines]
    assert not (tmp_path / "run" / "manifest.json").exists()


@pytest.mark.parametrize("order", ["global", "striped"])
def test_weights_that_an_update_carried_away_are_never_kept_within_an_epoch(order: str, tmp_path: Path) -> None:
    table = write_table(tmp_path / "table", features_table(60, seed=1))
    away = {"learning_rate": 1e200, "warmup_epochs": 0, "checkpoint_steps": 1, "order": order, "window_rows": 13}
    with pytest.raises(TrainingError, match=r"no number any more in epoch 1, step 1\."):
        run(spec_of(table, tmp_path / "run", ranks=2, **away))
    assert not list((tmp_path / "run").rglob("*.checkpoint"))


@pytest.mark.parametrize("moment", ["before the plan", "between plan and read"])
def test_a_version_whose_file_is_gone_is_one_error_that_names_it_and_leaves_nothing_half_written(
    moment: str, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "table", features_table(60, seed=1))
    gone = next(Path(table).glob("split=validation/*.parquet"))

    class Vacuuming(LocalLauncher):
        def check(self, ranks: int) -> None:
            gone.unlink(missing_ok=True)

    if moment == "before the plan":
        gone.unlink()
    lines = []
    with pytest.raises(TrainingError, match="A file of the pinned table version cannot be read") as caught:
        run(spec_of(table, tmp_path / "run", ranks=1, retries=2), Vacuuming(), lines.append)
    assert str(gone) in caught.value.received
    assert "vacuumed" in caught.value.todo
    assert lines == []
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {"spec.json", "progress.jsonl", "rank-0.log"}


def test_a_version_that_is_gone_before_the_plan_starts_nothing(tmp_path: Path) -> None:
    table = write_table(tmp_path / "table", features_table(60, seed=1))
    with pytest.raises(PlanError, match="The pinned version 7 of the table cannot be read"):
        run(spec_of(table, tmp_path / "run", ranks=1, version=7))
    assert not (tmp_path / "run").exists()
