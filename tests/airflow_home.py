"""An Airflow of a test's own, with its database and its folder, in the environment of scripts/bootstrap --airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-airflow" / "bin" / "python"
# Seconds count in a test, not what a long job gains from a compiler's second thoughts.
SPARK = """spark.driver.memory 1g
spark.driver.extraJavaOptions -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-DontCompileHugeMethods -XX:-UsePerfData
spark.log.level WARN
"""


@dataclass
class AirflowHome:
    """The commands of scripts/airflow on a home of its own; stages run by this interpreter's Ringmill."""

    folder: Path
    more: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not PYTHON.exists():
            pytest.fail("Airflow's environment is missing: scripts/bootstrap --airflow makes it")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "spark.conf").write_text(SPARK)

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW_CONN_RINGMILL_SPARK": '{"conn_type": "spark", "host": "local[2]"}',
            "PYTHONPATH": str(ROOT / "lib"),
            "RINGMILL_BIN": str(Path(sys.executable).parent),
            "RINGMILL_SPARK_PROPERTIES": str(self.folder / "spark.conf"),
            **self.more,
        }

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """scripts/airflow with these arguments."""
        command = [str(ROOT / "scripts" / "airflow"), *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, cwd=self.folder)

    def ask(self, question: str, *arguments: str) -> Any:
        """The answer to a question of tests/dags/in_airflow.py."""
        command = [str(PYTHON), str(ROOT / "tests" / "dags" / "in_airflow.py"), question, *arguments]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, cwd=self.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])
