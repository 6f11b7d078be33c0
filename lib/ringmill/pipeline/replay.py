"""`ringmill replay RUN`: a run's stages once more, on what they were given, in a warehouse of their own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringmill.config import Config
from ringmill.errors import LawError, RingmillError
from ringmill.errors.runs import gone, not_replayable
from ringmill.lake.key import code_hash
from ringmill.lake.ledger import OPTIMIZE, Entry, Ledger
from ringmill.lake.paths import lies_at
from ringmill.lake.promotions import Promotions
from ringmill.lake.snapshot import link_folder, link_table
from ringmill.lake.tables import Lake
from ringmill.pipeline.history import leaves, run_of
from ringmill.pipeline.run import stages_of
from ringmill.pipeline.stage import Run, execute, new_run_id

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Raw input is where it was made; and a page is drawn of results, and holds the seconds that they took.
NOT_REPLAYED = ("generate", "report")
# What cleaning keeps of its files: those that it read, and those that it passed over.
RAW = ("raw", "quarantined")


@dataclass(frozen=True)
class Replayed:
    """The warehouse of the replay; its rows; what else than the run's inputs was another; and where results differ."""

    warehouse: Path
    rows: tuple[Entry, ...]
    otherwise: tuple[str, ...]
    differences: tuple[str, ...]

    def lines(self) -> list[str]:
        """The same as a person reads it."""
        stages = ", ".join(row.stage for row in self.rows)
        return [f"{stages} replayed in {self.warehouse}", *self.otherwise, *(self.differences or ("the same results",))]


def replay(ledger: Ledger, run_id: str, *, session: SparkSession | None = None) -> Replayed:
    """Run again what the run published, in `<warehouse>/replays/<new id>`; nothing of the warehouse itself changes.

    Tables and models stand there as they were when the run began: the same versions, linked. Raw files are read where
    they lie, and must be the same; others that came since are left out. Compared are counts, laws, metrics and, of a
    model, the hash of its weights.

    Raises:
        InputError: no single run is meant, it published nothing, or something that it read is gone or has changed.
        RingmillError: as the stages say.
    """
    entries = ledger.entries()
    found = run_of(entries, run_id)
    rows = [
        row for row in found if row.outcome == "published" and row.stage not in (*NOT_REPLAYED, "promote", OPTIMIZE)
    ]
    if not rows or "://" in ledger.lake.root or "config" not in rows[0].detail:
        raise not_replayable(found[0].run_id, _why_not(ledger, found, rows))
    root = Path(ledger.lake.root) / "replays" / new_run_id()
    try:
        _restore(ledger.lake, root, [row for row in _before(entries, rows[0]) if row.outcome == "published"], rows)
    except RingmillError:
        shutil.rmtree(root, ignore_errors=True)
        raise
    config = _pinned(_config_of(rows[0], root), rows, root / "pinned")
    run = Run(config, session=session, run_id=rows[0].run_id)
    again: list[Entry] = []
    try:
        for row in rows:
            stage = stages_of(config)[row.stage]
            _check_files(row, stage.inputs(run))
            again.append(execute(stage, run))
    finally:
        run.close()
    differences = tuple(_differences(ledger.lake, rows, run.lake, again))
    return Replayed(root, tuple(again), tuple(_otherwise(rows, config)), differences)


def checked(replayed: Replayed) -> None:
    """Raises LawError where the results are not the run's."""
    if replayed.differences:
        raise LawError.replay_differs(str(replayed.warehouse), replayed.otherwise, replayed.differences)


def _before(entries: Sequence[Entry], row: Entry) -> list[Entry]:
    """What stood in the ledger when a row's stage took its inputs, whatever was committed while it ran; of a row of an
    older version, all that stands before it."""
    if row.seen is None:
        return list(entries[: entries.index(row)])
    return [one for one in entries if one.commit is None or one.commit <= row.seen]


def _why_not(ledger: Ledger, found: Sequence[Entry], rows: Sequence[Entry]) -> str:
    if "://" in ledger.lake.root:
        return f"a warehouse at {ledger.lake.root}, where nothing can be linked"
    if rows:
        return "a row of an older version of ringmill, without the whole configuration"
    keys = {row.key for row in found}
    makers = {row.run_id for row in ledger.entries() if row.outcome == "published" and row.key in keys}
    return f"nothing published by it; what it found had been made by {', '.join(sorted(makers)) or 'no run'}"


