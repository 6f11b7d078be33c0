"""Two executors of one Spark application: a rank, an executor or the driver is killed, a rank is stopped, a loss is no
number. Law 7, one error where no new start helps, and nobody left behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pyspark
import pytest

from handoff.tables import features_table, write_table
from train.runs import final_bits, rank_processes, run, spec_of

pytestmark = [pytest.mark.ring, pytest.mark.spark, pytest.mark.long]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_table(tmp_path_factory.mktemp("cluster") / "table", features_table(260, seed=5))


Start = Callable[[list[tuple[str, Path, dict[str, Any]]]], subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `cluster_app` with some runs; its processes are ended when the test is over."""
    home = tmp_path / "spark_home"  # its workers write under Spark's own folder
    home.mkdir()
    for entry in Path(pyspark.__path__[0]).iterdir():
        if entry.name != "work":
            (home / entry.name).symlink_to(entry)
    started: list[subprocess.Popen[str]] = []

    def begin(runs: list[tuple[str, Path, dict[str, Any]]]) -> subprocess.Popen[str]:
        with (tmp_path / "stderr").open("w") as stderr:
            process = subprocess.Popen(
                [
                    sys.executable,
                    str(Path(__file__).with_name("cluster_app.py")),
                    str(tmp_path / "log"),
                    json.dumps(runs, default=str),
                ],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={
                    **os.environ,
                    "SPARK_HOME": str(home),
                    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                },
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        with suppress(psutil.NoSuchProcess):
            for left in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
                with suppress(psutil.NoSuchProcess):
                    left.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def lines_until(
    process: subprocess.Popen[str], event: str, epoch: int | None = None, step: int | None = None
) -> list[Mapping[str, Any]]:
    """What the application says, up to that event."""
    assert process.stdout is not None
    lines = []
    for text in process.stdout:
        lines.append(json.loads(text))
        last = lines[-1]
        if last["event"] == event and epoch in (None, last.get("epoch")) and step in (None, last.get("step")):
            return lines
    raise AssertionError(f"it ended before '{event}', with status {process.wait()}, after {lines[-3:]}")


def test_law_7_a_killed_executor_is_made_good_and_a_killed_driver_leaves_no_rank_and_resumes(
    table: str, start: Start, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    application = start([(table, folder, {"retries": 1}) for folder in (first, second)])

    lines_until(application, "epoch", 3)
    rank = rank_processes(first)[1]
    executor = next(parent for parent in rank.parents() if "CoarseGrainedExecutorBackend" in " ".join(parent.cmdline()))
    executor.kill()
    rest = lines_until(application, "done")
    (retry,) = [line for line in rest if line["event"] == "retry"]
    assert "ExecutorLostFailure" in retry["received"]
    assert next(line["epoch"] for line in rest if line["event"] == "resumed") >= 3

    lines_until(application, "epoch", 3)
    driver = psutil.Process(application.pid)
    everyone, ranks = driver.children(recursive=True), list(rank_processes(second).values())
    assert len(ranks) == 2
    driver.kill()
    _, alive = psutil.wait_procs([*ranks, *everyone], timeout=60)
    assert alive == []
    events: list[Mapping[str, Any]] = []
    run(spec_of(table, second, ranks=2), on_progress=events.append)
    assert next(line["epoch"] for line in events if line["event"] == "resumed") >= 3
    whole = run(spec_of(table, tmp_path / "whole", ranks=2)).folder
    assert final_bits(first) == final_bits(second) == final_bits(whole)


def test_law_7_a_killed_and_a_stopped_rank_are_named_and_made_good_and_a_loss_that_is_no_number_is_not_tried_again(
    table: str, start: Start, tmp_path: Path
) -> None:
    killed, stopped, wild = (tmp_path / name for name in ("killed", "stopped", "wild"))
    application = start(
        [
            (table, killed, {"retries": 1, "checkpoint_steps": 2}),
            (table, stopped, {"retries": 1, "stall_seconds": 12}),
            (table, wild, {"retries": 2, "learning_rate": 1e200, "warmup_epochs": 0}),
        ]
    )

    # SIGKILL of a rank within an epoch: it goes on there.
    lines_until(application, "step", 3, 4)
    rank_processes(killed)[1].kill()
    rest = lines_until(application, "done")
    (retry,) = [line for line in rest if line["event"] == "retry"]
    assert retry["cause"] == "Rank 1 of the training failed."
    assert "killed by signal 9" in retry["received"]
    resumed = next(line for line in rest if line["event"] == "resumed")
    assert (resumed["epoch"], resumed["step"]) >= (2, 4)

    # SIGSTOP of a rank: it is named with its step and file, and ended.
    lines_until(application, "epoch", 3)
    rank = rank_processes(stopped)[1]
    rank.suspend()
    began = time.monotonic()
    (retry,) = [line for line in lines_until(application, "retry") if line["event"] == "retry"]
    assert time.monotonic() - began < 12 + 10
    assert retry["cause"].startswith("Rank 1 of the training stalled in epoch ")
    assert "its pulse stopped" in retry["received"]
    assert f"the file it opened last is {table}" in retry["received"]
    assert not rank.is_running()
    rest = lines_until(application, "done")
    assert next(line["epoch"] for line in rest if line["event"] == "resumed") >= 3

    # A loss that is no number: one error with its step, and no other start.
    (*before, failed) = lines_until(application, "failed")
    assert "retry" not in [line["event"] for line in before]
    assert not failed["lost"]
    assert re.search(r"no number any more in epoch \d+, step \d+", failed["what"])
    assert not (wild / "manifest.json").exists() and not (wild / "model.keras").exists()

    assert application.wait(timeout=60) == 0
    assert [rank_processes(folder) for folder in (killed, stopped, wild)] == [{}, {}, {}]
    whole = run(spec_of(table, tmp_path / "whole", ranks=2)).folder
    assert final_bits(killed) == final_bits(stopped) == final_bits(whole)
