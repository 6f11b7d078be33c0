"""A Spark application of its own on local-cluster[2,1,1024]: trains twice on two executors, and says how it goes.

Arguments: the table, the folder of the first run, the folder of the second, a folder for Spark's log. Each line that it
prints is one of a run's progress.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ringmill.config.models import SparkSection
from ringmill.lake.session import open_session
from ringmill.train.launch.barrier import BarrierLauncher
from train.runs import run, spec_of


def say(line: Mapping[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def main() -> None:
    table, first, second, log = sys.argv[1:]
    section = SparkSection(master="local-cluster[2,1,1024]", driver_memory="512m", shuffle_partitions=2)
    spark = open_session(section, name="cluster", log=Path(log) / "spark.log")
    for folder in (first, second):
        run(spec_of(table, Path(folder), ranks=2, retries=1), BarrierLauncher(spark), say)
    spark.stop()


if __name__ == "__main__":
    main()
