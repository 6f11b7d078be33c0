"""A table whose files hold rows of several splits: its row index found, or made by one scan, for one training; and the
rows of a split that a training sees alone, or besides."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from ringmill.errors import PlanError
from ringmill.handoff.manifest import Manifest, Mixed, pin, pin_version
from ringmill.handoff.row_index import RowIndex, read_row_index, scan_bytes, write_row_index
from ringmill.handoff.subset import Only, pick, told_by, with_rows_of
from ringmill.train.files import remove_drafts, whole
from ringmill.train.spec import SPLITS, TrainSpec

Indexing = Callable[[Mixed, Path], RowIndex]
# The most that is written of a row.
ROW_BYTES = 8


def path_of(mixed: Mixed, folder: Path) -> Path:
    """Where the index of this version lies, by what it was made of."""
    return folder / f"{mixed.key[:32]}.rows"


def found_index(mixed: Mixed, folder: Path) -> RowIndex:
    """The index that is there. Raises PlanError where none is, or none that is whole and of this version."""
    path = path_of(mixed, folder)
    if (index := read_row_index(path, mixed)) is None:
        received = "an index that is torn, or of another version" if path.exists() else "neither"
        raise PlanError.no_row_index(mixed.table, str(path), received)
    return index


def made_index(mixed: Mixed, folder: Path) -> RowIndex:
    """The index that is there, or else a new one, put there whole.

    Raises:
        TrainingError: it cannot be written.
        PlanError, InputError: see `write_row_index`.
    """
    path = path_of(mixed, folder)
    if (index := read_row_index(path, mixed)) is not None:
        return index
    folder.mkdir(parents=True, exist_ok=True)
    remove_drafts(folder)
    with whole(path, "The row index") as draft, draft.open("wb") as file:
        write_row_index(mixed, file)
    return found_index(mixed, folder)


def seen_rows(manifests: Mapping[str, Manifest], spec: TrainSpec) -> dict[str, Manifest]:
    """The splits as `spec` has them: the rows of `only` alone, whose places are written beside row indices, and in the
    train split those of `added` besides.

    Raises:
        TrainingError: the places cannot be written.
        PlanError, InputError: see `pick` and `pin`.
    """
    found = dict(manifests)
    if spec.only is not None:
        found = _picked(found, spec.only, spec.row_index_folder)
    if spec.added:
        others = [pin(table, version, split="train") for table, version in spec.added]
        found["train"] = with_rows_of(found["train"], others)
    return found


def _picked(manifests: Mapping[str, Manifest], only: Only, folder: Path) -> dict[str, Manifest]:
    told = json.dumps(told_by(manifests, only), sort_keys=True).encode()
    path = folder / f"{hashlib.sha256(told).hexdigest()[:32]}.places"
    folder.mkdir(parents=True, exist_ok=True)
    # Made anew by each plan, which takes no longer than proving that it is whole would.
    with whole(path, "The places of some rows") as draft, draft.open("wb") as file:
        return pick(manifests, only, path, file)


def scan_lines(spec: TrainSpec) -> list[str]:
    """What the scan will cost that a training of `spec` begins with, as a person reads it; [] where none is needed.

    Raises:
        InputError, PlanError: see `pin_version`.
    """
    spec = spec.rooted()
    mixed = pin_version(spec.table, spec.version, SPLITS, columns=spec.columns.names)
    if not isinstance(mixed, Mixed) or read_row_index(path := path_of(mixed, spec.row_index_folder), mixed):
        return []
    return [
        f"table    {mixed.table}, version {mixed.version}, not partitioned by split",
        f"rows     {mixed.rows:,} in {len(mixed.files):,} files, of all splits together",
        f"index    to be made by one scan of the column split, {scan_bytes(mixed):,} bytes; "
        f"it will take at most {ROW_BYTES * mixed.rows:,} bytes, {ROW_BYTES} a row, in {path}",
        "steps    known once the index is there: 'ringmill train' makes it",
    ]
