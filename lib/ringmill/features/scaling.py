"""Numbers to scaled numbers: the parts that take one number and give one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ringmill.errors import InputError
from ringmill.features.columns_of import WHERE, Columns, Matrix, OneColumn


@dataclass(frozen=True)
class Scaled(OneColumn):
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

    def apply(self, columns: Columns) -> Matrix:
        numbers = columns.numbers(self.column, nulls=not self.refuses_null)
        shaped = np.log1p(np.maximum(numbers, 0.0)) if self.log1p else numbers
        return filled((shaped - self.centre) / self.scale, self.null)[:, None]


@dataclass(frozen=True)
class BoxCox(OneColumn):
    """(x^λ − 1) / λ of positive numbers, or log x for λ = 0.

    `null` is the output of null, 0 and negative numbers; where it is None, each of them is an error.
    """

    kind: ClassVar[str] = "boxcox"
    column: str
    name: str
    exponent: float
    null: float | None = None

    def apply(self, columns: Columns) -> Matrix:
        numbers = columns.numbers(self.column, nulls=not self.refuses_null)
        positive = numbers > 0
        if self.refuses_null and not positive.all():
            found = f"{int((~positive).sum()):,} rows with 0 or less"
            raise InputError.differs(WHERE, self.column, "positive numbers, as Box-Cox needs", found)
        logarithm = np.log(np.where(positive, numbers, 1.0))
        power = np.expm1(self.exponent * logarithm) / self.exponent if self.exponent else logarithm
        return np.where(positive, power, 0.0 if self.null is None else self.null)[:, None]


@dataclass(frozen=True)
class Bins(OneColumn):
    """The place of a number among `edges`, the inner bounds of bins that hold their lower bound; or ones and zeros.

    `null` is the index of a null; where it is None, a null is an error. In columns a null is 0 everywhere.
    """

    kind: ClassVar[str] = "quantile_bins"
    column: str
    name: str
    edges: tuple[float, ...]
    output: str = "index"
    null: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        if self.output == "index":
            return (self.name,)
        return tuple(f"{self.name} in bin {place}" for place in range(len(self.edges) + 1))

    def apply(self, columns: Columns) -> Matrix:
        numbers = columns.numbers(self.column, nulls=not self.refuses_null)
        is_null = np.isnan(numbers)
        place = np.searchsorted(np.asarray(self.edges, np.float64), numbers, side="right")
        if self.output == "index":
            return np.where(is_null, 0.0 if self.null is None else self.null, place)[:, None]
        return one_hot(np.where(is_null, -1, place), len(self.edges) + 1)


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


def one_hot(places: NDArray[np.int64], width: int) -> Matrix:
    """(rows,) of places → (rows, width) of ones and zeros; a place outside is 0 everywhere."""
    matrix = np.zeros((len(places), width))
    rows = np.flatnonzero((places >= 0) & (places < width))
    matrix[rows, places[rows]] = 1.0
    return matrix
