"""One rank's training from pinned files to the run folder's results; rank 0 alone writes."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ringmill.errors import LawError, TrainingError
from ringmill.handoff.read import rows_at_once
from ringmill.train.checkpoint import State
from ringmill.train.checkpoints import CheckpointFolder
from ringmill.train.evaluate import Evaluation, Split, Take, evaluate
from ringmill.train.events import Events
from ringmill.train.feed import Feed, GlobalFeed
from ringmill.train.loop import Trainer
from ringmill.train.marks import Marks, PulsedRing
from ringmill.train.mirrored import MirroredTrainer
from ringmill.train.passed import Passed
from ringmill.train.progress import Progress
from ringmill.train.pulse import READING, Pulse
from ringmill.train.ranks import Ring, Solo
from ringmill.train.results import Predictions, write_results
from ringmill.train.spec import Job
from ringmill.train.splits import open_splits
from ringmill.train.tasks.task import Task

# By which weights are looked at before they are kept within an epoch.
FEW_ROWS = 256


def run(job: Job, ring: Ring, pulse: Pulse, *, started: float) -> None:
    """Read, train from the last checkpoint on, evaluate, and write the folder's results; `manifest.json` comes last."""
    spec = job.spec
    marks = Marks(pulse)
    ring = PulsedRing(ring, marks)
    pulse.at(READING)
    progress = Progress(Path(spec.folder), ring.rank)
    before = storage_bytes_written()
    opened = open_splits(job, ring)
    # Law 8 is what every rank's kernel counted, not what the code means to do.
    copied = int(ring.gather(np.array([storage_bytes_written() - before]), name="bytes_written").sum())
    splits = opened.splits
    rows = {name: len(split) for name, split in splits.items()}
    progress.say("ready", seconds=_since(started), ranks=job.plan.ranks, rows=rows, decoded_copies=opened.copies)
    pulse.at("building the model")
    trainer = _trainer(job, opened.feed, ring, marks)
    events = Events(Path(spec.folder)) if spec.train.tensorboard and ring.rank == 0 else None
    store = CheckpointFolder(spec.checkpoint_folder, spec.train.keep_checkpoints)
    state = _resume(job, store, ring, progress)
    if state:
        trainer.restore(state)
    state = state or State(0, trainer.weights(), trainer.optimizer_state(), trainer.weights())
    state = replace(state, ranks=job.plan.ranks)
    while not state.finished(spec.train):
        for reached in _advance(job, trainer, state, splits["validation"], ring):
            state = reached
            pulse.at("writing a checkpoint", epoch=state.epoch, step=state.step)
            if ring.rank == 0:
                store.write(state, job.fingerprint)
            if state.step:
                pace = Passed.from_json(state.passed).pace(job.plan.ranks)
                progress.say("step", epoch=state.epoch + 1, step=state.step, steps=job.plan.steps, **pace)
        progress.say("epoch", epochs=spec.train.epochs, **state.history[-1])
        if events:
            events.write(state.history[-1])
    pulse.at("evaluating", epoch=state.epoch)
    figures = {"bytes_copied": copied, "decoded_copies": opened.copies, "final_weights_sha256": _digest(state.weights)}
    trainer.assign(state.best_weights)
    results, facts = _results(job, trainer, splits, ring)
    figures |= {"weights_sha256": _check_agreement([_digest(copy) for copy in trainer.copies()], ring), **facts}
    pulse.at("writing the results", epoch=state.epoch)
    if ring.rank == 0:
        write_results(job, job.handed, trainer.model, state, results, figures | {"seconds": _since(started)})
    progress.say("done", seconds=_since(started), epochs=state.epoch, best_epoch=state.best_epoch)


def _trainer(job: Job, feed: Feed, ring: Ring, marks: Marks) -> Trainer:
    spec = job.spec
    same: dict[str, Any] = {"task": spec.task, "seed": spec.seed, "steps": job.plan.steps}
    same |= {"x": spec.input, "marks": marks, "known": spec.known}
    if spec.train.engine == "mirrored" and isinstance(feed, GlobalFeed):
        return MirroredTrainer(spec.train, feed, **same)
    return Trainer(spec.train, feed, ring, **same)


def storage_bytes_written() -> int:
    """Bytes that this process has caused to be written to storage so far, as the kernel counts them (Linux)."""
    for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    return 0


