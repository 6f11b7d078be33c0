"""The hand-off beside the same loop fed from memory, and beside Horovod's KerasEstimator with Petastorm.

A million rows of 32 float features and two labels in a Delta table, a 64–32 MLP, 256 rows a rank and step, two ranks.

`feed_over_memory`: rows per second of epochs from the hand-off, over those of epochs from rows that never were in a
file, by turns in the same processes, in both orders. `handoff_over_keras_estimator`: rows per second after the first
epoch of a whole training inside Spark, over KerasEstimator's, which trains a 64–32–1 MLP on the same features and the
purchase label; our model has a second head, for spend. `first_step_over_keras_estimator`: from the call until the first
64 steps are done and in a checkpoint, over the estimator's time until its first step begins, call by call, both without
the first call in a session, which is cold: five of each, two with --quick. The estimator runs in an environment of its
own (estimator_peer.py), one after the other with ours.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
# The ranks import their functions by name.
os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from common import arguments, claim, write  # noqa: E402
from deltalake import write_deltalake  # noqa: E402
from estimator_peer import PeerFailed, fits  # noqa: E402

from ringmill.config.models import SparkSection  # noqa: E402
from ringmill.config.train import Train  # noqa: E402
from ringmill.train.call import call  # noqa: E402
from ringmill.train.launch.barrier import BarrierLauncher  # noqa: E402
from ringmill.train.launch.local import LocalLauncher  # noqa: E402
from ringmill.train.run import plan, train  # noqa: E402
from ringmill.train.spec import TrainSpec  # noqa: E402

FEATURES, RANKS, PER_RANK = 32, 2, 256
ROWS, QUICK = 1_000_000, 200_000


def write_rows(folder: Path, rows: int) -> str:
    """A features table of `rows` rows to train with and 2,000 more, in eight files a split; and rows.parquet for the
    peer: the same rows to train with."""
    generator = np.random.default_rng(7)
    count = rows + 2_000
    x = generator.standard_normal(count * FEATURES, np.float32)
    buy = (x.reshape(count, FEATURES)[:, :4].sum(axis=1) + generator.normal(size=count) > 0).astype(float)
    offsets = np.arange(0, count * FEATURES + 1, FEATURES, dtype=np.int32)
    split = np.full(count, "train", object)
    split[rows : rows + 1_000], split[rows + 1_000 :] = "validation", "test"
    table = pa.table(
        {
            "row_id": np.arange(count),
            "x": pa.ListArray.from_arrays(offsets, pa.array(x)),
            "label_buy": buy,
            "label_spend": buy * 10.0,
            "split": pa.array(split),
        }
    )
    path = str(folder / "features")
    bounds = [part * count // 8 for part in range(9)]
    for start, stop in pairwise(bounds):
        write_deltalake(path, table.slice(start, stop - start), mode="append", partition_by=["split"])
    peer = table.slice(0, rows).select(["x", "label_buy"]).rename_columns(["x", "y"])
    pq.write_table(peer, folder / "rows.parquet")
    return path


def spec_of(table: str, folder: Path, **section: Any) -> TrainSpec:
    chosen = {
        "ranks": RANKS,
        "batch": RANKS * PER_RANK,
        "model": {"kind": "mlp", "hidden": (64, 32)},
        "patience": 100,
        "memory_mb": 2048,
    }
    return TrainSpec(
        table=table,
        version=7,
        folder=str(folder),
        train=Train(**{**chosen, **section}),
        seed=1,
        features=FEATURES,
        run_id="bench",
    )


def feeds(table: str, folder: Path, *, epochs: int) -> list[dict[str, Any]]:
    """Both orders beside memory."""
    claims = []
    for order, name in (("global", "feed_over_memory"), ("striped", "striped_feed_over_memory")):
        home = folder / f"feed-{order}"
        home.mkdir()
        job, handed = plan(spec_of(table, home, order=order))
        (home / "job.json").write_bytes(job.to_bytes())
        more = {"spec": str(home / "job.json"), "epochs": epochs}
        found = call("ringed:feed_seconds", LocalLauncher(), ranks=RANKS, folder=home, arguments=more)
        sides = {side: [one[side] for one in found] for side in ("handed", "memory")}
        # An epoch is over when the slower rank is.
        slower = {side: [max(both) for both in zip(*times, strict=True)] for side, times in sides.items()}
        peers = {
            "rows/s from memory": [job.plan.rows / seconds for seconds in slower["memory"]],
            "plan": handed.lines(),
        }
        claims.append(
            claim(
                name,
                [memory / ours for ours, memory in zip(slower["handed"], slower["memory"], strict=True)],
                unit="of the rows/s from memory",
                goal=0.95,
                better="higher",
                peers=peers,
                rows_per_second=[job.plan.rows / seconds for seconds in slower["handed"]],
            )
        )
    return claims


class Times:
    """When each kind of event was first seen."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}

    def __call__(self, line: Mapping[str, Any]) -> None:
        self.first.setdefault(line["event"], time.time())


