"""The one call that trains: pin, plan, check, launch, follow, and read what rank 0 left."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ringmill.config.tasks import Classes, Several
from ringmill.errors import RankLost
from ringmill.handoff.budget import HandOff
from ringmill.handoff.manifest import Mixed, pin_version
from ringmill.train.build import settings_of
from ringmill.train.files import remove_drafts, write_whole
from ringmill.train.indexed import Indexing, found_index, made_index, seen_rows
from ringmill.train.intervals import intervals, ranked
from ringmill.train.launch.process import Launch
from ringmill.train.placing import Placed, placed_by
from ringmill.train.progress import FILE, OnProgress, append, following
from ringmill.train.spec import SPLITS, Job, TrainResult, TrainSpec
from ringmill.train.tasks.known import known_by_head, known_classes


class Launcher(Protocol):
    """Starts ranks somewhere, waits for them, leaves none behind."""

    def check(self, ranks: int) -> None:
        """Raises TrainingError where that many ranks could not start."""

    def placed(self, ranks: int) -> Placed:
        """Which of that many ranks would share a host, as far as it is known before they are there."""

    def launch(self, launch: Launch) -> None:
        """Run all ranks to their end. Raises TrainingError when one fails, RankLost where another start may go well."""


def plan(spec: TrainSpec, *, placed: Placed | None = None, indexing: Indexing = found_index) -> tuple[Job, HandOff]:
    """Pin the table's files and prove the plan; nothing is started, and nothing is written but the places of rows that
    are seen alone (`spec.only`).

    `placed` says which ranks will share a host; by default what the section `train` says alone.
    `indexing` gives the row index of a table that is not partitioned by split.

    Raises:
        ConfigError: there is no such model, or it has no such key; or what is no image is to be augmented.
        InputError: a column that is to be read is not there; or see `known_classes` and
            `known_by_head`.
        PlanError: the table cannot be read in place, has no rows to train with, or does not fit; or it is not
            partitioned by split and has no index yet.
    """
    spec = spec.rooted()
    settings_of(spec.train.model)
    spec.check_augmentation()
    columns = (*spec.columns.names, *([spec.group] if spec.group else []))
    manifests = pin_version(spec.table, spec.version, SPLITS, columns=columns)
    if isinstance(manifests, Mixed):
        manifests = indexing(manifests, spec.row_index_folder).manifests(manifests)
    manifests = seen_rows(manifests, spec)
    if isinstance(spec.train.task, Classes):
        spec = replace(spec, classes=known_classes(manifests, spec.train.task.label))
    if isinstance(spec.train.task, Several):
        spec = replace(spec, classes_by_head=known_by_head(manifests, spec.train.task))
    job = Job(spec, manifests)
    return job, job.handed_to(placed or placed_by(spec.train))


def train(spec: TrainSpec, launcher: Launcher, *, on_progress: OnProgress = lambda line: None) -> TrainResult:
    """Train on `spec.train.ranks` ranks, from the last checkpoint if there is one.

    A table that is not partitioned by split is first scanned for its row index, unless it has one.
    `on_progress` is called from another thread with each line of `progress.jsonl` as rank 0 writes it.

    Raises:
        PlanError: see `plan`.
        TrainingError: the ranks could not start, or one of them failed; or ranks were lost more than `train.retries`
            times.
    """
    folder = Path(spec.folder).absolute()  # a rank may have another working directory
    placed = launcher.placed(spec.train.ranks)
    job, planned = plan(replace(spec, folder=str(folder)), placed=placed, indexing=made_index)
    launcher.check(spec.train.processes)
    launch = _prepare(folder, job, planned)
    progress = folder / FILE
    with following(progress, on_progress):
        _launch(launcher, launch, progress, retries=spec.train.retries)
    manifest, history = (json.loads((folder / name).read_text("utf-8")) for name in ("manifest.json", "history.json"))
    predictions = folder / "predictions.parquet"
    manifest["metrics"]["test"] = ranked(job, manifest["metrics"]["test"], predictions)
    manifest["intervals"] = intervals(job, predictions)
    write_whole(folder / "manifest.json", json.dumps(manifest, indent=1).encode(), "The manifest of the training")
    return TrainResult(folder, folder / "model.keras", manifest, tuple(history))


def _prepare(folder: Path, job: Job, planned: HandOff) -> Launch:
    """The run folder with all that the ranks are told."""
    path, train = folder / "spec.json", job.spec.train
    remove_drafts(folder)
    write_whole(path, job.to_bytes(), "The plan of the run")
    write_whole(folder / FILE, b"", "The progress of the training")
    return Launch(
        spec=path,
        ranks=train.processes,
        spec_hash=hashlib.sha256(path.read_bytes()).hexdigest(),
        bytes_per_rank=planned.rank_bytes * (train.ranks // train.processes),
        bytes_per_host=planned.copy_bytes,
        stall_seconds=train.stall_seconds,
    )


def _launch(launcher: Launcher, launch: Launch, progress: Path, *, retries: int) -> None:
    """Launch; where ranks were lost launch again, from the last checkpoint, at most `retries` times."""
    for attempt in range(1, retries + 1):
        try:
            return launcher.launch(launch)
        except RankLost as error:
            remove_drafts(launch.folder)
            cause = {"cause": error.what, "received": error.received}
            append(progress, {"event": "retry", "attempt": attempt, "retries": retries, **cause})
    return launcher.launch(launch)
