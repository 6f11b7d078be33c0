"""A feature set as data: a list of entries, each of one kind, applied in their order."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from ringmill.config.entry import Entry
from ringmill.config.extraction import Lda, Pca, TruncatedSvd
from ringmill.config.formats import Zone
from ringmill.config.lifetime import LifetimeFeatures
from ringmill.config.rules import Section
from ringmill.config.text import HashedText, Sequence, Tfidf, TokenIds


class Split(Section):
    """What keeps train, validation and test apart.

    `group`: no customer is in two of them, at whatever cutoff. `time`: every instant of train, its labels' included,
    precedes validation's first cutoff, and validation's test's; customers recur. `both`: both; rows whose customer and
    cutoff are of different splits are left out.
    """

    kind: Literal["group", "time", "both"] = "group"
    validation_cutoffs: tuple[date, ...] = ()
    test_cutoffs: tuple[date, ...] = ()
    stratify: tuple[Literal["country", "label_buy"], ...] = Field(
        (), description="shares hold within each combination of these, as they are at a customer's first cutoff"
    )

    @model_validator(mode="after")
    def _fits(self) -> Split:
        if self.kind == "group" and (self.validation_cutoffs or self.test_cutoffs):
            raise ValueError("cutoffs of validation and test with kind: time or both; a group split has them at all")
        if self.kind != "group" and not (self.validation_cutoffs and self.test_cutoffs):
            raise ValueError(f"validation_cutoffs and test_cutoffs with kind: {self.kind}")
        if self.kind == "time" and self.stratify:
            raise ValueError("'stratify' with kind: group or both; by time nobody is drawn")
        return self


class Scaling(Entry):
    """Numbers to scaled numbers.

    `zscore`: minus the mean, over the population standard deviation; `minmax`: from 0 to 1 over the train split;
    `robust`: minus the median, over the distance of the quartiles (exact, interpolated linearly); `log`: the logarithm
    of 1 + x. With `log1p` (always so for `log`) the logarithm is scaled, negative numbers counting as 0. A column
    without spread comes out as 0.
    """

    kind: Literal["zscore", "minmax", "robust", "log"]
    log1p: bool = False
    null: float | None = Field(None, description="what a null comes out as, after scaling; default: it is an error")


class BoxCox(Entry):
    """(x^λ − 1) / λ, or log x for λ = 0, with the λ of the highest likelihood between −5 and 5.

    Of positive numbers: another one is an error, or with `null` comes out as null does and has no part in the fit.
    """

    kind: Literal["boxcox"]
    null: float | None = Field(None, description="what null, 0 and negative numbers come out as; default: an error")


class Bins(Entry):
    """The place (from 0) of a number among the train split's quantiles, `bins` at most; equal quantiles make one bin.

    What lies beyond the train split falls into the first or the last bin.
    """

    kind: Literal["quantile_bins"]
    bins: int = Field(10, ge=2, le=1_000)
    output: Literal["index", "columns"] = Field("index", description="one column, or one of ones and zeros per bin")
    null: float | None = Field(None, description="the index of a null; default: an error. Columns are all 0 for it")


class Missing(Entry):
    """1 where the column is null, else 0."""

    kind: Literal["missing"]
    name: str = "{column} is null"


class OneHot(Entry):
    """A column of ones and zeros per value of the train split, and with `other` one for all further values and null."""

    kind: Literal["one_hot"]
    most: int | None = Field(None, ge=0, description="this many of the most frequent values; default: all")
    minimum: int = Field(1, ge=1, description="rows of the train split that a value needs")
    other: bool = True


class Ordinal(Entry):
    """The place (from 0) of a value in `order`, by default the sorted values of the train split; −1: unseen or null."""

    kind: Literal["ordinal"]
    order: tuple[str, ...] = ()
    most: int | None = Field(None, ge=0)
    minimum: int = Field(1, ge=1)


class Hashed(Entry):
    """A value's bucket, by a hash that is the same everywhere; nothing is fitted, and no value is unseen."""

    kind: Literal["hashed"]
    buckets: int = Field(ge=2, le=1_048_576)
    seed: int = Field(0, ge=0)
    output: Literal["index", "columns"] = Field(
        "columns", description="ones and zeros per bucket, all 0 for null; or the bucket, −1 for null"
    )


