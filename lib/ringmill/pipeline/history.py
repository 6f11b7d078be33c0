"""What the ledger knows, for a person: runs, one run, where a table came from, how two runs differ. Starts no JVM."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.tree import Tree

from ringmill.errors.runs import never_published, no_ledger, unknown_run
from ringmill.lake.ledger import Entry, Ledger
from ringmill.lake.paths import local
from ringmill.lake.promotions import Promotions
from ringmill.lake.tables import Lake

MOST_FILES = 10
ABSENT = "–"
# What differs between any two runs and says nothing of either.
OF_ANY_RUN = ("run_id", "started_at", "seconds", "peak_bytes", "outcome", "key", "commit", "seen")


def ledger_of(warehouse: str) -> Ledger:
    """The ledger of a warehouse, or of the one warehouse that lies in the folder.

    Raises:
        InputError: there is none, or more than one.
    """
    warehouse = local(warehouse)
    if "://" in warehouse:
        return Ledger(Lake(warehouse))
    folder = Path(warehouse).absolute()
    if (folder / "ledger").is_dir():
        return Ledger(Lake(str(folder)))
    found = sorted(str(path.parent) for path in folder.glob("*/ledger"))
    if len(found) != 1:
        raise no_ledger(str(folder.resolve()), found)
    return Ledger(Lake(found[0]))


def run_of(entries: Sequence[Entry], run_id: str) -> list[Entry]:
    """The rows of the run whose id is, or begins with, `run_id`, in their order.

    Raises:
        InputError: no run's id begins so, or those of several do.
    """
    ids = list(dict.fromkeys(entry.run_id for entry in entries))
    found = [run_id] if run_id in ids else [one for one in ids if one.startswith(run_id)]
    if len(found) != 1:
        raise unknown_run(run_id, found or ids)
    return [entry for entry in entries if entry.run_id == found[0]]


def exit_status(run: Sequence[Entry]) -> int:
    """What the run's command ended with: 0, or the status of the stage that failed (1, unforeseen, where its row is
    from before the ledger kept the status)."""
    return next((int(entry.detail.get("exit_status", 1)) for entry in run if entry.outcome == "failed"), 0)


def runs_table(entries: Sequence[Entry], last: int) -> Table:
    """One row per run, the newest first; at most `last`."""
    table = Table(box=None, pad_edge=False)
    for title in ("run", "started (UTC)", "pipeline", "stages", "status", "seconds", "by"):
        table.add_column(title, justify="right" if title in ("seconds", "status") else "left", overflow="fold")
    ids = list(dict.fromkeys(entry.run_id for entry in reversed(entries)))
    for run_id in ids[:last]:
        run = [entry for entry in entries if entry.run_id == run_id]
        stages = ", ".join(
            entry.stage + {"failed": " failed", "unchanged": " =", "kept": " kept"}.get(entry.outcome, "")
            for entry in run
        )
        seconds = f"{sum(entry.seconds for entry in run):.1f}"
        first = run[0]
        started = f"{first.started_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(
            run_id, started, first.pipeline, stages, str(exit_status(run)), seconds, f"{first.user}@{first.host}"
        )
    return table


def shown(run: Sequence[Entry], ledger: Ledger) -> dict[str, Any]:
    """All that the ledger keeps of a run, as one mapping that JSON can hold.

    `current`: of each name of which it trained a model, or found one trained, the model that is current now.
    """
    found = [Promotions.of(ledger, str(entry.detail["model"])) for entry in run if "model" in entry.detail]
    current = {models.name: (models, models.current()) for models in found}
    return {
        "current": {name: models.path(run_id) for name, (models, run_id) in current.items() if run_id is not None},
        "run_id": run[0].run_id,
        "pipeline": run[0].pipeline,
        "exit_status": exit_status(run),
        "stages": {entry.stage: {**vars(entry), "started_at": entry.started_at.isoformat()} for entry in run},
    }


def run_tree(run: Sequence[Entry]) -> Tree:
    """One run: of each stage what came in and out, rows, laws, seconds, memory, and the error of one that failed."""
    first = run[0]
    by = f"{first.user} on {first.host}, ringmill {first.ringmill}"
    tree = Tree(f"{first.run_id}: pipeline {first.pipeline}, {first.started_at:%Y-%m-%d %H:%M:%S} UTC, by {by}")
    for entry in run:
        memory = f"{entry.peak_bytes / 2**30:.2f} GiB" if entry.peak_bytes else "no memory measured"
        node = tree.add(f"{entry.stage}: {entry.outcome}, {entry.seconds:.1f} s, {memory}")
        for name in ("inputs", "outputs", "counts", "laws", "configuration"):
            lines = [f"{key} = {value}" for key, value in leaves(getattr(entry, name))]
            if lines:
                branch = node.add(name)
                for line in lines:
                    branch.add(line)
        if entry.outcome == "failed":
            node.add(str(entry.detail["error"]))
        elif summary := entry.detail.get("summary"):
            node.add(str(summary))
    return tree


def lineage_tree(entries: Sequence[Entry], table: str, version: str | None) -> Tree:
    """A published table, or model, and under it all that it was made of, down to the raw files.

    Raises:
        InputError: no run published such a table, or such a version of it.
    """
    made = [entry for entry in entries if entry.outcome == "published" and table in _made(entry)]
    of_version = [entry for entry in made if version in (None, str(_made(entry)[table]))]
    if not of_version:
        known = [str(_made(entry)[table]) for entry in made] or sorted({name for one in entries for name in _made(one)})
        raise never_published(table, version, known)
    entry = of_version[-1]
    tree = Tree(_title(entry, table, _made(entry)[table]))
    _grow(tree, entry, entries)
    return tree


def differences(one: Sequence[Entry], other: Sequence[Entry]) -> Table:
    """Where two runs differ: a row per stage and key of configuration, inputs, outputs, rows, laws and code.

    Of a stage that found everything unchanged, what it found stands there.
    """
    table = Table(box=None, pad_edge=False)
    for title in ("stage", "key", one[0].run_id, other[0].run_id):
        table.add_column(title, overflow="fold")
    left, right = ({entry.stage: entry for entry in run} for run in (one, other))
    for stage in dict.fromkeys([*left, *right]):
        pair = [_facts(run.get(stage)) for run in (left, right)]
        for key in dict.fromkeys([*pair[0], *pair[1]]):
            values = [facts.get(key, ABSENT) for facts in pair]
            if values[0] != values[1]:
                table.add_row(stage, key, *values)
    return table


def _facts(entry: Entry | None) -> dict[str, str]:
    if entry is None:
        return {}
    kept = {name: value for name, value in vars(entry).items() if name not in OF_ANY_RUN}
    # The sections that decided the stage's result stand in its configuration.
    kept["detail"] = {name: value for name, value in entry.detail.items() if name != "config"}
    return {key: str(value) for key, value in leaves(kept)}


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The values that are no mappings, by the path of keys to each; a list of mappings is walked by place."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from leaves(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        for place, inner in enumerate(value):
            yield from leaves(inner, f"{key}[{inner.get('name', place)}]")
    else:
        yield key, value if isinstance(value, str) else json.dumps(value, default=str)


def _made(entry: Entry) -> dict[str, Any]:
    """What the stage published by name: tables' versions, and of a model its run."""
    made = dict(entry.outputs)
    if (model := entry.detail.get("model")) is not None:
        made[str(model).rpartition("/")[0]] = made.pop("model")
    return made


