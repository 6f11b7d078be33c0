"""What becomes of a newly trained model: current where it is not worse than the current one, else kept beside it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ringmill.config.load import dump
from ringmill.errors import LawError
from ringmill.errors.runs import no_current_model, unknown_run
from ringmill.lake.ledger import Entry
from ringmill.lake.locks import in_turn
from ringmill.lake.promotions import STAGE, Promotions
from ringmill.pipeline.known_products import among_common
from ringmill.pipeline.lines import check_money
from ringmill.pipeline.stage import Run
from ringmill.train.compare import Comparison, Predictions, compare


def settle(run: Run, trained: Entry) -> None:
    """Decide once of a published training's model; a crash before that is made good by the next run.

    Raises:
        LawError: it is worse, and `promotion.when_worse` is 'stop'. Asked again, it is judged again.
        RaceLost: another process decides of models of its name, for too long.
    """
    models = Promotions.of(run.ledger, trained.detail["model"])
    with in_turn(run.lake, models.lock, run.progress.say):
        if models.is_settled(trained.run_id):
            models.repeat()
            return
        _decide(run, trained, models)


def _decide(run: Run, trained: Entry, models: Promotions) -> None:
    section, clock = run.config.promotion, time.monotonic()
    found, outcome, words = judge(run, trained, models.current())
    stopped: dict[str, Any] = {}
    error = None
    if found is not None and found.is_worse and section.when_worse == "stop":
        error, outcome = LawError.worse_model(run.lake.path(models.path(trained.run_id)), words), "failed"
        stopped = {"error": str(error), "exit_status": error.exit_status}
    row = models.record(
        trained.run_id,
        by=run.run_id,
        pipeline=run.config.pipeline,
        how="gate",
        outcome=outcome,
        configuration={"promotion": dump(section)},
        detail={"gate": asdict(found) if found else None, "summary": words, **stopped},
        clock=clock,
    )
    run.progress.finished(STAGE, outcome, words, row.seconds)
    if error is not None:
        raise error


def judge(run: Run, trained: Entry, current: str | None) -> tuple[Comparison | None, str, str]:
    """The comparison with the current model, if there is one; 'published' or 'kept'; and why, in words."""
    models, new = Promotions.of(run.ledger, trained.detail["model"]), trained.detail["model"]
    if current is None:
        return None, "published", f"{new} is the first model of its name, and current"
    folder = Path(run.lake.path(models.path(current)))
    if not (folder / "predictions.parquet").is_file():
        return None, "published", f"{new} is current: the model of {current}, which was, is gone"
    by_hand = f"`ringmill promote {trained.run_id} --model {models.name}` makes it current"
    section = run.config.promotion
    folders = (Path(run.lake.path(new)), folder)
    said, among = among_common(run.lake, folders, (_predictions(folders[0]), _predictions(folders[1])))
    found = compare(
        *said,
        metric=section.metric,
        confidence=section.confidence,
        customers=_customers(run, trained),
    )
    if found is None:
        why = (
            f"cannot be compared with {current}: they held out no rows in common, learnt different tasks, or say what "
            "is no finite number"
        )
        return None, "kept", f"{new} {why}; {by_hand}"
    if found.is_worse:
        return found, "kept", f"{new} is worse, and not current: {found}{among}; {by_hand}"
    return found, "published", f"{new} is current: {found}{among}"


def model_to_score_with(run: Run, name: str) -> str:
    """The model, by its path under the warehouse: of the run that `score.model_run` names, or the current one.

    Raises:
        InputError: nothing is trained, no training of this warehouse is that run, or no model is current.
    """
    run.ledger.resolve("train")
    models = Promotions(run.ledger, name)
    wanted = run.config.score.model_run or models.current()
    if wanted is None:
        raise no_current_model(run.lake.path(models.folder))
    known = [
        entry.run_id
        for entry in run.ledger.entries()
        if entry.outcome == "published" and entry.detail.get("model") == models.path(entry.run_id)
    ]
    if wanted not in known:
        raise unknown_run(wanted, known)
    return models.path(wanted)


def model_in_currency(run: Run, name: str) -> str:
    """As `model_to_score_with`, of a model that was trained on amounts in the currency of now.

    Raises:
        InputError: as that; or it was trained on another currency.
    """
    model = model_to_score_with(run, name)
    check_money(run, run.ledger.training_of(model), rates=False)
    return model


def _predictions(folder: Path) -> Predictions:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    table = pq.read_table(folder / "predictions.parquet")
    return Predictions(table, tuple(manifest.get("classes", ())), manifest.get("heads", {}))


def _customers(run: Run, trained: Entry) -> pa.Table | None:
    """Which test rows are one customer's: of a table that was made of orders."""
    if run.config.features_section is None:
        return None
    table = f"features/{run.config.features.name}"
    where = [("split", "=", "test")]
    return run.lake.read_arrow(table, trained.inputs[table], ["row_id", "customer_id"], where=where)