class Frequency(Entry):
    """The share of the train split's rows that have the value; 0: unseen. Null has its own share."""

    kind: Literal["frequency"]
    most: int | None = Field(None, ge=0)
    minimum: int = Field(1, ge=1)


class Target(Entry):
    """The label's mean among the train rows that have the value, drawn to the mean of all by `smoothing` rows.

    A train row is encoded with what the other folds say (a fold holds all rows of a customer), any other row with what
    all folds say. Unseen values and null come out as the mean of all, over the same folds.
    """

    kind: Literal["target"]
    name: str = "{column} target"
    label: str = "label_buy"
    smoothing: float = Field(10.0, ge=0)
    minimum: int = Field(1, ge=1)


class Cross(Entry):
    """A combination of categories as one category, encoded as `one_hot` or `hashed` does; null where one is null."""

    kind: Literal["cross"]
    columns: tuple[str, ...] = Field(min_length=2)
    name: str = ""
    encoding: Literal["one_hot", "hashed"] = "one_hot"
    most: int | None = Field(None, ge=0)
    minimum: int = Field(1, ge=1)
    other: bool = True
    buckets: int = Field(256, ge=2, le=1_048_576)
    seed: int = Field(0, ge=0)

    @property
    def is_per_column(self) -> bool:
        return False


class Calendar(Entry):
    """Parts of an instant's local time, or of a date: numbers, or `wave`s: sine and cosine of the part's round.

    weekday: 0 is Monday. month, day and day_of_year begin with 1; week is ISO 8601's.
    """

    kind: Literal["calendar"]
    parts: tuple[Literal["year", "month", "day", "weekday", "hour", "week", "day_of_year"], ...] = Field(min_length=1)
    output: Literal["number", "wave"] = "number"
    zone: Zone | None = Field(None, description="default: the pipeline's")
    null: float | None = Field(None, description="what a null comes out as; default: it is an error")

    @model_validator(mode="after")
    def _round(self) -> Calendar:
        if self.output == "wave" and "year" in self.parts:
            raise ValueError("waves of parts that come round again, unlike 'year'")
        return self


class Holidays(Entry):
    """Whether an instant's local day is one of `days`; how many days it is until the next, and since the last.

    Both counts are 0 on such a day and at most `most_days`, which also stands where no such day follows or precedes.
    """

    kind: Literal["holidays"]
    days: tuple[date, ...] = Field(min_length=1)
    outputs: tuple[Literal["is", "until", "since"], ...] = ("is", "until", "since")
    most_days: int = Field(60, ge=1)
    zone: Zone | None = Field(None, description="default: the pipeline's")
    null: float | None = Field(None, description="what a null comes out as; default: it is an error")


class Combination(Entry):
    """`ratio`: the first column over the second; `difference`: the first minus the second."""

    kind: Literal["ratio", "difference"]
    columns: tuple[str, str]
    name: str
    null: float | None = Field(
        None, description="what comes out where one is null, or the second of a ratio is 0; default: an error"
    )

    @property
    def is_per_column(self) -> bool:
        return False


FeatureEntry = Annotated[
    Scaling
    | BoxCox
    | Bins
    | Missing
    | OneHot
    | Ordinal
    | Hashed
    | Frequency
    | Target
    | Cross
    | Calendar
    | Holidays
    | Pca
    | Lda
    | TruncatedSvd
    | Tfidf
    | HashedText
    | TokenIds
    | Sequence
    | LifetimeFeatures
    | Combination,
    Field(discriminator="kind"),
]