def _title(entry: Entry, table: str, version: Any) -> str:
    return f"{table}@{version} ← {entry.stage} of {entry.run_id}, {entry.started_at:%Y-%m-%d %H:%M:%S} UTC"


def _grow(tree: Tree, entry: Entry, entries: Sequence[Entry]) -> None:
    for key, value in entry.inputs.items():
        for table, version in _tables(key, value):
            makers = [one for one in entries if one.outcome == "published" and _made(one).get(table) == version]
            if makers:
                _grow(tree.add(_title(makers[-1], table, version)), makers[-1], entries)
            else:
                tree.add(f"{table}@{version}")
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            for file in value[:MOST_FILES]:
                tree.add(f"{key} {file.get('name')}, sha256 {str(file.get('sha256'))[:16]}")
            if len(value) > MOST_FILES:
                tree.add(f"{key}: {len(value) - MOST_FILES:,} more files")
        elif isinstance(value, str) and key != "model":
            tree.add(f"{key} {value}")


def _tables(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The tables and models that an input names, with their versions."""
    if key == "model" and isinstance(value, str):
        folder, _, run_id = value.rpartition("/")
        yield folder, run_id
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _tables(str(name), inner)
    elif isinstance(value, int) and not isinstance(value, bool) and "/" in key:
        yield key, value
