"""What rank 0 leaves in the run's folder: the model, its history, the test rows' predictions, and the manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ringmill.config.train import Train
from ringmill.errors.credentials import without_credentials
from ringmill.handoff.budget import HandOff
from ringmill.handoff.columns import Rows
from ringmill.train.build import frozen_of
from ringmill.train.checkpoint import State
from ringmill.train.evaluate import Evaluation
from ringmill.train.files import whole, write_whole
from ringmill.train.ranks import Ring
from ringmill.train.spec import SPLITS, Job
from ringmill.train.tasks.task import Task

FROZEN = "frozen.json"


class Predictions:
    """One row per row of the split, what the task says of it and its weight, written by rank 0 block by block as all
    ranks score them."""

    def __init__(self, path: Path, ring: Ring, *, task: Task, facts: Mapping[str, Any]) -> None:
        self._path, self._ring, self._task, self._facts = path, ring, task, facts
        self._stack, self._writer = ExitStack(), None

    def __enter__(self) -> Predictions:
        if self._ring.rank == 0:
            draft = self._stack.enter_context(whole(self._path, "The predictions"))
            schema = self._task.schema.append(pa.field("weight", pa.float64()))
            self._writer = self._stack.enter_context(pq.ParquetWriter(draft, schema))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)

    def take(self, rows: Rows, outputs: Any) -> None:
        said = self._task.predicted(outputs, rows, self._facts)
        mine = np.concatenate([said, rows.weight[:, None]], axis=1)
        # Rank 0 alone writes, and the others hold a part of the block.
        row_id, numbers = self._ring.gather(rows.row_id, name="predicted_id"), self._ring.gather(mine, name="predicted")
        if self._writer:
            table = self._task.table(row_id, numbers[:, :-1])
            self._writer.write_table(table.append_column("weight", pa.array(numbers[:, -1])))


def write_results(
    job: Job,
    handed: HandOff,
    model: Any,
    state: State,
    results: Mapping[str, Evaluation],
    figures: Mapping[str, Any],
) -> None:
    """Everything but the predictions; the manifest comes last, and says that the rest is there."""
    folder = Path(job.spec.folder)
    with whole(folder / "model.keras", "The model") as draft:
        model.save(draft)
    if (frozen := frozen_of(job.spec.train, model)) is not None:
        write_json(folder / FROZEN, frozen)
    write_json(folder / "history.json", list(state.history))
    write_json(folder / "manifest.json", _manifest(job, handed, state, results, figures))


def write_json(path: Path, value: Any) -> None:
    write_whole(path, json.dumps(value, indent=1).encode(), f"The {path.stem} of the training")


def _manifest(
    job: Job, handed: HandOff, state: State, results: Mapping[str, Evaluation], figures: Mapping[str, Any]
) -> dict[str, Any]:
    spec, plan = job.spec, job.plan
    return {
        "run_id": spec.run_id,
        "table": without_credentials(spec.table),
        "version": spec.version,
        "features": spec.features,
        "seed": spec.seed,
        "train": spec.train.model_dump(mode="json"),
        "fingerprint": job.fingerprint,
        "plan": {
            "order": handed.order,
            "rows": {split: results[split].rows for split in SPLITS},
            "files": {split: len(job.manifests[split].files) for split in SPLITS},
            "ranks": plan.ranks,
            "batch": plan.batch,
            "local_batch": plan.local_batch,
            "steps_per_epoch": plan.steps,
            "padding_per_epoch": plan.padding,
            "row_index_bytes": handed.index_bytes,
            "memory_bytes_per_copy": handed.copy_bytes,
            "memory_bytes_per_rank": handed.rank_bytes,
        },
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        "metrics": {split: results[split].metrics for split in SPLITS},
        "curves": {split: results[split].measure.curves() for split in SPLITS},
        "laws": {
            "4": {
                "rows_seen_in_each_epoch": sorted({entry["rows_seen"] for entry in state.history}),
                "rows": plan.rows,
                "steps_per_rank": plan.steps,
            },
            # The order 'striped' shows other batches to another number of ranks.
            **({"5": law_5(spec.train, plan.ranks)} if handed.order == "global" else {}),
            "8": {"bytes_written_while_reading": figures["bytes_copied"]},
        },
        **figures,
    }


def law_5(section: Train, ranks: int) -> dict[str, Any]:
    """What the manifest says of law 5: what was found, and what is not promised."""
    proof: dict[str, Any] = {"ranks_with_bit_equal_weights": ranks}
    if section.is_exact:
        return proof
    if section.model.settings.get("sync", True) is not True:
        return proof | {"not_promised": "sync: false: each rank normalises by the moments of its own rows"}
    return proof | {"not_promised": "gradients in half precision: another number of ranks rounds them otherwise"}
