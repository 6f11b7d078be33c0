"""Small trainings for the tests that start real ranks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from ringmill.config.train import Train
from ringmill.handoff.memory import NAME
from ringmill.train.checkpoint import State
from ringmill.train.checkpoints import read_whole
from ringmill.train.launch.local import LocalLauncher
from ringmill.train.run import Launcher, train
from ringmill.train.spec import TrainResult, TrainSpec

# 13 divides by no number of ranks: every rank's stretch of a batch has another length.
SECTION = {
    "model": {"kind": "mlp", "hidden": (6, 4)},
    "batch": 13,
    "epochs": 40,
    "patience": 40,
    "learning_rate": 0.02,
    "dtype": "float64",
    "memory_mb": 16,
    "retries": 0,
}


@contextmanager
def without_horovod(home: Path) -> Iterator[None]:
    """Processes that are started meanwhile cannot import Horovod."""
    block = home / "without_horovod"
    block.mkdir()
    (block / "sitecustomize.py").write_text("import sys; sys.modules['horovod'] = None")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(block), prepend=os.pathsep)
        yield


def spec_of(table: str, folder: Path, *, ranks: int, version: int = 0, **changes: Any) -> TrainSpec:
    """A spec of the section above, with `changes` to the spec itself or to its section."""
    section = {name: changes.pop(name) for name in list(changes) if name in Train.model_fields}
    features = changes.pop("features", 3)
    return TrainSpec(
        table=table,
        version=version,
        folder=str(folder),
        train=Train(**{**SECTION, "ranks": ranks, **section}),
        seed=11,
        features=features,
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


def final_bits(folder: Path) -> list[bytes]:
    """The final weights of a run folder, to be equal bit for bit."""
    return [value.tobytes() for value in final_state(folder).weights]


def largest_difference(one: Path, other: Path) -> float:
    """Relative, between the final weights of two run folders."""
    pairs = zip(final_state(one).weights, final_state(other).weights, strict=True)
    return max(float(np.max(np.abs(a - b) / np.maximum(np.abs(b), 1e-12))) for a, b in pairs)


def rank_processes(folder: Path) -> dict[int, psutil.Process]:
    """The running rank processes of one run folder, by rank."""
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "ringmill.train.rank" in line and str(folder / "spec.json") in line:
            found[int(line[-1])] = process
    return found


def shared_memory(pid: int) -> set[str]:
    """The inodes of the row memories that a process maps."""
    lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    return {line.split()[4] for line in lines if NAME in line}


def killer(folder: Path, *, rank: int, epoch: int) -> Callable[[Mapping[str, Any]], None]:
    """A follower of the progress that ends one rank by SIGKILL once `epoch` is over."""

    def follow(line: Mapping[str, Any]) -> None:
        if line["event"] == "epoch" and line["epoch"] == epoch:
            rank_processes(folder)[rank].kill()

    return follow


class Once:
    """A follower of the progress that does `fault` to the run once, when epoch `epoch` is over, and keeps all lines."""

    def __init__(self, fault: Callable[[], None], *, epoch: int = 3) -> None:
        self._fault, self._epoch, self._done = fault, epoch, False
        self.lines: list[Mapping[str, Any]] = []

    def __call__(self, line: Mapping[str, Any]) -> None:
        self.lines.append(line)
        if line["event"] == "epoch" and line["epoch"] >= self._epoch and not self._done:
            self._done = True
            self._fault()

    def named(self, event: str) -> list[Mapping[str, Any]]:
        return [line for line in self.lines if line["event"] == event]
