"""`ringmill promote RUN` and `ringmill rollback`: a person moves the pointer of the current model."""

from __future__ import annotations

import time
from pathlib import Path

from ringmill.errors.runs import no_earlier_model, unknown_models, unknown_run
from ringmill.lake.ledger import Entry, Ledger
from ringmill.lake.locks import in_turn
from ringmill.lake.promotions import STAGE, Promotions
from ringmill.pipeline.history import run_of
from ringmill.pipeline.progress import Progress
from ringmill.pipeline.stage import new_run_id


def promote(ledger: Ledger, run_id: str, name: str | None = None) -> str:
    """Make a model that a run trained current, whatever its gate said; returns what was done, in words.

    `name` says of which models; None where the run trained one alone.

    Raises:
        InputError: no single run is meant, it trained no model or none of that name, it trained several and none is
            named, or the model's files are gone.
        RaceLost: another process decides of models of the name, for too long.
    """
    entries = ledger.entries()
    run = run_of(entries, run_id)[0].run_id
    trained = _trained(ledger, entries, run)
    if not trained:
        raise unknown_run(run_id, list(dict.fromkeys(one.run_id for one in entries if _is_training(one))))
    if name not in trained and (name is not None or len(trained) != 1):
        raise unknown_models(f"{ledger.lake.path('models')}, of run {run}", name, sorted(trained))
    found = trained[name] if name is not None else next(iter(trained.values()))
    models = Promotions.of(ledger, found.detail["model"])
    with in_turn(ledger.lake, models.lock, Progress().say):
        if models.current() == run:
            # The run that moved the pointer may have been killed before it could be repeated.
            models.repeat()
            return f"{models.path(run)} is current already"
        return _move(models, found, "hand")


def roll_back(ledger: Ledger, name: str | None) -> str:
    """Make that model current again that was before the current one; returns what was done, in words.

    `name` says of which models; None where the ledger knows of one name alone.

    Raises:
        InputError: there is no such name or no earlier model, or its files are gone.
        RaceLost: another process decides of models of the name, for too long.
    """
    entries = ledger.entries()
    known = sorted({str(one.detail["name"]) for one in entries if one.stage == STAGE and "name" in one.detail})
    if name not in known and (name is not None or len(known) != 1):
        raise unknown_models(ledger.lake.path("models"), name, known)
    models = Promotions(ledger, name or known[0])
    with in_turn(ledger.lake, models.lock, Progress().say):
        line = models.line()
        trained = _trained(ledger, entries, line[-2]).get(models.name) if len(line) > 1 else None
        if trained is None:
            where, received = ledger.lake.path(models.folder), f"current, in their order: {', '.join(line) or 'none'}"
            raise no_earlier_model(where, received)
        return _move(models, trained, "rollback")


def _trained(ledger: Ledger, entries: list[Entry], run_id: str) -> dict[str, Entry]:
    """The name of each model that a run trained → the row that published it, whatever its stage."""
    found = [one for one in entries if one.run_id == run_id and _is_training(one)]
    return {Promotions.of(ledger, one.detail["model"]).name: one for one in found}


def _is_training(entry: Entry) -> bool:
    model = str(entry.detail.get("model", ""))
    return entry.outcome == "published" and model.rpartition("/")[2] == entry.run_id


def _move(models: Promotions, trained: Entry, how: str) -> str:
    clock, folder = time.monotonic(), models.ledger.lake.path(models.path(trained.run_id))
    if not (Path(folder) / "manifest.json").is_file():
        raise no_earlier_model(folder, "no manifest.json in its folder")
    before = models.current()
    words = f"{models.path(trained.run_id)} is current, in the place of {before or 'none'}"
    models.record(
        trained.run_id,
        by=new_run_id(),
        pipeline=trained.pipeline,
        how=how,
        outcome="published",
        configuration={},
        detail={"summary": words},
        clock=clock,
    )
    return words
