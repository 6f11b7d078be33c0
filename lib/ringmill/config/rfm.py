"""The section `rfm`: cutoffs, the literature's period, scores and segments."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from ringmill.config.rules import Section

Period = Literal["day", "week", "month"]
FreeOrders = Literal["leave out", "count"]


class Segment(Section):
    """A named segment: score ranges, each 'low-high' or one digit; the first that matches names the customer."""

    name: str
    r: str = Field("1-5", pattern="^[1-5](-[1-5])?$")
    f: str = Field("1-5", pattern="^[1-5](-[1-5])?$")
    m: str = Field("1-5", pattern="^[1-5](-[1-5])?$")


SEGMENTS = (
    Segment(name="champions", r="4-5", f="4-5", m="4-5"),
    Segment(name="loyal", r="3-5", f="3-5", m="3-5"),
    Segment(name="new", r="4-5", f="1-2"),
    Segment(name="potential", r="3-5"),
    Segment(name="cannot lose", r="1-2", f="4-5", m="4-5"),
    Segment(name="at risk", r="1-2", f="3-5"),
    Segment(name="hibernating", r="2"),
    Segment(name="lost", r="1"),
)


class Months(Section):
    """A range of months, named by any of their days, both ends included."""

    first: date
    last: date

    @model_validator(mode="after")
    def _in_order(self) -> Months:
        if self.last < self.first:
            raise ValueError("months whose 'last' is not before 'first'")
        return self

    @property
    def ends(self) -> tuple[date, ...]:
        """The cutoffs that see each month to its end: the first days of the months after."""
        numbers = range(self.first.year * 12 + self.first.month, self.last.year * 12 + self.last.month + 1)
        return tuple(date(number // 12, number % 12 + 1, 1) for number in numbers)


class Rfm(Section):
    """Recency, frequency and monetary value of each customer as of one or more cutoffs.

    Each cutoff makes a snapshot of its own in rfm/customers and replaces that of the same cutoff alone. What is fitted
    (scores, clusters, lifetime value) is fitted at `cutoff`, the snapshot that the report shows.
    """

    cutoff: date | None = Field(None, description="exclusive; default: the first midnight after the last event")
    cutoffs: tuple[date, ...] = Field((), description="further snapshots, made in the same pass")
    month_ends: Months | None = Field(None, description="further snapshots, one as of the end of each month")
    period: Period = Field("day", description="in which the literature's frequency, recency and age are counted")
    free_orders: FreeOrders = Field("leave out", description="whether lines at price 0 make an order, as in lifetimes")
    segments: tuple[Segment, ...] = SEGMENTS
