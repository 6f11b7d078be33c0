"""The classes of a pinned version: those of its train split, sorted, frozen before anything is started."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from ringmill.errors import InputError
from ringmill.handoff.columns import class_names
from ringmill.handoff.manifest import Manifest
from ringmill.handoff.plan import RowRange
from ringmill.handoff.read import batches

# The confusion matrix of so many classes has a million cells.
MOST = 1_000


def known_classes(manifests: Mapping[str, Manifest], column: str) -> tuple[str, ...]:
    """One look at `column` in every split → the train split's classes: whole numbers by size, text by its characters.

    Raises:
        InputError: a row has no class, or one that no row of the train split has; the train split has fewer than two
            classes or more than 1,000; or the column is neither text nor whole numbers. The message names column,
            table, version and how many rows are affected.
        PlanError: a file is gone.
    """
    train, where = manifests["train"], f"{manifests['train'].table}, version {manifests['train'].version}"
    found = {split: _counted(manifest, column, where) for split, manifest in manifests.items()}
    (of_train, whole), *others = (found["train"], *(found[split] for split in found if split != "train"))
    classes = tuple(sorted(of_train, key=(lambda name: int(name)) if whole else str))
    if train.rows and not 2 <= len(classes) <= MOST:
        todo = f"check what {column} holds; more than {MOST:,} classes look like names of rows"
        raise InputError.unfit(f"{where}, {column}", f"2 to {MOST:,} classes to train on", f"{len(classes):,}", todo)
    unknown: Counter[str] = sum((counts for counts, _ in others), Counter[str]())
    for name in classes:
        del unknown[name]
    if unknown:
        raise InputError.unknown_classes(where, column, classes, unknown, unknown.total())
    return classes


def _counted(manifest: Manifest, column: str, where: str) -> tuple[Counter[str], bool]:
    """How many rows each class has, and whether classes are whole numbers."""
    counts, whole = Counter[str](), False
    everything = (RowRange(place, 0, file.rows) for place, file in enumerate(manifest.files) if file.rows)
    for _, batch in batches(manifest, everything, [column]):
        values = batch.column(0)
        if values.null_count:
            received = f"{values.null_count:,} nulls among {manifest.rows:,} {manifest.split} rows"
            raise InputError.differs(where, column, "a class in every row", received)
        whole = pa.types.is_integer(values.type)
        counted = pc.value_counts(class_names(where, column, values))
        counts.update({pair["values"]: pair["counts"] for pair in counted.to_pylist()})
    return counts, whole
