"""Two numbers to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ringmill.errors import InputError
from ringmill.features.columns_of import WHERE, Columns, Matrix, OneOutput
from ringmill.features.scaling import filled


@dataclass(frozen=True)
class Combined(OneOutput):
    """`ratio`: first over second; `difference`: first minus second.

    `null` is the output where one of them is null, or the second of a ratio is 0; where it is None, each is an error.
    """

    kind: ClassVar[str] = "combined"
    first: str
    second: str
    name: str
    by: str
    null: float | None

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.first, self.second)

    def apply(self, columns: Columns) -> Matrix:
        first, second = (columns.numbers(name, nulls=not self.refuses_null) for name in self.reads)
        if self.by == "difference":
            return filled(first - second, self.null)[:, None]
        zero = second == 0
        if self.refuses_null and zero.any():
            raise InputError.differs(WHERE, self.second, "no 0: it is divided by", f"{int(zero.sum()):,} rows with 0")
        with np.errstate(over="ignore"):
            return filled(first / np.where(zero, np.nan, second), self.null)[:, None]
