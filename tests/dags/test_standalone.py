"""Two days of UCI Online Retail under a scheduler of Airflow's own: a backfill, and the trainings that it starts."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import yaml

from airflow_home import ROOT, AirflowHome
from ringmill.lake.ledger import Ledger
from ringmill.lake.tables import Lake

pytestmark = [pytest.mark.long, pytest.mark.ring, pytest.mark.spark]


class Standalone:
    """`airflow standalone` on a home and a port of its own, on the loopback; left without a process of it."""

    def __init__(self, airflow: AirflowHome) -> None:
        self.airflow = airflow
        with closing(socket.socket()) as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        airflow.more |= {
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        }
        with (airflow.folder / "standalone.log").open("w") as log:
            command = [str(ROOT / "scripts" / "airflow"), "standalone"]
            self.process = subprocess.Popen(
                command, env=airflow.env, stdout=log, stderr=log, start_new_session=True, cwd=airflow.folder
            )

    def wait_until_healthy(self) -> None:
        while self.process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/api/v2/monitor/health") as answer:
                parts = json.load(answer)
                if all(parts[name]["status"] == "healthy" for name in ("metadatabase", "scheduler", "dag_processor")):
                    return
            time.sleep(2)
        raise AssertionError((self.airflow.folder / "standalone.log").read_text()[-3000:])

    def runs(self) -> list[tuple[str, str, str]]:
        """DAG, type and state of every run, in the order of their beginning."""
        asked = "SELECT dag_id, run_type, state FROM dag_run ORDER BY id"
        with closing(sqlite3.connect(f"file:{self.airflow.folder}/airflow.db?mode=ro", uri=True)) as database:
            return list(database.execute(asked))

    def tasks(self, state: str) -> list[str]:
        asked = "SELECT dag_id || '.' || task_id FROM task_instance WHERE state = ? ORDER BY 1"
        with closing(sqlite3.connect(f"file:{self.airflow.folder}/airflow.db?mode=ro", uri=True)) as database:
            return [name for (name,) in database.execute(asked, (state,))]

    def wait_for(self, ledger: Ledger, day: str) -> None:
        """Until a training with the features of that day, and every run, have ended."""
        while self.process.poll() is None:
            trained = [row for row in ledger.entries() if row.stage == "train"]
            began = any(row.detail["config"]["raw"]["up_to"] == day for row in trained)
            if began and all(state in ("success", "failed") for _, _, state in self.runs()):
                return
            time.sleep(3)
        raise AssertionError((self.airflow.folder / "standalone.log").read_text()[-3000:])

    def stop(self) -> None:
        """What is ended by SIGTERM leaves its children behind."""
        if self.process.poll() is not None:
            return
        started = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        for process in psutil.wait_procs(started, timeout=30)[1]:
            with suppress(psutil.NoSuchProcess):
                process.kill()


@contextmanager
def airflow_of_a_shop(tmp_path: Path, by_day: Path) -> Iterator[Standalone]:
    """Airflow with the DAGs of a shop whose files are all there, and a backfill of two days that is asked for.

    It is asked for before the scheduler begins: SQLite, Airflow's own database, refuses a second writer.
    """
    shutil.copytree(by_day, tmp_path / "raw")
    # Runs that an asset starts are asked for nothing: what is to be quick stands in the YAML.
    quick = yaml.safe_load((ROOT / "conf" / "online_retail.yaml").read_text(encoding="utf-8"))
    quick["clean"]["match_cancellations"] = False
    quick["rfm"] = {"clusters": {"k": 3}, "lifetime": {"least_repeat_customers": 100_000}}
    quick["train"] = {"epochs": 2, "ranks": 1}
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(quick), encoding="utf-8")
    home = AirflowHome(
        tmp_path / "airflow",
        {
            "RINGMILL_CONF": str(tmp_path / "shop.yaml"),
            "RINGMILL_RAW": str(tmp_path / "raw"),
            "RINGMILL_WAREHOUSE": str(tmp_path / "lake"),
            "RINGMILL_LAST_DAY": "2011-12-05",  # or it would begin with yesterday
        },
    )
    # A backfill has a bound of its own: without it both days would clean at once, and one of them lose the race.
    bounded = ["backfill", "create", "--dag-id", "ringmill_daily", "--max-active-runs", "1"]
    days = ["--from-date", "2011-12-04", "--to-date", "2011-12-05"]
    for command in (
        ["set-up"],
        ["dags", "reserialize"],
        ["dags", "unpause", "--yes", "ringmill_daily"],
        ["dags", "unpause", "--yes", "ringmill_train"],
        [*bounded, *days, "--dag-run-conf", '{"horizon_days": 2, "months": 1}'],
    ):
        done = home(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    started = Standalone(home)
    try:
        started.wait_until_healthy()
        yield started
    finally:
        started.stop()


@pytest.fixture
def standalone(tmp_path: Path, online_retail: Path) -> Iterator[Standalone]:
    with airflow_of_a_shop(tmp_path, online_retail / "by_day") as started:
        yield started


def test_a_backfill_of_two_days_starts_the_trainings_of_their_features(standalone: Standalone, tmp_path: Path) -> None:
    ledger = Ledger(Lake(str(tmp_path / "lake")))
    standalone.wait_for(ledger, "2011-12-05")
    runs = standalone.runs()
    assert {state for _, _, state in runs} == {"success"}
    assert [kind for dag, kind, _ in runs if dag == "ringmill_daily"] == ["backfill", "backfill"]
    trainings = [kind for dag, kind, _ in runs if dag == "ringmill_train"]
    assert {*trainings} == {"asset_triggered"} and 1 <= len(trainings) <= 2  # two events may start one run
    assert standalone.tasks("failed") == []
    # A training goes on with the day and the parameters of the run that made its features.
    trained = ledger.resolve("train").detail["config"]
    assert trained["raw"]["up_to"] == "2011-12-05"
    assert trained["features"]["horizon_days"] == 2
    assert ledger.resolve("rfm").detail["cutoff"] == "2011-12-06"
