"""Which rows of which tables a split consists of: some of its own alone, or those of other tables besides.

Neither copies a row: of some rows a file holds the places in the table's files, as a row index does, and rows of other
tables are read where they lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from ringmill.handoff.decode import class_names
from ringmill.handoff.manifest import DataFile, Manifest, Picked
from ringmill.handoff.plan import RowRange
from ringmill.handoff.read import batches
from ringmill.handoff.row_index import encoded, places


@dataclass(frozen=True)
class Only:
    """The rows whose `column`, read as text, is `value`; a null is no value."""

    column: str
    value: str


def pick(manifests: Mapping[str, Manifest], only: Only, path: Path, into: BinaryIO) -> dict[str, Manifest]:
    """Scan the column in every split and write the places of the rows into the file that will lie at `path`; each split
    as if it had these rows alone.

    Raises:
        InputError: the column is not there, or is neither text nor whole numbers.
        PlanError: a file is gone.
    """
    found = {}
    for split, manifest in manifests.items():
        files = [_picked(manifest, number, only, path, into) for number in range(len(manifest.files))]
        found[split] = replace(manifest, files=tuple(file for file in files if file is not None))
    return found


def _picked(manifest: Manifest, number: int, only: Only, path: Path, into: BinaryIO) -> DataFile | None:
    """A file of the split with the rows alone; None where it has none of them."""
    data = manifest.files[number]
    kept = _kept(manifest, number, only)
    if not kept.any():
        return None
    dtype = np.uint32 if data.all_rows < 2**32 else np.uint64
    form, numbers = encoded(places(data, 0, data.rows)[kept].astype(dtype))
    entry = Picked(str(path), into.tell(), numbers.size, numbers.itemsize, form, data.all_rows)
    into.write(numbers.tobytes())
    return replace(data, rows=int(kept.sum()), picked=entry)


def _kept(manifest: Manifest, number: int, only: Only) -> NDArray[np.bool_]:
    """(rows of the split in the file,): whether the row is one of them."""
    data = manifest.files[number]
    parts = [np.zeros(0, np.bool_)]
    for where, batch in batches(manifest, [RowRange(number, 0, data.rows)] if data.rows else [], [only.column]):
        same = pc.equal(class_names(where, only.column, batch.column(0)), only.value)
        parts.append(same.fill_null(False).to_numpy(zero_copy_only=False))
    return np.concatenate(parts)


def with_rows_of(manifest: Manifest, others: Sequence[Manifest]) -> Manifest:
    """A split with the rows of other tables behind its own; errors name its own table."""
    return replace(manifest, files=(*manifest.files, *(file for other in others for file in other.files)))


def told_by(manifests: Mapping[str, Manifest], only: Only) -> dict[str, object]:
    """What the places of the rows depend on, as plain data."""
    files = {split: [asdict(file) for file in manifest.files] for split, manifest in manifests.items()}
    return {"only": asdict(only), "files": files}
