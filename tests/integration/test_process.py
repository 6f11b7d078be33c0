"""The command as a process: Ctrl-C, kill -9 and spark-submit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from ringmill.config import load
from ringmill.lake.ledger import Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline.run import run_stages

pytestmark = [pytest.mark.spark, pytest.mark.ring]
ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf" / "default.yaml"
SETTINGS = [
    "generate.customers=300",
    "generate.lines=6000",
    "generate.days=420",
    "features.train_cutoffs=[2024-10-01]",
    "train.epochs=100000",
    "train.patience=100000",
]


@pytest.fixture(scope="module")
def warehouse(spark, tmp_path_factory):
    """A small shop, cleaned and with features, ready for a training that would take hours."""
    folder = str(tmp_path_factory.mktemp("process"))
    run_stages(load(CONF, SETTINGS, warehouse=folder), ["generate", "clean", "features"], session=spark)
    return folder


class Training:
    """`ringmill train` in a session of its own, followed until it says `until`; with all its descendants."""

    def __init__(self, warehouse, *, until):
        command = [sys.executable, "-m", "ringmill", "train", str(CONF), "--warehouse", warehouse]
        settings = [part for setting in SETTINGS for part in ("--set", setting)]
        self.process = subprocess.Popen(
            command + settings, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=warehouse
        )
        self.said = []
        for line in self.process.stderr:
            self.said.append(line)
            if until in line:
                break
        self.descendants = psutil.Process(self.process.pid).children(recursive=True)

    def wait(self):
        """The exit status, once it and all that it started are gone."""
        try:
            self.process.communicate(timeout=120)
            _, alive = psutil.wait_procs(self.descendants, timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            alive = self.descendants
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        assert not alive, f"left behind: {alive}"
        return self.process.returncode


@pytest.mark.long  # a driver that is killed in its second epoch, and nine more, are in test_kills.py
def test_ctrl_c_and_kill_9_leave_no_process_and_the_next_run_goes_on_from_the_checkpoint(warehouse):
    stopped = Training(warehouse, until="epoch 5 ")
    names = [process.name() for process in stopped.descendants]
    assert names.count("java") == 1
    assert len(names) >= 4, names  # Spark's JVM, its Python workers and two ranks
    os.killpg(stopped.process.pid, signal.SIGINT)
    assert stopped.wait() == 130

    killed = Training(warehouse, until="epoch ")
    assert any("going on after epoch" in line for line in killed.said), killed.said
    killed.process.kill()
    assert killed.wait() == -signal.SIGKILL
    assert Ledger(Lake(warehouse)).published("train") is None


def test_a_job_runs_by_spark_submit_and_ends_with_the_status_of_its_kind(warehouse):
    def submit(*extra):
        job = [str(ROOT / "jobs" / "rfm.py"), str(CONF), "--warehouse", warehouse, *extra]
        submit_ = Path(sys.executable).with_name("spark-submit")
        # So short a run is over before the second compiler's work pays.
        options = ["--master", "local[1]", "--driver-java-options", "-XX:TieredStopAtLevel=1"]
        return subprocess.run([submit_, *options, *job], capture_output=True, text=True, cwd=warehouse)

    done = submit()
    assert done.returncode == 0, done.stderr
    assert Ledger(Lake(warehouse)).resolve("rfm").counts["customers"] > 100
    refused = submit("--set", "rfm.cutof=2000-01-01")
    assert refused.returncode == 2, refused.stderr
    said = refused.stdout + refused.stderr  # spark-submit hands a driver's stderr on as stdout
    assert "did you mean 'cutoff'?" in said
    assert "Traceback" not in said
