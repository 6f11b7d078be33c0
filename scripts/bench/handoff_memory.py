"""What two ranks hold of a table: in the order 'global' one decoded copy between them, in 'striped' two windows each.

A generated table of 32 features is trained on for one epoch. Ten times a second the ranks' proportional set sizes are
summed, in which memory that several processes map counts once; what the same training holds on a table of 2,000 rows
is taken off. The peak that remains is compared with what the plan states before anything is started, and, in the order
'striped', with the peak on the smallest table. The rows that the ranks hold would otherwise be a copy in each of them.
"""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
from common import arguments, claim, write
from deltalake import DeltaTable, write_deltalake

from ringmill.config.tasks import Model
from ringmill.config.train import Train
from ringmill.pipeline.memory import tree_bytes
from ringmill.train.launch.local import LocalLauncher
from ringmill.train.run import plan, train
from ringmill.train.spec import TrainSpec

SIZES, QUICK, EMPTY = (1_000_000, 10_000_000), (1_000_000, 2_000_000), 2_000
RANKS, FEATURES, AT_ONCE = 2, 32, 1_000_000
GOAL_STATED, GOAL_FLAT = 1.0, 1.5


def write_table(path: Path, rows: int) -> None:
    """Drawn rows, appended a million at a time; 17 of 20 are train rows."""
    draw = np.random.default_rng(rows)
    splits = np.array(["train"] * 17 + ["validation"] * 2 + ["test"])
    offsets = np.arange(0, AT_ONCE * FEATURES + 1, FEATURES, dtype=np.int32)
    for first in range(0, rows, AT_ONCE):
        count = min(AT_ONCE, rows - first)
        x = draw.random(count * FEATURES, np.float32)
        buy = (x[::FEATURES] > 0.5).astype(float)
        columns = {
            "row_id": np.arange(first, first + count),
            "x": pa.ListArray.from_arrays(offsets[: count + 1], pa.array(x)),
            "label_buy": buy,
            "label_spend": buy * 3.5,
            "split": splits[np.arange(count) % 20],
        }
        write_deltalake(str(path), pa.table(columns), mode="append", partition_by=["split"])


def spec(table: Path, folder: Path, order: str) -> TrainSpec:
    section = Train(
        ranks=RANKS,
        launcher="local",
        order=order,
        model=Model(kind="mlp", hidden=(64, 32)),
        batch=256 * RANKS,
        epochs=1,
        memory_mb=2**20,
    )
    version = DeltaTable(str(table)).version()
    return TrainSpec(str(table), version, str(folder), section, seed=1, features=FEATURES, run_id="bench")


def peak(job: TrainSpec) -> int:
    """The highest sum of the ranks' proportional set sizes, in bytes."""
    found, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            found.append(sum(tree_bytes(child) for child in psutil.Process().children()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        train(job, LocalLauncher())
    finally:
        ended.set()
        watcher.join()
    return max(found)


def measured(home: Path, order: str, rows: int) -> dict[str, Any]:
    """Of one order and size: what is held beside an empty run, and what was stated."""
    handed = plan(spec(home / f"{rows}", home / "plan", order))[1]
    held, empty = (peak(spec(home / f"{size}", home / f"run-{order}-{size}", order)) for size in (rows, EMPTY))
    # An id, the features and two labels of each row.
    copies = {"a copy in each rank, bytes": RANKS * rows * (8 + 4 * FEATURES + 16)}
    return {
        "order": order,
        "rows": rows,
        "held": held - empty,
        "stated": handed.host_bytes(ranks=RANKS),
        "empty": empty,
        "peers": copies,
    }


def claims_of(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    claims = [
        claim(
            f"held_over_stated_{one['order']}_{one['rows'] / 1e6:g}m",
            [one["held"] / one["stated"]],
            unit="×",
            goal=GOAL_STATED,
            better="lower",
            peers=one["peers"],
            held_bytes=one["held"],
            stated_bytes=one["stated"],
            empty_run_bytes=one["empty"],
        )
        for one in found
    ]
    striped = [one for one in found if one["order"] == "striped"]
    grown, peers = striped[-1]["held"] / striped[0]["held"], {f"{one['rows']:,} rows": one["held"] for one in striped}
    flat = claim("striped_memory_growth", [grown], unit="×", goal=GOAL_FLAT, better="lower", peers=peers)
    return [*claims, flat]


def main() -> None:
    parser = arguments("handoff_memory", __doc__ or "")
    parser.add_argument("--sizes", type=int, nargs="+", help="rows of the table")
    options = parser.parse_args()
    sizes = sorted(options.sizes or (QUICK if options.quick else SIZES))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for rows in (EMPTY, *sizes):
            write_table(home / f"{rows}", rows)
        found = [measured(home, order, rows) for order in ("global", "striped") for rows in sizes]
    write(options.out, claims_of(found))


if __name__ == "__main__":
    main()
