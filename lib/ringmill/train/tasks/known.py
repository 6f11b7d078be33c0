"""The classes of a pinned version: those of its train split, sorted, frozen before anything is started."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from ringmill.config.tasks import ClassesHead, Several
from ringmill.errors import InputError
from ringmill.handoff.decode import class_names
from ringmill.handoff.manifest import Manifest
from ringmill.handoff.plan import RowRange
from ringmill.handoff.read import batches

# The confusion matrix of so many classes has a million cells.
MOST = 1_000


def known_by_head(manifests: Mapping[str, Manifest], task: Several) -> tuple[tuple[str, ...], ...]:
    """The classes of each head in turn, () of a number; rows without a label are passed over.

    Raises:
        InputError: no row of the train or of the validation split has a head's label, or see `known_classes`.
        PlanError: a file is gone.
    """
    found = []
    for name, head in task.heads.items():
        for split in ("train", "validation"):
            _check_labelled(manifests[split], head.label, name)
        wanted = isinstance(head, ClassesHead)
        found.append(known_classes(manifests, head.label, missing="nan") if wanted else ())
    return tuple(found)


def _check_labelled(manifest: Manifest, column: str, head: str) -> None:
    if manifest.rows and all(values.null_count == len(values) for values in _values(manifest, column)):
        where = f"{manifest.table}, version {manifest.version}, {column}"
        received = f"{manifest.rows:,} nulls among {manifest.rows:,} {manifest.split} rows"
        todo = f"give rows of each split labels in '{column}', or leave out train.task.heads.{head}"
        raise InputError.unfit(where, f"{manifest.split} rows with a label for the head '{head}'", received, todo)


def known_classes(
    manifests: Mapping[str, Manifest], column: str, *, missing: Literal["refused", "nan"] = "refused"
) -> tuple[str, ...]:
    """One look at `column` in every split → the train split's classes: whole numbers by size, text by its characters.

    Raises:
        InputError: a row has no class, or one that no row of the train split has; the train split has fewer than two
            classes or more than 1,000; or the column is neither text nor whole numbers. The message names column,
            table, version and how many rows are affected.
        PlanError: a file is gone.
    """
    train, where = manifests["train"], f"{manifests['train'].table}, version {manifests['train'].version}"
    found = {split: _counted(manifest, column, where, missing) for split, manifest in manifests.items()}
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


def class_counts(manifest: Manifest, column: str) -> dict[str, int]:
    """The rows of each class of a split. Raises as `known_classes`."""
    counts, _ = _counted(manifest, column, f"{manifest.table}, version {manifest.version}", "refused")
    return dict(sorted(counts.items()))


def _counted(manifest: Manifest, column: str, where: str, missing: str) -> tuple[Counter[str], bool]:
    """How many rows each class has, and whether classes are whole numbers: as the table's own rows say, which come
    first. Rows of other tables, behind them, may have the same classes as text."""
    counts, whole = Counter[str](), None
    for values in _values(manifest, column):
        if values.null_count and missing == "refused":
            received = f"{values.null_count:,} nulls among {manifest.rows:,} {manifest.split} rows"
            raise InputError.differs(where, column, "a class in every row", received)
        whole = pa.types.is_integer(values.type) if whole is None else whole
        counted = pc.value_counts(class_names(where, column, values.drop_null()))
        counts.update({pair["values"]: pair["counts"] for pair in counted.to_pylist()})
    return counts, bool(whole)


def _values(manifest: Manifest, column: str) -> Iterator[pa.Array]:
    everything = (RowRange(place, 0, file.rows) for place, file in enumerate(manifest.files) if file.rows)
    for _, batch in batches(manifest, everything, [column]):
        yield batch.column(0)