def trainings(table: str, folder: Path, *, epochs: int, first_steps: int) -> list[dict[str, Any]]:
    """Trainings in one Spark session, the cold one and `first_steps` more: seconds until 64 steps are done, bytes
    copied; and of the last two, each of which a whole one follows, rows per second."""
    from ringmill.lake.session import open_session

    spark = open_session(SparkSection(), name="handoff", log=folder / "spark.log")
    found = []
    try:
        for turn in range(turns := 1 + first_steps):
            launcher, times = BarrierLauncher(spark), Times()
            began = time.time()
            first = spec_of(table, folder / f"first-{turn}", epochs=1, checkpoint_steps=64)
            done, pace = train(first, launcher, on_progress=times), []
            if turn >= turns - 2:
                whole = train(spec_of(table, folder / f"whole-{turn}", epochs=epochs), launcher)
                pace = [RANKS * epoch["rows_per_second"] for epoch in whole.history[1:]]
            found.append(
                {
                    "to_first_64_steps": times.first["step"] - began,
                    "rows_per_second": pace,
                    "bytes_copied": done.manifest["laws"]["8"]["bytes_written_while_reading"],
                }
            )
    finally:
        spark.stop()
    return found


def beside_the_estimator(table: str, folder: Path, *, rows: int, epochs: int, first_steps: int) -> list[dict[str, Any]]:
    ours = trainings(table, folder, epochs=epochs, first_steps=first_steps)
    try:
        theirs = fits(folder / "rows.parquet", epochs=epochs, batch=PER_RANK, first_steps=first_steps)
    except PeerFailed as error:
        # Without the peer there is no ratio; what we did stays on record, and so does why there is none.
        return [_bytes_copied(ours, {"KerasEstimator failed": str(error)}) | {"ours": ours}]
    pace = [rows / seconds for one in theirs for seconds in one["epochs"]]
    peers = {"KerasEstimator, each fit": theirs, "KerasEstimator, rows/s": pace}
    speed = [found for one in ours for found in one["rows_per_second"]]
    more: dict[str, Any] = {"peers": peers, "ours": ours}
    return [
        claim(
            "handoff_over_keras_estimator",
            [found / median(pace) for found in speed],
            unit="× its rows/s",
            goal=2.5,
            better="higher",
            **more,
        ),
        claim(
            "first_step_over_keras_estimator",
            # The first of each is cold.
            [mine["to_first_64_steps"] / one["to_first_step"] for mine, one in zip(ours[1:], theirs[1:], strict=True)],
            unit="× its seconds to the first step",
            goal=0.5,
            better="lower",
            **more,
        ),
        _bytes_copied(ours, {"KerasEstimator, bytes written": [one["bytes_written"] for one in theirs]}),
    ]


def _bytes_copied(ours: list[dict[str, Any]], peers: dict[str, Any]) -> dict[str, Any]:
    copied = [one["bytes_copied"] for one in ours]
    unit = "bytes between features and the first step"
    return claim("bytes_copied", copied, unit=unit, goal=0, better="lower", peers=peers)


def main() -> None:
    options = arguments("handoff", __doc__ or "").parse_args()
    rows = QUICK if options.quick else ROWS
    epochs = 3 if options.quick else 6
    first_steps = 2 if options.quick else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = write_rows(folder, rows)
        claims = feeds(table, folder, epochs=epochs)
        print(json.dumps({one["name"]: one["value"] for one in claims}))
        claims += beside_the_estimator(table, folder, rows=rows, epochs=epochs, first_steps=first_steps)
    write(options.out, claims)


if __name__ == "__main__":
    main()
