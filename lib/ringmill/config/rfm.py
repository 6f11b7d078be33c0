"""The section `rfm`: cutoffs, the literature's period, scores and segments."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from ringmill.config.rules import Section

Period = Literal["day", "week", "month"]
FreeOrders = Literal["leave out", "count"]


class Segment(Section):
    """A named segment: score ranges, each 'low-high' or one digit. A name may have several rules; no two overlap."""

    name: str
    r: str = Field("1-5", pattern="^[1-5](-[1-5])?$")
    f: str = Field("1-5", pattern="^[1-5](-[1-5])?$")
    m: str = Field("1-5", pattern="^[1-5](-[1-5])?$")


SEGMENTS = (
    Segment(name="champions", r="4-5", f="4-5", m="4-5"),
    Segment(name="loyal", r="4-5", f="4-5", m="3"),
    Segment(name="loyal", r="4-5", f="3", m="3-5"),
    Segment(name="loyal", r="3", f="3-5", m="3-5"),
    Segment(name="new", r="4-5", f="1-2"),
    Segment(name="potential", r="3-5", f="3-5", m="1-2"),
    Segment(name="potential", r="3", f="1-2"),
    Segment(name="cannot lose", r="1-2", f="4-5", m="4-5"),
    Segment(name="at risk", r="1-2", f="4-5", m="1-3"),
    Segment(name="at risk", r="1-2", f="3"),
    Segment(name="hibernating", r="2", f="1-2"),
    Segment(name="lost", r="1", f="1-2"),
)


Fifths = tuple[float, float, float, float]


def _rising(values: Fifths) -> Fifths:
    if list(values) != sorted(values):
        raise ValueError("four thresholds from the lowest to the highest")
    return values


Rising = Annotated[Fifths, AfterValidator(_rising)]


class FixedThresholds(Section):
    """Four thresholds of each measure, rising: what is above the first is in the second fifth, and so on."""

    r: Rising = Field(description="days since the last order; here few are best")
    f: Rising = Field(description="orders")
    m: Rising = Field(description="net spend")


class Scores(Section):
    """Where the scores' thresholds come from: fitted on the first run's `cutoff` and kept, unless given here."""

    thresholds: FixedThresholds | None = None
    refit: bool = Field(False, description="fit the fifths anew, instead of using those that are kept")


class Clusters(Section):
    """Segments by k-means on recency, frequency and monetary value."""

    k: int | None = Field(None, ge=2, le=12, description="number of clusters; default: chosen from k_least to k_most")
    k_least: int = Field(3, ge=2, le=12)
    k_most: int = Field(8, ge=2, le=12)
    scale: Literal["log", "linear"] = Field("log", description="log(1 + value) or the value, then standardised")

    @model_validator(mode="after")
    def _in_order(self) -> Clusters:
        if self.k_most < self.k_least:
            raise ValueError("a k_most that is not below k_least")
        return self


class Lifetime(Section):
    """What customers are expected to buy and to be worth, by BG/NBD and Gamma-Gamma fitted on the snapshot `cutoff`."""

    horizons_days: tuple[int, ...] = Field((30, 90, 365), description="expected purchases in so many days ahead")
    months: int = Field(12, ge=1, description="lifetime value looks so many months of 30 days ahead")
    discount_per_month: float = Field(0.01, ge=0)
    least_repeat_customers: int = Field(50, ge=2, description="below so many nothing is fitted")


class Currency(Section):
    """The currency that money is summed in, and the table of rates: columns currency, valid_from (yyyy-MM-dd), rate.

    A rate is what one unit of its currency is worth in `into` from a local day on, until the currency's next rate. A
    line without a rate is an error.
    """

    into: str = Field(min_length=1)
    rates: str
    format: Literal["auto", "csv", "jsonl", "parquet", "delta"] = "auto"
    delimiter: str = Field(",", min_length=1, max_length=1)


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
    currency: Currency | None = None
    scores: Scores = Scores()
    clusters: Clusters = Clusters()
    lifetime: Lifetime = Lifetime()
    segments: tuple[Segment, ...] = SEGMENTS
