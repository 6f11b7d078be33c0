"""Instants and dates to parts of the calendar and distances to holidays, in a named zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ringmill.errors import InputError
from ringmill.features.columns_of import WHERE, Columns, Matrix, OneColumn

# By part the number of its values in a round, and the value at which a round begins.
ROUNDS = {
    "month": (12, 1),
    "day": (31, 1),
    "weekday": (7, 0),
    "hour": (24, 0),
    "week": (53, 1),
    "day_of_year": (366, 1),
}
PARTS = {
    "year": pc.year,
    "month": pc.month,
    "day": pc.day,
    "weekday": pc.day_of_week,
    "hour": pc.hour,
    "week": pc.iso_week,
    "day_of_year": pc.day_of_year,
}


@dataclass(frozen=True)
class Moment(OneColumn):
    """What these parts share: a column of instants or dates, the zone, and the output of a null (None: an error)."""

    column: str
    name: str
    zone: str
    null: float | None

    def local(self, columns: Columns) -> pa.Array:
        """(rows,) of local timestamps without a zone.

        Raises:
            InputError: see `Columns.array`; or the column has neither instants nor dates, or a null that is refused.
        """
        found = columns.array(self.column)
        if found.null_count and self.refuses_null:
            raise InputError.differs(WHERE, self.column, "no null: none is allowed here", f"{found.null_count:,} nulls")
        if pa.types.is_date(found.type):
            return found.cast(pa.timestamp("us"))
        if pa.types.is_timestamp(found.type) and found.type.tz:
            return pc.local_timestamp(found.cast(pa.timestamp("us", tz=self.zone)))
        raise InputError.differs(WHERE, self.column, "instants or dates", f"type {found.type}")

    def filled(self, matrix: Matrix, local: pa.Array) -> Matrix:
        if not local.null_count:
            return matrix
        is_null = local.is_null().to_numpy(zero_copy_only=False)
        return np.where(is_null[:, None], 0.0 if self.null is None else self.null, matrix)


@dataclass(frozen=True)
class Calendar(Moment):
    """One part of the local time (see `PARTS`), as a number or as sine and cosine of its place in its round."""

    kind: ClassVar[str] = "calendar"
    part: str
    output: str

    @property
    def names(self) -> tuple[str, ...]:
        name = f"{self.name} {self.part}"
        return (name,) if self.output == "number" else (f"{name} sine", f"{name} cosine")

    def apply(self, columns: Columns) -> Matrix:
        local = self.local(columns)
        value = _whole(PARTS[self.part](local)).astype(np.float64)
        if self.output == "number":
            return self.filled(value[:, None], local)
        values, first = ROUNDS[self.part]
        angle = 2 * np.pi * (value - first) / values
        return self.filled(np.stack([np.sin(angle), np.cos(angle)], axis=1), local)


@dataclass(frozen=True)
class Holidays(Moment):
    """Whether the local day is one of `days` (ISO dates in their order); days until the next, and since the last."""

    kind: ClassVar[str] = "holidays"
    days: tuple[str, ...]
    outputs: tuple[str, ...]
    most_days: int

    @property
    def names(self) -> tuple[str, ...]:
        words = {"is": "is a holiday", "until": "days until a holiday", "since": "days since a holiday"}
        return tuple(f"{self.name} {words[output]}" for output in self.outputs)

    def apply(self, columns: Columns) -> Matrix:
        local = self.local(columns)
        day = _whole(pc.floor_temporal(local, unit="day").cast(pa.date32()).cast(pa.int32()))
        epoch = date(1970, 1, 1).toordinal()
        days = np.asarray([date.fromisoformat(each).toordinal() - epoch for each in self.days], np.int64)
        # One day more at each end, so far away that `most_days` decides.
        ahead = np.append(days, max(day.max(initial=0), days[-1]) + self.most_days + 1)
        behind = np.insert(days, 0, min(day.min(initial=0), days[0]) - self.most_days - 1)
        until = ahead[np.searchsorted(days, day, side="left")] - day
        since = day - behind[np.searchsorted(days, day, side="right")]
        found = {
            "is": until == 0,
            "until": np.minimum(until, self.most_days),
            "since": np.minimum(since, self.most_days),
        }
        return self.filled(np.stack([found[output].astype(np.float64) for output in self.outputs], axis=1), local)


def _whole(values: pa.Array) -> NDArray[np.int64]:
    return np.asarray(values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False), dtype=np.int64)
