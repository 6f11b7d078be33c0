"""Rows of the train split → whole groups of them on the driver, drawn by hash and bounded; and their folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ringmill.config.selection import Sampled
from ringmill.errors import InputError
from ringmill.features.gather import as_class, check_columns, of
from ringmill.features.twofold import Floats

Places = NDArray[np.int64]
Folds = Sequence[tuple[Places, Places]]


@dataclass(frozen=True, eq=False)
class Sample:
    """(rows, columns), (rows) of class texts or numbers, (rows) of groups' hashes; sorted, so that layout is no matter.

    `folds`: (rows to fit on, rows to judge by) each; no group is in both.
    """

    matrix: Floats
    target: NDArray[np.generic]
    groups: Places
    folds: Folds

    def __str__(self) -> str:
        return f"a sample of {len(self.matrix):,} rows of {len(np.unique(self.groups)):,} groups"


def draw(rows: DataFrame, names: Sequence[str], step: Sampled, *, seed: int, where: str) -> Sample:
    """Rows → the groups of the lowest hashes under `seed`, as many as fit into `step.sample_rows` rows (one job).

    Raises:
        InputError: a column is missing or no number; a value, class or group is null, or a number NaN; the first group
            alone has more rows than the bound; there are fewer groups than folds, or a class is missing in a fold.
    """
    is_number = step.task == "regression"
    check_columns(rows, [*names, *([step.label] if is_number else [])], [step.label, step.group], where=where)
    target = of(step.label).cast("double") if is_number else as_class(rows, step.label)
    found = (
        rows.select(
            *(of(name).cast("double").alias(f"x{place}") for place, name in enumerate(names)),
            target.alias("y"),
            F.xxhash64(F.lit(seed), of(step.group)).alias("hash"),
            of(step.group).isNotNull().alias("is_grouped"),
        )
        .orderBy("hash")
        .limit(step.sample_rows + 1)
        .toArrow()
    )
    matrix = np.stack([found[f"x{place}"].fill_null(np.nan).to_numpy() for place in range(len(names))], axis=1)
    labels = found["y"].fill_null(np.nan).to_numpy() if is_number else found["y"].fill_null("").to_numpy()
    unknown = {name: int((~np.isfinite(column)).sum()) for name, column in zip(names, matrix.T, strict=True)}
    unknown[step.label] = int((~np.isfinite(labels)).sum()) if is_number else found["y"].null_count
    unknown[step.group] = int((~found["is_grouped"].to_numpy()).sum())
    if bad := {name: count for name, count in unknown.items() if count}:
        raise InputError.unusable(where, bad, found.num_rows)
    groups = found["hash"].to_numpy()
    # One row more than the bound was asked for: if it came, the last group is not whole, or does not fit.
    whole = groups != groups.max() if found.num_rows > step.sample_rows else np.ones(len(groups), bool)
    if not whole.any():
        raise InputError.unfit(
            where,
            f"groups of '{step.group}' of at most {step.sample_rows:,} rows (sample_rows), and one row at least",
            f"one of more than {step.sample_rows:,}" if found.num_rows else "0 rows",
            "raise sample_rows, or name a column of smaller groups",
        )
    texts = labels if is_number else labels.astype(str)
    order = np.lexsort((texts, *matrix.T[::-1], groups))
    order = order[whole[order]]
    return Sample(matrix[order], texts[order], groups[order], _folds(texts[order], groups[order], step, seed, where))


def _folds(target: NDArray[np.generic], groups: Places, step: Sampled, seed: int, where: str) -> Folds:
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    kind = StratifiedGroupKFold if step.task == "classification" else GroupKFold
    owners = [groups] if step.task == "regression" else [groups[target == name] for name in np.unique(target)]
    fewest = min(len(np.unique(owner)) for owner in owners)
    if len(owners) < 2 and step.task == "classification":
        raise InputError.unfit(where, f"two classes of '{step.label}'", "one", "choose another label")
    if fewest < step.folds:
        whose = "groups" if step.task == "regression" else "groups with a row of each class"
        raise InputError.unfit(
            where, f"{step.folds} {whose}, one for each fold", f"{fewest}", "lower 'folds', or leave out rare classes"
        )
    splitter = kind(n_splits=step.folds, shuffle=True, random_state=seed % 2**32)
    folds = list(splitter.split(np.zeros((len(target), 1)), target, groups))
    if step.task == "classification":
        every = len(owners)
        if any(len(np.unique(target[part])) < every for fold in folds for part in fold):
            expected = f"every class of '{step.label}' on both sides of each fold"
            raise InputError.unfit(where, expected, "a class that is not", "lower 'folds', or leave out rare classes")
    return folds