def _resume(job: Job, store: CheckpointFolder, ring: Ring, progress: Progress) -> State | None:
    """The state of the last checkpoint that is whole and belongs to this job, if there is one.

    Raises:
        TrainingError: in the order 'striped' another number of ranks stopped within an epoch (law 7).
    """
    found = store.newest(job.fingerprint) if ring.rank == 0 else None
    for unused in store.unused:
        print(f"checkpoint {unused.path} is not used: it {unused.why}", file=sys.stderr)
        progress.say("checkpoint_not_used", path=str(unused.path), cause=unused.why)
    # Rank 0 alone has the file; the others start from the same bytes.
    blob = ring.gather(np.frombuffer(found[1] if found else b"", np.uint8), name="checkpoint").tobytes()
    if not blob:
        return None
    state, _ = State.from_bytes(blob)
    if job.spec.train.order == "striped" and state.step and state.ranks != job.plan.ranks:
        raise TrainingError.other_ranks(str(store.path), state.epoch + 1, state.ranks, job.plan.ranks)
    if found:
        progress.say("resumed", epoch=state.epoch, step=state.step, path=str(found[0]))
    return state


def _advance(job: Job, trainer: Trainer, state: State, validation: Split, ring: Ring) -> Iterator[State]:
    """The states to keep on the way through the running epoch; the last one is that of its end."""
    began, section, kept = time.monotonic(), job.spec.train, state.step
    passed = Passed.from_json(state.passed)
    for step, part in trainer.epoch(state.epoch, state.step):
        passed += part
        if step < job.plan.steps and 0 < section.checkpoint_steps <= step - kept:
            kept = step
            _check_sound(trainer, validation, job.spec.task, epoch=state.epoch + 1, step=step)
            yield state.within(step, asdict(passed), trainer.weights(), trainer.optimizer_state())
    trainer.marks.pulse.at("evaluating", epoch=state.epoch + 1, step=job.plan.steps)
    seen = trainer.check_seen(passed)
    metrics = _evaluate(job, trainer, validation, ring).metrics
    val_loss = job.spec.task.validation_loss(metrics)
    if val_loss is None:
        raise TrainingError.nothing_to_judge_by(job.spec.table)
    if not np.isfinite(val_loss):
        raise TrainingError.diverged(state.epoch + 1, job.plan.steps, val_loss)
    entry = {
        "epoch": state.epoch + 1,
        "rows_seen": seen,
        "loss": passed.loss(job.spec.task),
        "val_loss": val_loss,
        **job.spec.task.epoch_figures(metrics),
        "seconds": _since(began),
        **passed.pace(job.plan.ranks),
    }
    yield state.after(entry, trainer.weights(), trainer.optimizer_state(), keep=section.keep)


def _check_sound(trainer: Trainer, validation: Split, task: Task, *, epoch: int, step: int) -> None:
    """Look at what the weights say of a few validation rows, the same on all ranks: the update after a step whose loss
    was finite may have carried them away, and what is kept then is no good checkpoint.

    Raises:
        TrainingError: it has.
    """
    rows = next(validation.blocks(0, 1, size=FEW_ROWS))
    measure = task.measure(len(rows))
    measure.add(trainer.score(rows.x), rows)
    measure.merge(Solo())
    loss = task.validation_loss(measure.metrics())
    if loss is not None and not np.isfinite(loss):
        raise TrainingError.diverged(epoch, step, loss)


def _results(
    job: Job, trainer: Trainer, splits: Mapping[str, Split], ring: Ring
) -> tuple[dict[str, Evaluation], dict[str, Any]]:
    """The evaluation of each split, and the task's facts; the test rows' predictions are written on the way."""
    task = job.spec.task
    known = {name: _evaluate(job, trainer, splits[name], ring) for name in ("train", "validation")}
    facts = task.facts({name: evaluation.measure for name, evaluation in known.items()})
    with Predictions(Path(job.spec.folder) / "predictions.parquet", ring, task=task, facts=facts) as predictions:
        test = _evaluate(job, trainer, splits["test"], ring, take=predictions.take)
    return known | {"test": test}, facts


def _evaluate(
    job: Job, trainer: Trainer, split: Split, ring: Ring, *, take: Take = lambda rows, outputs: None
) -> Evaluation:
    size = rows_at_once(job.spec.columns)
    return evaluate(trainer.score, split, ring, task=job.spec.task, size=size, take=take)


def _check_agreement(copies: Sequence[str], ring: Ring) -> str:
    # Ranks that drifted apart would each hold another model: compare them once, at the end.
    mine = np.stack([np.frombuffer(bytes.fromhex(digest), np.uint8) for digest in copies])
    digests = ring.gather(mine, name="digests")
    if len(np.unique(digests, axis=0)) != 1:
        raise LawError.broken("Law 5 (one model on all ranks)", "final weights", "bit-equal weights", "they differ")
    return copies[0]


def _digest(weights: tuple[Any, ...]) -> str:
    hasher = hashlib.sha256()
    for value in weights:
        hasher.update(np.ascontiguousarray(value).tobytes())
    return hasher.hexdigest()


def _since(instant: float) -> float:
    return round(time.monotonic() - instant, 3)
