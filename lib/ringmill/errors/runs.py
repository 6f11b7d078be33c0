"""What is asked of the ledger's runs and models, and is not there; and what ends a command before it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ringmill.errors.base import RingmillError
from ringmill.errors.before import InputError


def no_ledger(warehouse: str, found: Sequence[str]) -> InputError:
    return InputError(
        "There is no run ledger where it was looked for." if not found else "More than one warehouse lies there.",
        where=warehouse,
        expected="a warehouse, or a folder with one warehouse in it",
        received=", ".join(found) or "no folder 'ledger', here or one folder below",
        todo="name the warehouse: --warehouse PATH",
    )


def unknown_run(run_id: str, known: Sequence[str]) -> InputError:
    return InputError(
        f"No single run is meant by '{run_id}'.",
        where="ledger/runs",
        expected="a run's id, or the beginning of one run's alone",
        received=", ".join(known[-5:]) or "a ledger without runs",
        todo="'ringmill runs' lists them",
    )


def not_replayable(run_id: str, received: str) -> InputError:
    return InputError(
        f"Run {run_id} cannot be replayed.",
        where="ledger/runs",
        expected="a run that published tables or a model, in a warehouse on a local disk",
        received=received,
        todo="replay the run that made them; 'ringmill runs' lists them",
    )


def gone(where: str, received: str) -> InputError:
    return InputError(
        "What the run read is not there any more as it was.",
        where=where,
        expected="the same version, the same files and the same bytes",
        received=received,
        todo="restore it from a backup; without it the run cannot be rebuilt",
    )


def no_current_model(where: str) -> InputError:
    return InputError(
        "No model is current.",
        where=where,
        expected="a model that a training's gate or `ringmill promote RUN` made current",
        received="no such row in the ledger",
        todo="run 'train' again, which decides of its model; or name a run by score.model_run",
    )


def unknown_models(where: str, name: str | None, known: Sequence[str]) -> InputError:
    return InputError(
        f"No models have the name '{name}'." if name else "It is not said whose models are meant.",
        where=where,
        expected=f"one of: {', '.join(known)}" if known else "a name whose models were promoted",
        received=name or f"no name, where there are models of {len(known)} names",
        todo="name them: --model NAME",
    )


def no_earlier_model(where: str, received: str) -> InputError:
    return InputError(
        "There is no such model to make current.",
        where=where,
        expected="a model that was trained here, to go back to one that was current, its files still there",
        received=received,
        todo="see `ringmill runs`, and choose one by `ringmill promote RUN`",
    )


def never_published(table: str, version: str | None, known: Sequence[str]) -> InputError:
    return InputError(
        f"No run published {table}{f' in version {version}' if version else ''}.",
        where="ledger/runs",
        expected="a table or model that a run published, with @VERSION or, for the last one, without",
        received=", ".join(known) or "a ledger without published tables",
        todo="correct the name or the version",
    )


def saw_other_lines(stage: str, table: str, now: object, seen: object) -> InputError:
    return InputError(
        f"The stage '{stage}' saw another version of {table} than the one that is read now.",
        where=table,
        expected=f"version {now}, which is published",
        received=f"version {seen}",
        todo=f"run 'ringmill {stage} CONF' again",
    )


def other_currency(stage: str, run_id: str, now: str | None, seen: str | None) -> InputError:
    return InputError(
        f"What the stage '{stage}' made is in another currency than the one that is configured.",
        where=f"run {run_id}",
        expected=f"rfm.currency.into: {now or 'none'}",
        received=seen or "none",
        todo=f"run 'ringmill {stage} CONF' again, or bring rfm.currency back to what it was",
    )


def other_rates(stage: str, run_id: str, path: str) -> InputError:
    return InputError(
        f"What the stage '{stage}' made is by other exchange rates than those of now.",
        where=f"run {run_id}",
        expected=f"the rates of {path}, as they are now",
        received="a table of rates with other bytes, or none",
        todo=f"run 'ringmill {stage} CONF' again",
    )


def other_state(model: str, run_id: str, pinned: str, found: str) -> InputError:
    return InputError(
        "The model's folder holds another frozen state than the one on whose rows it was trained.",
        where=model,
        expected=f"the state {pinned[:12]}, which the training of run {run_id} pinned",
        received=f"the state {found[:12]}",
        todo="train the model anew (an earlier release could write the state of features that were published while it "
        "trained), or score with another run by score.model_run",
    )


def other_decoding(model: str, known: Mapping[str, object], found: Mapping[str, object]) -> InputError:
    differing = [name for name in known if known[name] != found.get(name)]
    return InputError(
        "The images are decoded in another way than those that the model learnt from.",
        where=model,
        expected=f"images.decoding with {', '.join(f'{name}: {known[name]}' for name in differing)}",
        received=", ".join(f"{name}: {found.get(name)}" for name in differing),
        todo="make the model that was trained on these images current by `ringmill promote RUN`, train one on them, or "
        "decode them as before",
    )


def interrupted() -> RingmillError:
    return RingmillError(
        "The command was interrupted.",
        where="the process",
        expected="to go on to the end",
        received="Ctrl-C or SIGTERM; what was running has been ended",
        todo="run the same command again: the tables stay at their last version, and what is done is not done again",
    )


def usage(problem: str) -> RingmillError:
    return RingmillError(
        "The command cannot be read.",
        where="the command line",
        expected="the arguments and options that --help names",
        received=problem,
        todo="correct the command",
    )
