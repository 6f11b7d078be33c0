"""A Spark application of its own on local-cluster[2,1,1024]: trains on two executors, and says how it goes.

Arguments: a folder for Spark's log, then JSON: a list of runs, each the table, the run's folder, and what is changed of
the small section. Each line that it prints is one of a run's progress; a run that fails says {"event": "failed"}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ringmill.config.models import SparkSection
from ringmill.errors import RankLost, TrainingError
from ringmill.lake.session import open_session
from ringmill.train.launch.barrier import BarrierLauncher
from train.runs import run, spec_of


def say(line: Mapping[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def main() -> None:
    log, runs = sys.argv[1:]
    section = SparkSection(master="local-cluster[2,1,1024]", driver_memory="512m", shuffle_partitions=2)
    spark = open_session(section, name="cluster", log=Path(log) / "spark.log")
    for table, folder, changes in json.loads(runs):
        try:
            run(spec_of(table, Path(folder), ranks=2, **changes), BarrierLauncher(spark), say)
        except TrainingError as error:
            say({"event": "failed", "lost": isinstance(error, RankLost), **error.parts()})
    spark.stop()


if __name__ == "__main__":
    main()