def _config_of(row: Entry, root: Path) -> Config:
    """The run's configuration, in the warehouse of the replay; a table of one's own at the version that was read.

    Nobody else is told of it: OpenLineage and MLflow would take its stages for the run's own, of the same id.
    """
    kept = {name: section for name, section in row.detail["config"].items() if name not in ("mlflow", "openlineage")}
    tree = {**kept, "warehouse": str(root)}
    if tree.get("table"):
        tree["table"] = {**tree["table"], "path": row.inputs["table"], "version": row.inputs["version"]}
    return Config.model_validate(tree)


def _pinned(config: Config, rows: Sequence[Entry], folder: Path) -> Config:
    """The configuration with the recorded raw files alone, linked in `folder`: what came since is none of the run's.

    A Delta table, and files at a URI, are looked at where they lie, and another version or a file that came since is
    an error.
    """
    raw = config.raw_section
    if raw is None or "://" in raw.path:
        return config
    recorded = {str(file["name"]) for row in rows for key in RAW for file in row.inputs.get(key) or ()}
    for name in recorded:
        if (file := Path(lies_at(raw.path, name))).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            # Raw input may lie on another disk, where no hard link reaches.
            (folder / name).symlink_to(file)
    if not folder.is_dir():
        return config
    return config.model_copy(update={"raw_section": raw.model_copy(update={"path": str(folder)})})


def _restore(lake: Lake, root: Path, before: Sequence[Entry], rows: Sequence[Entry]) -> None:
    """Make the warehouse as it was before `rows`: its ledger, its tables at their published versions, its models."""
    versions: dict[str, int] = {}
    for row in before:
        versions |= {name: value for name, value in row.outputs.items() if isinstance(value, int)}
    for name, version in versions.items():
        link_table(Path(lake.path(name)), root / name, version)
    ledger = Ledger(Lake(str(root)))
    for row in before:
        ledger.append(row)
    own = {row.detail.get("model") for row in rows}
    models = {str(row.inputs["model"]) for row in rows if "model" in row.inputs}
    for name in {str(row.detail["name"]) for row in before if row.stage == "promote"}:
        promotions = Promotions(ledger, name)
        if (current := promotions.current()) is not None:
            models.add(promotions.path(current))
    for model in models - own:
        link_folder(Path(lake.path(model)), root / model)


def _check_files(row: Entry, now: Mapping[str, Any]) -> None:
    """Raises InputError where a file that the run read is another now, or is gone; or another is looked at."""
    for key, value in row.inputs.items():
        if not isinstance(value, list) or value == now.get(key):
            continue
        old, new = ({str(file["name"]): file for file in some or ()} for some in (value, now.get(key)))
        name = next(name for name in {**old, **new} if old.get(name) != new.get(name))
        why = "no such file" if name not in new else "a file that was not there"
        raise gone(f"{key}, {name}", "other bytes" if name in old and name in new else why)


def _otherwise(rows: Sequence[Entry], config: Config) -> Iterator[str]:
    stages = stages_of(config)
    for row in rows:
        if row.code != (now := code_hash(*stages[row.stage].modules)):
            yield f"{row.stage}: the code is another: {row.code[:12]} then, {now[:12]} now"


def _differences(lake: Lake, rows: Sequence[Entry], there: Lake, again: Sequence[Entry]) -> Iterator[str]:
    """What is another; figures that other code has besides say nothing of those that both have."""
    for row, new in zip(rows, again, strict=True):
        then, now = _results(lake, row), _results(there, new)
        for key in dict.fromkeys([*then, *(now if row.code == new.code else ())]):
            if then.get(key) != now.get(key):
                yield f"{row.stage}: {key} was {then.get(key, 'not there')}, and is {now.get(key, 'not there')}"


def _results(lake: Lake, row: Entry) -> dict[str, Any]:
    kept: dict[str, Any] = {"counts": row.counts, "laws": row.laws, "metrics": row.detail.get("metrics", {})}
    if (model := row.detail.get("model")) is not None:
        manifest = Path(lake.path(model)) / "manifest.json"
        if not manifest.is_file():
            raise gone(str(manifest), "no such file")
        kept["weights_sha256"] = json.loads(manifest.read_text(encoding="utf-8"))["final_weights_sha256"]
    return dict(leaves(kept))
