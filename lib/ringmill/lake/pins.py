"""What a warehouse still needs: the versions and folders that a pointer, a living checkpoint or a late run pins."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ringmill.lake.ledger import OPTIMIZE, Ledger, laid_out
from ringmill.lake.promotions import STAGE, Promotions

# The current model, and the one that a rollback goes to.
MODELS_KEPT = 2


@dataclass(frozen=True)
class Pins:
    """`versions` by table under the warehouse; `folders` under it, of models and checkpoints; `runs` by id."""

    versions: Mapping[str, frozenset[int]]
    folders: frozenset[str]
    runs: frozenset[str]


def pins_of(ledger: Ledger, *, keep_runs: int) -> Pins:
    """What these read and wrote: the last row of each stage that published, the run of the current model and of the
    one before it (of each name), the last `keep_runs` runs; what the models among these were trained on; and what
    trainings read that can be gone on with.
    """
    entries = ledger.entries()
    # A run that came to nothing before it read anything pins nothing, and takes no other's place.
    runs_with_data = dict.fromkeys(entry.run_id for entry in reversed(entries) if entry.inputs or entry.outputs)
    late = set(list(runs_with_data)[:keep_runs])
    # A layout is pinned by the row whose table it is.
    last = {entry.stage: entry for entry in entries if entry.outcome == "published" and entry.stage != OPTIMIZE}
    written = {
        name: version for entry in last.values() for name, version in versions_in(laid_out(entry, entries).outputs)
    }
    versions: dict[str, set[int]] = defaultdict(set)
    for name, version in written.items():
        versions[name].add(version)
    names = {str(entry.detail["name"]) for entry in entries if entry.stage == STAGE and "name" in entry.detail}
    pointed = {run for name in names for run in Promotions(ledger, name).line()[-MODELS_KEPT:]}
    folders, runs = set[str](), set[str]()
    for entry in entries:
        if entry.run_id in late | pointed or entry is last.get(entry.stage):
            runs.add(entry.run_id)
            folders |= {str(tree["model"]) for tree in (entry.inputs, entry.detail) if "model" in tree}
            for name, version in (*versions_in(entry.inputs), *versions_in(entry.outputs)):
                versions[name].add(version)
    # Who scores asks which rows the model learnt from.
    for entry in entries:
        if entry.outcome == "published" and entry.detail.get("model") in folders:
            for name, version in versions_in(entry.inputs):
                versions[name].add(version)
    of_stages = {name for entry in entries for name, _ in versions_in(entry.outputs)}
    for table, version, paths in unfinished(ledger.lake.root):
        # Checkpoints of a version that is no longer the published one are never found again; what becomes of a table
        # that no stage writes is not ours to know.
        if table not in of_stages:
            folders |= paths
        elif written.get(table) == version:
            versions[table].add(version)
            folders |= paths
    return Pins({name: frozenset(found) for name, found in versions.items()}, frozenset(folders), frozenset(runs))


def versions_in(tree: Mapping[str, object]) -> Iterator[tuple[str, int]]:
    """The tables among a row's inputs or outputs, those within a mapping too, each with its version."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from versions_in(value)
        elif isinstance(value, int):
            yield name, value


def tables_of(ledger: Ledger) -> list[str]:
    """The Delta tables that some run published, by their names."""
    return sorted({name for entry in ledger.entries() for name, _ in versions_in(entry.outputs)})


def unfinished(root: str) -> Iterator[tuple[str, int, set[str]]]:
    """Of each training of a local warehouse that left checkpoints: its table, the version, and its folders.

    A table or folder is named by its path under the warehouse, a table that lies elsewhere by its whole path.
    """
    if "://" in root:
        return
    base = Path(root).absolute()
    for spec in sorted(base.glob("models/*/*/spec.json")):
        tree = json.loads(spec.read_text(encoding="utf-8"))["spec"]
        checkpoints = Path(tree["checkpoints"] or spec.parent / "checkpoints")
        if any(checkpoints.glob("*")):
            table, *folders = (_below(base, path) for path in (tree["table"], spec.parent, checkpoints))
            yield table, int(tree["version"]), set(folders)


def _below(base: Path, path: str | Path) -> str:
    found = Path(path)
    return str(found.relative_to(base) if found.is_relative_to(base) else path)
