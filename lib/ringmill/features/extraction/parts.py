"""The fitted parts of extraction: plain data, applied with NumPy alone, since ranks and the scorer do without SciPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ringmill.errors import InputError
from ringmill.features.extraction.project import Columns, Rows, matrix_of, project, project_sparse
from ringmill.features.sparse import entries_of
from ringmill.features.twofold import Floats

WHERE = "the features' input"


class Components:
    """What these parts share: they read all their columns, refuse null, and make a numbered output per component."""

    refuses_null: ClassVar[bool] = True
    name: str
    columns: tuple[str, ...]
    components: Rows

    @property
    def reads(self) -> tuple[str, ...]:
        return self.columns

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.name} {place + 1}" for place in range(len(self.components)))


@dataclass(frozen=True)
class PcaPart(Components):
    """(x − mean) · each component, over the component's deviation where `whiten` is set.

    `components`: (components, columns), orthonormal, greatest variance first, the loading of greatest magnitude
    positive. `explained_variance`: (components) with n − 1; `explained_variance_ratio`: of the variance of all columns.
    """

    kind: ClassVar[str] = "pca"
    name: str
    columns: tuple[str, ...]
    mean: tuple[float, ...]
    components: Rows
    explained_variance: tuple[float, ...]
    explained_variance_ratio: tuple[float, ...]
    whiten: bool

    def apply(self, columns: Columns) -> Floats:
        projected = project(matrix_of(columns, self.columns) - np.array(self.mean), np.array(self.components))
        return projected / np.sqrt(self.explained_variance) if self.whiten else projected


@dataclass(frozen=True)
class LdaPart(Components):
    """(x − mean) · each discriminant, which is scaled so that its variance within classes is 1.

    `components`: (discriminants, columns), the most separating first, the loading of greatest magnitude positive.
    `explained_variance_ratio`: each one's share of the variance between the classes.
    """

    kind: ClassVar[str] = "lda"
    name: str
    columns: tuple[str, ...]
    label: str
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    components: Rows
    explained_variance_ratio: tuple[float, ...]

    def apply(self, columns: Columns) -> Floats:
        return project(matrix_of(columns, self.columns) - np.array(self.mean), np.array(self.components))


@dataclass(frozen=True)
class TruncatedSvdPart(Components):
    """x · each component, where x is the row of `terms` numbers that `columns` (indices, values) stand for.

    `components`: (components, terms), orthonormal, greatest singular value first, the loading of greatest magnitude
    positive. `explained_variance`: (components) with n. An empty list gives zeros.
    """

    kind: ClassVar[str] = "truncated_svd"
    name: str
    columns: tuple[str, str]
    terms: int
    components: Rows
    singular_values: tuple[float, ...]
    explained_variance: tuple[float, ...]
    explained_variance_ratio: tuple[float, ...]

    def apply(self, columns: Columns) -> Floats:
        indices, values = (columns.array(name) for name in self.columns)
        rows = entries_of(indices, values, self.terms, where=WHERE, columns=self.columns)
        if strange := int((~np.isfinite(rows.values)).sum()):
            raise InputError.differs(WHERE, self.columns[1], "finite numbers", f"{strange:,} without")
        return project_sparse(rows, np.array(self.components))
