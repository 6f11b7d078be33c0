"""What a stage prepared for a training: its published row, found once by what the training's inputs pin, and checked.

A daily run publishes features while a model is trained on those of the day before: what belongs to the rows that are
trained on is in the row of the ledger that published them, and in no later one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringmill.errors import InputError
from ringmill.errors.runs import other_state
from ringmill.hashing import digest
from ringmill.lake.ledger import Entry
from ringmill.pipeline.stage import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from ringmill.features.frozen import Frozen
    from ringmill.train.spec import TrainSpec

SPLITS = ("train", "validation", "test")
STATE = "state"  # the input's name


def prepared(run: Run, stage: str, name: str) -> Mapping[str, Any]:
    """The version of features/<name> that `stage` published last, and the hash of its frozen state.

    Raises:
        InputError: there is none, or the stage wrote another name.
    """
    table, last = f"features/{name}", run.ledger.resolve(stage)
    if table not in last.outputs:
        raise InputError.not_published(stage, run.lake.path(table))
    return {table: last.outputs[table], STATE: last.detail["state_hash"]}


def prepared_row(run: Run, stage: str, name: str, inputs: Mapping[str, Any]) -> Entry:
    """The row by which `stage` published what `inputs` pin of features/<name>, whatever was published since.

    Raises:
        InputError: the ledger has no such row.
    """
    table = f"features/{name}"
    written = run.ledger.as_written({table: inputs[table]})[table]
    for row in reversed(run.ledger.entries()):
        found = (row.stage, row.outcome, row.outputs.get(table), row.detail.get("state_hash"))
        if found == (stage, "published", written, inputs[STATE]):
            return row
    raise InputError.not_published(stage, f"{run.lake.path(table)}, version {inputs[table]}")


def check_promises(spec: TrainSpec, row: Entry, state: Frozen) -> list[str]:
    """Check a pinned version and its frozen state against the manifest that its row of the ledger holds; the tensors
    that no model reads.

    Raises:
        InputError: see `check_contract`; or the ledger's row has no manifest, or another state or vocabulary is there.
        PlanError: a file is gone.
    """
    from ringmill.handoff.contract import Contract, check_contract
    from ringmill.handoff.manifest import pin_splits

    where, detail = f"{spec.table}, version {spec.version}", row.detail
    if "manifest" not in detail:
        raise InputError.not_published(row.stage, f"{where}, with a manifest")
    contract, x = Contract.from_json(detail["manifest"]), spec.x.column if spec.x else "x"
    columns = {promise.name for promise in contract.columns}
    for name in sorted({*contract.vocabularies, *state.vocabularies}):
        known, found = (some.vocabularies.get(name, "none")[:12] for some in (contract, state))
        if known != found:
            column = name if name in columns else f"{x}, by {name}"
            raise InputError.differs(where, column, f"the vocabulary {known}", f"the vocabulary {found}")
    for known in (contract.state, detail["state_hash"]):
        if state.hash != known:
            raise InputError.differs(where, x, f"the state {known[:12]}", f"the state {state.hash[:12]}")
    check_contract(contract, spec.table, spec.version, list(pin_splits(spec.table, spec.version, SPLITS).values()))
    return [tensor.name for tensor in contract.tensors if tensor.column not in spec.columns.names]


def trained_rows(run: Run, model: Path, table: str) -> DataFrame:
    """features/<name> at the version that the model in a folder was trained on, whatever was published since."""
    manifest = json.loads((model / "manifest.json").read_text(encoding="utf-8"))
    return run.lake.read(run.spark, table, int(manifest["version"]))


def check_state(run: Run, model: str, kept: Mapping[str, Any]) -> None:
    """Check that the frozen state `kept` in a model's folder is the one whose rows the model was trained on.

    Raises:
        InputError: it is another.
    """
    trained = run.ledger.training_of(model)
    # Of the file as it lies: a later release may read it with more than it says.
    pinned, found = trained.inputs.get(STATE), digest(kept)
    if pinned not in (None, found):
        raise other_state(run.lake.path(model), trained.run_id, pinned, found)
