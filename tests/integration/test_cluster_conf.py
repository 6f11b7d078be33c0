"""conf/spark: every setting is one that Spark knows, has its reason, and agrees with what the code asks for."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ringmill import __version__
from ringmill.train.launch.barrier import check_allocation

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FOLDER = Path(__file__).parents[2] / "conf" / "spark"
FILES = sorted(FOLDER.glob("*.conf"))
CLUSTERS = [file for file in FILES if file.stem != "local"]
# Names with a part that the user chooses, and Delta's and the catalog's, which are not in Spark's own register.
OPEN = re.compile(
    r"spark\.(executorEnv|yarn\.appMasterEnv|kubernetes\.driverEnv)\.PYTHONPATH"
    r"|spark\.(executor|task)\.resource\.gpu\.(amount|discoveryScript|vendor)"
    r"|spark\.kubernetes\.(driver|executor)\.volumes\.persistentVolumeClaim\.warehouse\.(options\.claimName|mount\.path)"
    r"|spark\.master|spark\.databricks\.delta\.snapshotPartitions"
)
# Whose class objects hold the register's entries.
REGISTERS = (
    "org.apache.spark.internal.config.package$",
    "org.apache.spark.internal.config.Python$",
    "org.apache.spark.internal.config.Network$",
    "org.apache.spark.sql.internal.StaticSQLConf$",
    "org.apache.spark.sql.internal.SQLConf$",
    "org.apache.spark.deploy.yarn.config.package$",
    "org.apache.spark.deploy.k8s.Config$",
)


def lines_of(file: Path) -> list[tuple[str, str, bool]]:
    """Key, value, and whether a comment stands before it, of every setting; those that are commented out too."""
    found, said = [], False
    for line in file.read_text().splitlines():
        if setting := re.fullmatch(r"#?(spark\.\S+)\s+(\S.*)", line):
            found.append((setting[1], setting[2], said))
            said = False
        else:
            said = line.startswith("# ") or (said and bool(line))
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_setting_has_its_reason_and_stands_once(file: Path) -> None:
    settings = lines_of(file)
    assert len(settings) > 3
    assert [key for key, _, said in settings if not said] == []
    assert len({key for key, *_ in settings}) == len(settings)


@pytest.mark.parametrize("file", CLUSTERS, ids=lambda file: file.stem)
def test_a_clusters_settings_name_what_is_packed_and_let_a_barrier_stage_run(file: Path) -> None:
    chosen = {key: value for key, value, _ in lines_of(file)}
    check_allocation(chosen)
    assert f"dist/ringmill-{__version__}.zip#ringmill" in chosen["spark.archives"]
    jars = (FOLDER.parents[1] / "scripts" / "lock" / "jars.sha256").read_text().split()[1::2]
    assert chosen["spark.jars"].split(",") == [f"dist/jars/{name}" for name in jars]


@pytest.mark.spark
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_spark_knows_every_setting(spark: SparkSession, file: Path) -> None:
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    for name in REGISTERS:
        jvm.java.lang.Class.forName(name, True, jvm.java.lang.Thread.currentThread().getContextClassLoader())
    entry = jvm.org.apache.spark.internal.config.ConfigEntry
    assert entry.findEntry("spark.executor.memoryOverheads") is None
    names = [key for key, *_ in lines_of(file) if not OPEN.fullmatch(key)]
    assert names
    assert [name for name in names if entry.findEntry(name) is None] == []


def test_the_discovery_script_says_what_nvidia_smi_lists(tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf '0\\n3\\n'\n")
    tool.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    said = subprocess.run([FOLDER / "discover_gpus.sh"], capture_output=True, text=True, env=env, check=True).stdout
    assert json.loads(said) == {"name": "gpu", "addresses": ["0", "3"]}
