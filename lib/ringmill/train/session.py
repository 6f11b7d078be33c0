"""One rank's training from pinned files to the run folder's results; rank 0 alone writes."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ringmill.errors import LawError, TrainingError
from ringmill.handoff.manifest import Manifest
from ringmill.handoff.plan import memory_per_rank, row_ranges
from ringmill.handoff.read import Rows, read_rows
from ringmill.train.checkpoint import State
from ringmill.train.checkpoints import CheckpointFolder
from ringmill.train.evaluate import Evaluation, evaluate, smearing
from ringmill.train.feed import GlobalFeed
from ringmill.train.files import whole, write_whole
from ringmill.train.loop import Passed, Trainer
from ringmill.train.marks import Marks, PulsedRing
from ringmill.train.metrics import calibration, roc_points
from ringmill.train.models import Outputs
from ringmill.train.progress import Progress
from ringmill.train.pulse import READING, Pulse
from ringmill.train.ranks import Ring
from ringmill.train.spec import SPLITS, Job


def run(job: Job, ring: Ring, pulse: Pulse, *, started: float) -> None:
    """Read, train from the last checkpoint on, evaluate, and write the folder's results; `manifest.json` comes last."""
    spec, folder = job.spec, Path(job.spec.folder)
    marks = Marks(pulse)
    ring = PulsedRing(ring, marks)
    pulse.at(READING)
    progress = Progress(folder, ring.rank)
    before = storage_bytes_written()
    rows = {split: gather_rows(job.manifests[split], spec.features, ring) for split in SPLITS}
    # Law 8 is what every rank's kernel counted, not what the code means to do.
    copied = int(ring.gather(np.array([storage_bytes_written() - before]), name="bytes_written").sum())
    progress.say("ready", seconds=_since(started), ranks=ring.size, rows={name: len(rows[name]) for name in SPLITS})
    feed = GlobalFeed.of(
        job.plan,
        ring.rank,
        rows["train"],
        dtype=spec.train.dtype,
        padding_fill=spec.padding_fill,
        steps_per_segment=spec.train.checkpoint_steps,
    )
    pulse.at("building the model")
    trainer = Trainer(spec.train, feed, ring, seed=spec.seed, steps=job.plan.steps, marks=marks)
    store = CheckpointFolder(spec.checkpoint_folder, spec.train.keep_checkpoints)
    state = _resume(job, store, ring, progress)
    if state:
        trainer.restore(state)
    state = state or State(0, trainer.weights(), trainer.optimizer_state(), trainer.weights())
    while not state.finished(spec.train):
        for reached in _advance(job, trainer, state, rows["validation"], ring):
            state = reached
            pulse.at("writing a checkpoint", epoch=state.epoch, step=state.step)
            if ring.rank == 0:
                store.write(state, job.fingerprint)
            if state.step:
                progress.say("step", epoch=state.epoch + 1, step=state.step, steps=job.plan.steps)
        progress.say("epoch", epochs=spec.train.epochs, **state.history[-1])
    pulse.at("evaluating", epoch=state.epoch)
    final_weights = _digest(state.weights)
    trainer.assign(state.best_weights)
    results = {split: evaluate(trainer.score, rows[split], ring) for split in SPLITS}
    agreed = _check_agreement(_digest(trainer.weights()), ring)
    pulse.at("writing the results", epoch=state.epoch)
    if ring.rank == 0:
        figures = {"bytes_copied": copied, "weights_sha256": agreed, "final_weights_sha256": final_weights}
        _write_results(job, trainer.model, state, rows, results, figures | {"seconds": _since(started)})
    progress.say("done", seconds=_since(started), epochs=state.epoch, best_epoch=state.best_epoch)


def gather_rows(manifest: Manifest, features: int, ring: Ring) -> Rows:
    """A split's rows in the order of row ids: each rank decodes its share from storage, and gets the others' from them.

    Raises:
        LawError: a row id occurs twice.
    """
    mine = read_rows(manifest, row_ranges(manifest, ring.rank, ring.size), features=features)
    # Storage is read once: what another rank has decoded comes over the ring, not from the files again.
    pa.default_memory_pool().release_unused()
    row_id = ring.gather(mine.row_id, name="rows_row_id")
    order = np.argsort(row_id, kind="stable")
    if (repeated := row_id[order][1:][np.diff(row_id[order]) == 0]).size:
        raise LawError.broken("Law 4 (each row exactly once)", manifest.table, "distinct row_id", str(repeated[:5]))
    # Sorted column by column, so that never more than one of them is there in both orders.
    return Rows(
        row_id[order],
        ring.gather(mine.x, name="rows_x")[order],
        ring.gather(mine.label_buy, name="rows_label_buy")[order],
        ring.gather(mine.label_spend, name="rows_label_spend")[order],
    )


def storage_bytes_written() -> int:
    """Bytes that this process has caused to be written to storage so far, as the kernel counts them (Linux)."""
    for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    return 0


