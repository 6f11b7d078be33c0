"""The one call that trains: pin, plan, check, launch, follow, and read what rank 0 left."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ringmill.handoff.manifest import pin
from ringmill.handoff.plan import HandOff, hand_off
from ringmill.train.files import remove_drafts
from ringmill.train.progress import FILE, OnProgress, following
from ringmill.train.spec import SPLITS, Job, TrainResult, TrainSpec


class Launcher(Protocol):
    """Starts ranks somewhere, waits for them, leaves none behind."""

    def check(self, ranks: int) -> None:
        """Raises TrainingError where that many ranks could not start."""

    def launch(self, spec: Path, *, folder: Path, ranks: int) -> None:
        """Run all ranks to their end. Raises TrainingError when one fails."""


def plan(spec: TrainSpec) -> tuple[Job, HandOff]:
    """Pin the table's files and prove the plan; nothing is started and nothing is written.

    Raises:
        PlanError: the table cannot be read in place, has no rows to train with, or does not fit.
    """
    if "://" not in spec.table:
        spec = replace(spec, table=str(Path(spec.table).absolute()))
    manifests = {split: pin(spec.table, spec.version, split=split) for split in SPLITS}
    job = Job(spec, manifests)
    return job, hand_off(manifests, job.plan, features=spec.features, memory_mb=spec.train.memory_mb)


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
    remove_drafts(folder)
    progress = folder / FILE
    progress.write_text("", encoding="utf-8")
    with following(progress, on_progress):
        launcher.launch(folder / "spec.json", folder=folder, ranks=spec.train.ranks)
    manifest, history = (json.loads((folder / name).read_text("utf-8")) for name in ("manifest.json", "history.json"))
    return TrainResult(folder, folder / "model.keras", manifest, tuple(history))
