"""Client mode on a standalone cluster of two workers, with nothing of this checkout but what scripts/package made."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pyspark
import pytest

from ringmill.config import load
from ringmill.lake.ledger import Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline.run import run_stages

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.ring, pytest.mark.long]
ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf" / "default.yaml"
SETTINGS = [
    "generate.customers=300",
    "generate.lines=6000",
    "generate.days=420",
    "features.train_cutoffs=[2024-10-01]",
    "train.ranks=2",
    "train.epochs=3",
]
PATIENCE = 120.0


@dataclass(frozen=True)
class Cluster:
    """A master's address, and the folder under which each worker has one of its own name."""

    address: str
    folder: Path


@pytest.fixture(scope="module")
def packaged() -> None:
    """The folder dist, as scripts/package leaves it."""
    subprocess.run([ROOT / "scripts" / "package"], check=True, capture_output=True)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master on the loopback with two workers of one core each."""
    folder = tmp_path_factory.mktemp("standalone")
    home = folder / "spark_home"  # workers write under Spark's own folder
    home.mkdir()
    for entry in Path(pyspark.__path__[0]).iterdir():
        if entry.name not in ("work", "logs") and not entry.name.startswith("__"):
            (home / entry.name).symlink_to(entry)
    port, page = _free_port(), _free_port()
    address = f"spark://127.0.0.1:{port}"
    own = ["--host", "127.0.0.1"]
    daemon = "org.apache.spark.deploy"
    with ExitStack() as stack:
        _start(stack, folder, home, f"{daemon}.master.Master", *own, "--port", str(port), "--webui-port", str(page))
        for name in ("one", "two"):
            place = ["--work-dir", str(folder / name), "--cores", "1", "--memory", "2g", "--webui-port", "0"]
            _start(stack, folder, home, f"{daemon}.worker.Worker", *own, *place, address)
        _until_alive(f"http://127.0.0.1:{page}/json/", workers=2)
        yield Cluster(address, folder)


def _start(stack: ExitStack, folder: Path, home: Path, kind: str, *words: str) -> None:
    log = stack.enter_context((folder / f"{kind}-{len(list(folder.iterdir()))}.log").open("w"))
    env = {
        # What a worker of another host would have: no Python of this environment.
        **{key: value for key, value in os.environ.items() if key in ("PATH", "JAVA_HOME", "HOME", "LANG")},
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
    }
    command = [str(home / "bin" / "spark-class"), kind, *words]
    process = subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)

    def end() -> None:
        everyone = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for one in everyone:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.wait()

    stack.callback(end)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until_alive(url: str, *, workers: int) -> None:
    deadline = time.monotonic() + PATIENCE
    said = ""
    while time.monotonic() < deadline:
        with suppress(OSError):
            said = urllib.request.urlopen(url, timeout=5).read().decode()
            if said.count('"state" : "ALIVE"') == workers:
                return
        time.sleep(0.5)
    raise AssertionError(f"no {workers} workers after {PATIENCE} s: {said}")


@pytest.fixture(scope="module")
def warehouse(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("shared"))
    run_stages(load(CONF, SETTINGS, warehouse=folder), ["generate", "clean", "features"], session=spark)
    return folder


def submit(cluster: str, job: str, warehouse: str) -> subprocess.Popen[str]:
    """spark-submit as conf/spark/standalone.conf says, from the folder that holds dist."""
    command: Sequence[str | Path] = [
        Path(sys.executable).parent / "spark-submit",
        *("--master", cluster, "--properties-file", ROOT / "conf" / "spark" / "standalone.conf"),
        *("--conf", f"spark.pyspark.driver.python={sys.executable}", "--conf", "spark.executor.memory=1g"),
        *("--conf", "spark.driver.host=127.0.0.1", "--driver-memory", "1g"),
        *(ROOT / "jobs" / f"{job}.py", CONF, "--warehouse", warehouse),
        *(word for setting in SETTINGS for word in ("--set", setting)),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)


def ranks_of(cluster_folder: Path, process: subprocess.Popen[str]) -> Mapping[int, Mapping[str, str]]:
    """Of each rank that runs below the folder while the process does: its interpreter and its path for modules."""
    found: dict[int, Mapping[str, str]] = {}
    while process.poll() is None:
        for one in psutil.process_iter(["cmdline", "cwd", "exe", "environ"]):
            words = one.info["cmdline"] or []
            if "ringmill.train.rank" in words and str(one.info["cwd"]).startswith(str(cluster_folder)):
                found[one.pid] = {
                    "cwd": one.info["cwd"],
                    "exe": one.info["exe"],
                    "modules": one.info["environ"]["PYTHONPATH"],
                }
        time.sleep(0.2)
    return found


def test_ranks_train_on_both_workers_in_the_packed_environment_and_the_model_scores(
    cluster: Cluster, packaged: None, warehouse: str
) -> None:
    training = submit(cluster.address, "train", warehouse)
    ranks = ranks_of(cluster.folder, training)
    said, _ = training.communicate()
    assert training.returncode == 0, said[-4000:]
    assert sorted(Path(rank["cwd"]).relative_to(cluster.folder).parts[0] for rank in ranks.values()) == ["one", "two"]
    for rank in ranks.values():
        assert Path(rank["exe"]).is_relative_to(rank["cwd"]), rank
        assert "./ringmill" in rank["modules"].split(":")
        assert str(ROOT / "lib") not in rank["modules"].split(":")

    scoring = submit(cluster.address, "score", warehouse)
    said, _ = scoring.communicate()
    assert scoring.returncode == 0, said[-4000:]
    ledger = Ledger(Lake(warehouse))
    assert "on 2 ranks" in ledger.resolve("train").detail["summary"]
    assert ledger.resolve("score").counts["customers"] > 100
