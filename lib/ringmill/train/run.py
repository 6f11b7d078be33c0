"""The one call that trains: pin, plan, check, launch, follow, and read what rank 0 left."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from ringmill.handoff.budget import HandOff
from ringmill.handoff.manifest import pin_splits
from ringmill.train.spec import SPLITS, Job, TrainResult, TrainSpec

OnProgress = Callable[[Mapping[str, Any]], None]
FOLLOW_SECONDS = 0.1


class Launcher(Protocol):
    """Starts ranks somewhere, waits for them, leaves none behind."""

    def check(self, ranks: int) -> None:
        """Raises TrainingError where that many ranks could not start."""

    def launch(self, spec: Path, *, folder: Path, ranks: int) -> None:
        """Run all ranks to their end. Raises TrainingError when one fails."""


def plan(spec: TrainSpec) -> tuple[Job, HandOff]:
    """Pin the table's files and prove the plan; nothing is started and nothing is written.

    Raises:
        InputError: a column that is to be read is not there.
        PlanError: the table cannot be read in place, has no rows to train with, or does not fit.
    """
    if "://" not in spec.table:
        spec = replace(spec, table=str(Path(spec.table).absolute()))
    manifests = pin_splits(spec.table, spec.version, SPLITS, columns=spec.columns.names)
    job = Job(spec, manifests)
    return job, job.handed


def train(spec: TrainSpec, launcher: Launcher, *, on_progress: OnProgress = lambda line: None) -> TrainResult:
    """Train on `spec.train.ranks` ranks, from the last checkpoint if there is one.

    `on_progress` is called from another thread with each line of `progress.jsonl` as rank 0 writes it.

    Raises:
        PlanError: see `plan`.
        TrainingError: the ranks could not start, or one of them failed.
    """
    folder = Path(spec.folder).absolute()  # a rank may have another working directory
    job, _ = plan(replace(spec, folder=str(folder)))
    launcher.check(spec.train.ranks)
    folder.mkdir(parents=True, exist_ok=True)
    job.write(folder / "spec.json")
    progress = folder / "progress.jsonl"
    progress.write_text("", encoding="utf-8")
    with _following(progress, on_progress):
        launcher.launch(folder / "spec.json", folder=folder, ranks=spec.train.ranks)
    manifest, history = (json.loads((folder / name).read_text("utf-8")) for name in ("manifest.json", "history.json"))
    return TrainResult(folder, folder / "model.keras", manifest, tuple(history))


@contextmanager
def _following(path: Path, on_progress: OnProgress) -> Iterator[None]:
    """Hand each whole line that appears in `path` to `on_progress`, until the block ends and all lines are read."""
    ended = threading.Event()

    def follow() -> None:
        with path.open(encoding="utf-8") as file:
            part = ""
            while True:
                last = ended.wait(FOLLOW_SECONDS)
                *lines, part = (part + file.read()).split("\n")
                for line in lines:
                    on_progress(json.loads(line))
                if last:
                    return

    thread = threading.Thread(target=follow, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