def _resume(job: Job, store: CheckpointFolder, ring: Ring, progress: Progress) -> State | None:
    """The state of the last checkpoint that is whole and belongs to this job, if there is one."""
    found = store.newest(job.fingerprint) if ring.rank == 0 else None
    for unused in store.unused:
        print(f"checkpoint {unused.path} is not used: it {unused.why}", file=sys.stderr)
        progress.say("checkpoint_not_used", path=str(unused.path), cause=unused.why)
    # Rank 0 alone has the file; the others start from the same bytes.
    blob = ring.gather(np.frombuffer(found[1] if found else b"", np.uint8), name="checkpoint").tobytes()
    if not blob:
        return None
    state, _ = State.from_bytes(blob)
    if found:
        progress.say("resumed", epoch=state.epoch, step=state.step, path=str(found[0]))
    return state


def _advance(job: Job, trainer: Trainer, state: State, validation: Rows, ring: Ring) -> Iterator[State]:
    """The states to keep on the way through the running epoch; the last one is that of its end."""
    began = time.monotonic()
    passed = Passed.from_json(state.passed)
    for step, part in trainer.epoch(state.epoch, state.step):
        passed += part
        if step < job.plan.steps:
            yield state.within(step, asdict(passed), trainer.weights(), trainer.optimizer_state())
    trainer.marks.pulse.at("evaluating", epoch=state.epoch + 1, step=job.plan.steps)
    seen = trainer.check_seen(passed)
    metrics = evaluate(trainer.score, validation, ring).metrics
    section = job.spec.train
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
    }
    yield state.after(entry, trainer.weights(), trainer.optimizer_state())


def _check_agreement(digest: str, ring: Ring) -> str:
    # Ranks that drifted apart would each hold another model: compare them once, at the end.
    digests = ring.gather(np.frombuffer(bytes.fromhex(digest), np.uint8)[None], name="digests")
    if len(np.unique(digests, axis=0)) != 1:
        raise LawError.broken("Law 5 (one model on all ranks)", "final weights", "bit-equal weights", "they differ")
    return digest


def _write_results(
    job: Job,
    model: Any,
    state: State,
    rows: Mapping[str, Rows],
    results: Mapping[str, Evaluation],
    figures: Mapping[str, Any],
) -> None:
    folder, known = Path(job.spec.folder), ("train", "validation")
    factors = smearing(
        np.concatenate([results[split].outputs.log_spend for split in known]),
        np.concatenate([rows[split].label_spend for split in known]),
        np.concatenate([rows[split].label_buy for split in known]),
    )
    with whole(folder / "model.keras", "The model") as draft:
        model.save(draft)
    _write_json(folder / "history.json", list(state.history))
    _write_predictions(folder / "predictions.parquet", rows["test"], results["test"].outputs, factors["smearing"])
    _write_json(folder / "manifest.json", _manifest(job, state, rows, results, {**figures, **factors}))


def _manifest(
    job: Job, state: State, rows: Mapping[str, Rows], results: Mapping[str, Evaluation], figures: Mapping[str, Any]
) -> dict[str, Any]:
    spec, plan = job.spec, job.plan
    return {
        "run_id": spec.run_id,
        "table": spec.table,
        "version": spec.version,
        "features": spec.features,
        "seed": spec.seed,
        "train": spec.train.model_dump(mode="json"),
        "fingerprint": job.fingerprint,
        "plan": {
            "order": "global",
            "rows": {split: len(rows[split]) for split in SPLITS},
            "files": {split: len(job.manifests[split].files) for split in SPLITS},
            "ranks": plan.ranks,
            "batch": plan.batch,
            "local_batch": plan.local_batch,
            "steps_per_epoch": plan.steps,
            "padding_per_epoch": plan.padding,
            "memory_bytes_per_rank": memory_per_rank(job.manifests, spec.features),
        },
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        "metrics": {split: results[split].metrics for split in SPLITS},
        "curves": {split: _curves(results[split].outputs, rows[split]) for split in SPLITS},
        "laws": {
            "4": {
                "rows_seen_in_each_epoch": sorted({entry["rows_seen"] for entry in state.history}),
                "rows": plan.rows,
                "steps_per_rank": plan.steps,
            },
            "5": {"ranks_with_bit_equal_weights": plan.ranks},
            "8": {"bytes_written_while_reading": figures["bytes_copied"]},
        },
        **figures,
    }


def _curves(outputs: Outputs, rows: Rows) -> dict[str, Any]:
    weight = np.ones(len(rows))
    return {
        "roc": roc_points(outputs.logit, rows.label_buy, weight),
        "calibration": calibration(outputs.probability, rows.label_buy, weight),
    }


def _write_predictions(path: Path, rows: Rows, outputs: Outputs, factor: float) -> None:
    table = pa.table(
        {
            "row_id": rows.row_id,
            "buy_probability": outputs.probability,
            "expected_spend": outputs.expected_spend(factor),
            "label_buy": rows.label_buy,
            "label_spend": rows.label_spend,
        }
    )
    with whole(path, "The predictions") as draft:
        pq.write_table(table, draft)


def _write_json(path: Path, value: Any) -> None:
    write_whole(path, json.dumps(value, indent=1).encode(), f"The {path.stem} of the training")


def _digest(weights: tuple[Any, ...]) -> str:
    hasher = hashlib.sha256()
    for value in weights:
        hasher.update(np.ascontiguousarray(value).tobytes())
    return hasher.hexdigest()


def _since(instant: float) -> float:
    return round(time.monotonic() - instant, 3)
