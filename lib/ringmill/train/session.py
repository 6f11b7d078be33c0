"""One rank's training from pinned files to the run folder's results; rank 0 alone writes."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ringmill.errors import LawError, TrainingError
from ringmill.train.checkpoint import State, write_atomically
from ringmill.train.evaluate import Evaluation, Split, evaluate
from ringmill.train.events import Events
from ringmill.train.loop import Passed, Trainer
from ringmill.train.ranks import Ring
from ringmill.train.results import Predictions, write_results
from ringmill.train.spec import Job
from ringmill.train.splits import open_splits


class Progress:
    """Lines of JSON in `progress.jsonl`, for whoever follows the run; on ranks other than 0 nothing is written."""

    def __init__(self, folder: Path, rank: int) -> None:
        self._file = (folder / "progress.jsonl").open("a", encoding="utf-8") if rank == 0 else None

    def say(self, event: str, **figures: Any) -> None:
        if self._file:
            self._file.write(json.dumps({"event": event, **figures}) + "\n")
            self._file.flush()


def run(job: Job, ring: Ring, *, started: float) -> None:
    """Read, train from the last checkpoint on, evaluate, and write the folder's results; `manifest.json` comes last."""
    spec = job.spec
    progress = Progress(Path(spec.folder), ring.rank)
    before = storage_bytes_written()
    opened = open_splits(job, ring)
    # Law 8 is what every rank's kernel counted, not what the code means to do.
    copied = int(ring.gather(np.array([storage_bytes_written() - before]), name="bytes_written").sum())
    splits = opened.splits
    rows = {name: len(split) for name, split in splits.items()}
    progress.say("ready", seconds=_since(started), ranks=ring.size, rows=rows, decoded_copies=opened.copies)
    trainer = Trainer(spec.train, opened.feed, ring, seed=spec.seed, steps=job.plan.steps, x=spec.input)
    events = Events(Path(spec.folder)) if spec.train.tensorboard and ring.rank == 0 else None
    state = _resume(job, ring, progress)
    if state:
        trainer.restore(state)
    state = state or State(0, trainer.weights(), trainer.optimizer_state(), trainer.weights())
    state = replace(state, ranks=ring.size)
    while not state.finished(spec.train):
        for reached in _advance(job, trainer, state, splits["validation"], ring):
            state = reached
            if ring.rank == 0:
                write_atomically(spec.checkpoint_path, state.to_bytes(job.fingerprint))
            if state.step:
                progress.say("step", epoch=state.epoch + 1, step=state.step, steps=job.plan.steps)
        progress.say("epoch", epochs=spec.train.epochs, **state.history[-1])
        if events:
            events.write(state.history[-1])
    figures = {"bytes_copied": copied, "decoded_copies": opened.copies, "final_weights_sha256": _digest(state.weights)}
    trainer.assign(state.best_weights)
    results, factors = _results(job, trainer, splits, ring)
    figures |= {"weights_sha256": _check_agreement(_digest(trainer.weights()), ring), **factors}
    if ring.rank == 0:
        write_results(job, job.handed, trainer.model, state, results, figures | {"seconds": _since(started)})
    progress.say("done", seconds=_since(started), epochs=state.epoch, best_epoch=state.best_epoch)


def storage_bytes_written() -> int:
    """Bytes that this process has caused to be written to storage so far, as the kernel counts them (Linux)."""
    for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    return 0


def _resume(job: Job, ring: Ring, progress: Progress) -> State | None:
    """The state of the last checkpoint, if there is one and it belongs to this job.

    Raises:
        TrainingError: in the order 'striped' another number of ranks stopped within an epoch (law 7).
    """
    path = job.spec.checkpoint_path
    blob = path.read_bytes() if ring.rank == 0 and path.is_file() else b""
    # Rank 0 alone has the file; the others start from the same bytes.
    shared = ring.gather(np.frombuffer(blob, np.uint8), name="checkpoint").tobytes()
    if not shared:
        return None
    state, fingerprint = State.from_bytes(shared)
    if fingerprint != job.fingerprint:
        print(f"checkpoint {path} belongs to other data or another configuration: not used", file=sys.stderr)
        progress.say("checkpoint_not_used", path=str(path))
        return None
    if job.spec.train.order == "striped" and state.step and state.ranks != ring.size:
        raise TrainingError.other_ranks(str(path), state.epoch + 1, state.ranks, ring.size)
    progress.say("resumed", epoch=state.epoch, step=state.step, path=str(path))
    return state


def _advance(job: Job, trainer: Trainer, state: State, validation: Split, ring: Ring) -> Iterator[State]:
    """The states to keep on the way through the running epoch; the last one is that of its end."""
    began, section, kept = time.monotonic(), job.spec.train, state.step
    passed = Passed.from_json(state.passed)
    for step, part in trainer.epoch(state.epoch, state.step):
        passed += part
        if step < job.plan.steps and 0 < section.checkpoint_steps <= step - kept:
            kept = step
            yield state.within(step, asdict(passed), trainer.weights(), trainer.optimizer_state())
    seen = trainer.check_seen(passed)
    metrics = evaluate(trainer.score, validation, ring).metrics
    val_loss = metrics["log_loss"] + section.spend_weight * (metrics["log_spend_mse"] or 0.0)
    if not np.isfinite(val_loss):
        raise TrainingError.diverged(state.epoch + 1, job.plan.steps, val_loss)
    entry = {
        "epoch": state.epoch + 1,
        "rows_seen": seen,
        "loss": passed.loss(section.spend_weight),
        "val_loss": val_loss,
        "val_log_loss": metrics["log_loss"],
        "val_auc": metrics["auc"],
        "val_log_spend_mse": metrics["log_spend_mse"],
        "seconds": _since(began),
        **passed.pace(ring.size),
    }
    yield state.after(entry, trainer.weights(), trainer.optimizer_state())


def _results(
    job: Job, trainer: Trainer, splits: Mapping[str, Split], ring: Ring
) -> tuple[dict[str, Evaluation], dict[str, float]]:
    """The evaluation of each split, and the factors of smearing; the test rows' predictions are written on the way."""
    known = {name: evaluate(trainer.score, splits[name], ring) for name in ("train", "validation")}
    factors = known["train"].smearing.merge(known["validation"].smearing).compute()
    path = Path(job.spec.folder) / "predictions.parquet"
    with Predictions(path, ring, smearing=factors["smearing"]) as predictions:
        test = evaluate(trainer.score, splits["test"], ring, take=predictions.take)
    return known | {"test": test}, factors


def _check_agreement(digest: str, ring: Ring) -> str:
    # Ranks that drifted apart would each hold another model: compare them once, at the end.
    digests = ring.gather(np.frombuffer(bytes.fromhex(digest), np.uint8)[None], name="digests")
    if len(np.unique(digests, axis=0)) != 1:
        raise LawError.broken("Law 5 (one model on all ranks)", "final weights", "bit-equal weights", "they differ")
    return digest


def _digest(weights: tuple[Any, ...]) -> str:
    hasher = hashlib.sha256()
    for value in weights:
        hasher.update(np.ascontiguousarray(value).tobytes())
    return hasher.hexdigest()


def _since(instant: float) -> float:
    return round(time.monotonic() - instant, 3)
