"""Numbers to scaled numbers: the parts that take one number and give one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ringmill.features.columns_of import Columns, Matrix


@dataclass(frozen=True)
class Scaled:
    """(log1p of max(x, 0), if `log1p`) − centre, over scale: z-score, min-max, robust scaling and plain logarithm.

    `null` is the output of a null; where it is None, a null is an error.
    """

    kind: ClassVar[str] = "scaled"
    column: str
    name: str
    log1p: bool
    centre: float
    scale: float
    null: float | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def refuses_null(self) -> bool:
        return self.null is None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def apply(self, columns: Columns) -> Matrix:
        numbers = columns.numbers(self.column, nulls=not self.refuses_null)
        shaped = np.log1p(np.maximum(numbers, 0.0)) if self.log1p else numbers
        return filled((shaped - self.centre) / self.scale, self.null)[:, None]


@dataclass(frozen=True)
class Missing:
    """1 where the column is null, else 0."""

    kind: ClassVar[str] = "missing"
    refuses_null: ClassVar[bool] = False
    column: str
    name: str

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def apply(self, columns: Columns) -> Matrix:
        return columns.is_null(self.column)[:, None]


def filled(numbers: Matrix, null: float | None) -> Matrix:
    """NaN, which stands for null, becomes `null`; None says that there is none."""
    return numbers if null is None else np.where(np.isnan(numbers), null, numbers)
