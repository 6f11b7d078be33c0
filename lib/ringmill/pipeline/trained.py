"""What is done of a published training: its epochs kept, its checkpoints removed, its model decided of.

Not before: who is killed until the ledger has the row trains on from the checkpoints, and only a published training's
epochs are in ledger/history. Each step is left out where it was done, so that the next run makes a crash good.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ringmill.contracts import LEDGER_HISTORY
from ringmill.lake.arrow import schema_of
from ringmill.lake.ledger import Entry
from ringmill.lake.locks import in_turn
from ringmill.lake.promotions import Promotions
from ringmill.pipeline.promote import settle
from ringmill.pipeline.stage import Result, Run
from ringmill.pipeline.tracking import epochs_of

if TYPE_CHECKING:
    from ringmill.train.spec import TrainResult, TrainSpec

MANIFEST = "manifest.json"


def result_of(run: Run, spec: TrainSpec, trained: TrainResult, words: str) -> Result:
    """What the ledger keeps of a training; `words` say how good the model is."""
    manifest = trained.manifest
    return Result(
        outputs={"model": run.run_id},
        counts=manifest["plan"]["rows"],
        summary=f"{manifest['epochs']} epochs on {run.config.train.ranks} ranks, {words}",
        laws={f"law {number}": proof for number, proof in manifest["laws"].items()},
        detail={**found_at(run, spec), "metrics": manifest["metrics"], "best_epoch": manifest["best_epoch"]},
    )


def found_at(run: Run, spec: TrainSpec) -> Mapping[str, str]:
    """Where the training's model lies and where its checkpoints did, under the warehouse."""
    root = f"{run.lake.root.rstrip('/')}/"
    return {"model": spec.folder.removeprefix(root), "checkpoints": str(spec.checkpoint_folder).removeprefix(root)}


def finish(run: Run, entry: Entry) -> None:
    """Keep the epochs of a published training, remove its checkpoints, and decide of its model. Raises as `settle`."""
    tidy(run, entry)
    settle(run, entry)


def tidy(run: Run, entry: Entry) -> None:
    """Keep the epochs of a published training, and remove its checkpoints.

    Raises:
        RaceLost: another process does so, or decides of models of its name, for too long.
    """
    models = Promotions.of(run.ledger, entry.detail["model"])
    with in_turn(run.lake, models.lock, run.progress.say):
        _keep_epochs(run, entry)
        _remove_checkpoints(run, entry)


def _keep_epochs(run: Run, entry: Entry) -> None:
    model = entry.detail["model"]
    file = Path(run.lake.path(model)) / "history.json"
    if file.is_file() and not epochs_of(run.lake, entry.run_id, model):
        rows = history_rows(entry.run_id, model, json.loads(file.read_text(encoding="utf-8")))
        run.lake.append_arrow(LEDGER_HISTORY.path, rows)


def history_rows(run_id: str, model: str, history: list[Mapping[str, Any]]) -> pa.Table:
    """One row per epoch, of `LEDGER_HISTORY`."""
    rows = [{"run_id": run_id, "model": model, **epoch} for epoch in history]
    return pa.Table.from_pylist(rows, schema=schema_of(LEDGER_HISTORY))


def _remove_checkpoints(run: Run, entry: Entry) -> None:
    if "checkpoints" not in entry.detail:  # an earlier release had removed them
        return
    folder = Path(run.lake.path(entry.detail["checkpoints"]))
    manifest = Path(run.lake.path(entry.detail["model"])) / MANIFEST
    if not folder.is_dir() or not manifest.is_file():
        return
    # Younger ones are of a later training of the same weights, which was stopped and can be gone on with.
    written = manifest.stat().st_mtime
    if all(file.stat().st_mtime <= written for file in folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)
