"""Two executors of one Spark application; one is killed, and then the driver: law 7, and nobody left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
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


@pytest.fixture
def application(table: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The running `cluster_app`, its processes ended when the test is over."""
    home = tmp_path / "spark_home"  # its workers write under Spark's own folder
    home.mkdir()
    for entry in Path(pyspark.__path__[0]).iterdir():
        if entry.name != "work":
            (home / entry.name).symlink_to(entry)
    folders = [str(tmp_path / name) for name in ("first", "second", "log")]
    with (tmp_path / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("cluster_app.py")), table, *folders],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={
                **os.environ,
                "SPARK_HOME": str(home),
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            },
        )
    yield process
    with suppress(psutil.NoSuchProcess):
        for left in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
            with suppress(psutil.NoSuchProcess):
                left.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def lines_until(process: subprocess.Popen[str], event: str, epoch: int | None = None) -> list[Mapping[str, Any]]:
    """What the application says, up to that event."""
    assert process.stdout is not None
    lines = []
    for text in process.stdout:
        lines.append(json.loads(text))
        if lines[-1]["event"] == event and epoch in (None, lines[-1].get("epoch")):
            return lines
    raise AssertionError(f"it ended before '{event}', with status {process.wait()}, after {lines[-3:]}")


def test_law_7_a_killed_executor_is_made_good_and_a_killed_driver_leaves_no_rank_and_resumes(
    table: str, application: subprocess.Popen[str], tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"

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
