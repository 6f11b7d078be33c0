"""From call to results on two ranks inside Spark, beside horovod.spark.run with the same functions in the same session.

Two functions: one that does nothing (rendezvous, ranks and results alone), and one that imports TensorFlow, joins the
ring and sums four numbers. Warm: in a session that has launched both once, by turns. Cold: the first launch of a fresh
session, each in a process of its own; Spark's own start is not part of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# The ranks import the functions by name.
os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])

import launched  # noqa: E402
from common import arguments, claim, write  # noqa: E402

from ringmill.config.models import SparkSection  # noqa: E402

GOALS = {"nothing": 0.4, "allreduce": 0.8}
RANKS = 2


class Launches:
    """Both sides, in one Spark session."""

    def __init__(self, folder: str) -> None:
        from ringmill.lake.session import open_session

        self._folder, self._count = Path(folder), 0
        self.spark = open_session(SparkSection(), name="launch", log=self._folder / "spark.log")
        self.spark.range(2).rdd.count()  # Spark's Python workers are there

    def ours(self, name: str) -> float:
        from ringmill.train.call import call
        from ringmill.train.launch.barrier import BarrierLauncher

        self._count += 1
        folder = self._folder / f"call-{self._count}"
        started = time.perf_counter()
        results = call(f"launched:{name}", BarrierLauncher(self.spark), ranks=RANKS, folder=folder)
        seconds = time.perf_counter() - started
        assert results == [1 if name == "nothing" else float(RANKS)] * RANKS, results
        return seconds

    def theirs(self, name: str) -> float:
        import horovod.spark

        function: Callable[[], Any] = getattr(launched, f"{name}_by_horovod")
        started = time.perf_counter()
        with (self._folder / "horovod.log").open("a") as log:
            results = horovod.spark.run(
                function, num_proc=RANKS, use_gloo=True, verbose=0, stdout=log, stderr=log, env=dict(os.environ)
            )
        seconds = time.perf_counter() - started
        assert results == [1 if name == "nothing" else float(RANKS)] * RANKS, results
        return seconds


def cold(side: str, name: str) -> float:
    """Seconds of the first launch of a fresh session."""
    asked = subprocess.run([sys.executable, __file__, "--cold", side, name], capture_output=True, text=True, check=True)
    return float(json.loads(asked.stdout.splitlines()[-1]))


def main() -> None:
    parser = arguments("launch", __doc__ or "")
    parser.add_argument("--cold", nargs=2, metavar=("SIDE", "NAME"), help="one first launch, its seconds to stdout")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        launches = Launches(folder)
        if options.cold:
            side, name = options.cold
            print(json.dumps(getattr(launches, side)(name)))
            launches.spark.stop()
            return
        claims = [_claim(launches, name, rounds=2 if options.quick else 5) for name in GOALS]
        launches.spark.stop()
    first = claims[0]
    write(options.out, [*claims, first | {"name": "launch_over_horovod_spark_run"}])


def _claim(launches: Launches, name: str, *, rounds: int) -> dict[str, Any]:
    for side in (launches.ours, launches.theirs):
        side(name)
    pairs = [(launches.ours(name), launches.theirs(name)) for _ in range(rounds)]
    ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    return claim(
        f"launch_{name}_over_horovod_spark_run",
        [mine / other for mine, other in pairs],
        unit="× horovod.spark.run, warm",
        goal=GOALS[name],
        better="lower",
        peers={"horovod.spark.run": {"seconds": theirs, "cold seconds": cold("theirs", name)}},
        seconds=ours,
        cold_seconds=cold("ours", name),
    )


if __name__ == "__main__":
    main()
