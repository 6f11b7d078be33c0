"""Small trainings for the tests that start real ranks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from ringmill.config.models import Train
from ringmill.train.checkpoint import State
from ringmill.train.checkpoints import read_whole
from ringmill.train.launch.local import LocalLauncher
from ringmill.train.run import Launcher, train
from ringmill.train.spec import TrainResult, TrainSpec

# 13 divides by no number of ranks: every rank's stretch of a batch has another length.
SECTION = {
    "hidden": (6, 4),
    "batch": 13,
    "epochs": 40,
    "patience": 40,
    "learning_rate": 0.02,
    "dtype": "float64",
    "memory_mb": 16,
}


def spec_of(table: str, folder: Path, *, ranks: int, version: int = 0, **changes: Any) -> TrainSpec:
    """A spec of the section above, with `changes` to the spec itself or to its section."""
    section = {name: changes.pop(name) for name in list(changes) if name in Train.model_fields}
    return TrainSpec(
        table=table,
        version=version,
        folder=str(folder),
        train=Train(**{**SECTION, "ranks": ranks, **section}),
        seed=11,
        features=3,
        run_id="test",
        **changes,
    )


def run(
    spec: TrainSpec, launcher: Launcher | None = None, on_progress: Callable[[Mapping[str, Any]], None] | None = None
) -> TrainResult:
    return train(spec, launcher or LocalLauncher(), on_progress=on_progress or (lambda line: None))


def final_state(folder: Path) -> State:
    """The state in the newest checkpoint of a run folder, which must be whole."""
    return State.from_bytes(read_whole(max((folder / "checkpoints").iterdir())))[0]


def rank_processes(folder: Path) -> dict[int, psutil.Process]:
    """The running rank processes of one run folder, by rank: a rank's log is its standard output."""
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "ringmill.train.rank" in line and str(folder / "spec.json") in line:
            log = Path(f"/proc/{process.pid}/fd/1").readlink().stem
            found[int(log.removeprefix("rank-"))] = process
    return found


def killer(folder: Path, *, rank: int, epoch: int) -> Callable[[Mapping[str, Any]], None]:
    """A follower of the progress that ends one rank by SIGKILL once `epoch` is over."""

    def follow(line: Mapping[str, Any]) -> None:
        if line["event"] == "epoch" and line["epoch"] == epoch:
            rank_processes(folder)[rank].kill()

    return follow
