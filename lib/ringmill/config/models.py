"""The configuration as data: one frozen section per stage; every key, its default and its unit stand here."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, model_validator

from ringmill.config.rfm import Rfm
from ringmill.config.rules import OrderColumn, Rule, Section


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("an IANA time zone such as Europe/London")
    return name


_OFFSET = re.compile(r"[XxZOVz]")
_QUOTED = re.compile(r"'[^']*'")


def has_offset(form: str) -> bool:
    """Whether a Java date format writes an offset or a zone, so that what it reads is an instant."""
    return _OFFSET.search(_QUOTED.sub("", form)) is not None


Zone = Annotated[str, AfterValidator(_known_zone)]


class Generate(Section):
    """`ringmill generate`: a shop whose customers buy and drop out by the Pareto/NBD model."""

    customers: int = Field(5_000, ge=1)
    lines: int = Field(200_000, ge=1, description="order lines before planted copies")
    days: int = Field(540, ge=1)
    start: date = date(2024, 1, 1)
    defect_share: float = Field(0.01, ge=0, le=0.2, description="share of lines that each kind of defect touches")


class NumberFormat(Section):
    """How a column writes its numbers. What is not written so cannot be read; nothing is guessed.

    Thousands separators may be left out, but where one stands, three digits follow each.
    """

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", "'", " "] = Field("", description="a space means the no-break ones too")
    currency: tuple[str, ...] = Field((), description="signs or codes that may stand before or behind the number")

    @model_validator(mode="after")
    def _apart(self) -> NumberFormat:
        if self.decimal == self.thousands:
            raise ValueError("a decimal sign that is not the thousands separator too")
        if not all(sign.strip() for sign in self.currency):
            raise ValueError("currency signs that are not empty")
        return self


class TimestampFormat(Section):
    """A format of local times in a zone of its own."""

    format: str
    zone: Zone

    @model_validator(mode="after")
    def _is_local(self) -> TimestampFormat:
        if has_offset(self.format):
            raise ValueError(f"a zone for a format of local times; '{self.format}' has an offset of its own")
        return self


class Raw(Section):
    """Where raw orders come from, and what their columns are called there."""

    path: str
    format: Literal["auto", "csv", "jsonl", "parquet", "delta"] = "auto"
    columns: dict[OrderColumn, str] = Field(description="our name: the name in the files")
    number_formats: dict[Literal["quantity", "unit_price"], NumberFormat] = Field(
        default_factory=dict, description="by our name; default: digits with a decimal point"
    )
    timestamp_formats: tuple[str | TimestampFormat, ...] = (
        "yyyy-MM-dd HH:mm:ss",
        "yyyy-MM-dd'T'HH:mm:ss",
        "yyyy-MM-dd HH:mm",
        "yyyy-MM-dd",
    )
    delimiter: str = Field(",", min_length=1, max_length=1)
    batch: str | None = Field(None, description="name of this batch; by default a hash of its files")

    @model_validator(mode="after")
    def _needs(self) -> Raw:
        needed = {"order_id", "product_id", "quantity", "unit_price", "customer_id", "ordered_at"}
        if absent := sorted(needed - set(self.columns)):
            raise ValueError(f"raw.columns with an entry for {', '.join(absent)}")
        return self


class Clean(Section):
    """Raw rows to typed rows, each with one status and all its reasons."""

    cancellation: str = Field("order_id LIKE 'C%'", description="Spark SQL: true for a line that cancels")
    non_products: tuple[str, ...] = Field((), description="codes (case ignored) that are no products: flagged")
    non_product_pattern: str | None = None
    key: tuple[OrderColumn, ...] = Field((), description="columns that identify a line; empty: no key is known")
    keep: Literal["first", "last"] = Field("last", description="by known_at: which line of a key stays")
    late_after_days: float | None = Field(None, description="flag a row known this long after its event")
    unreadable_at_most: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of lines that are torn, or hold text for a number or date, above which the batch is refused",
    )
    rules: tuple[Rule, ...] = ()
    refit: bool = Field(False, description="fit the rules' statistics anew, instead of using those that are kept")
    fit_before: date | None = Field(
        None, description="statistics see lines known before it alone; default: the first of features.train_cutoffs"
    )

    @model_validator(mode="after")
    def _names_and_keys(self) -> Clean:
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"rules with a name of their own each; there are two of {', '.join(twice)}")
        if fixed := [rule.name for rule in self.rules if rule.action == "fix" and rule.column in self.key]:
            raise ValueError(f"fixes of columns outside clean.key, unlike rule '{fixed[0]}': keys are compared as sent")
        return self


class Features(Section):
    """What is known of a customer at a cutoff, and what happened within the horizon after it."""

    name: str = Field("customers", pattern="^[a-z][a-z0-9_]*$")
    train_cutoffs: tuple[date, ...] = Field(min_length=1)
    horizon_days: int = Field(90, ge=1)
    windows_days: tuple[int, ...] = (7, 30, 90, 365)
    top_countries: int = Field(8, ge=0, description="countries with a column of their own; the others share one")
    shares: tuple[float, float, float] = Field((0.70, 0.15, 0.15), description="train, validation, test")

    @model_validator(mode="after")
    def _whole(self) -> Features:
        if abs(sum(self.shares) - 1.0) > 1e-9 or min(self.shares) <= 0:
            raise ValueError("features.shares: three positive shares with sum 1")
        return self


class Train(Section):
    """The multi-task MLP and its ring."""

    ranks: int = Field(2, ge=1)
    launcher: Literal["barrier", "local"] = "barrier"
    hidden: tuple[int, ...] = (32, 16)
    batch: int = Field(128, ge=1, description="global batch: rows per step over all ranks")
    epochs: int = Field(60, ge=1)
    patience: int = Field(8, ge=1, description="epochs without a better validation loss before stopping")
    learning_rate: float = Field(1e-3, gt=0, description="for this global batch; never multiplied by ranks")
    warmup_epochs: float = Field(2.0, ge=0)
    weight_decay: float = Field(1e-1, ge=0)
    spend_weight: float = Field(0.1, ge=0, description="weight of the spend head's loss beside the purchase head's")
    dtype: Literal["float32", "float64"] = "float32"
    memory_mb: int = Field(1024, ge=16, description="decoded rows per rank, at most")


class Score(Section):
    """Every customer's probability and expected spend as of a cutoff."""

    cutoff: date | None = Field(None, description="exclusive; default: the first midnight after the last event")


class Report(Section):
    """The page a person opens after a run."""

    title: str = "Ringmill report"
    currency: str = ""
    top_customers: int = Field(20, ge=1)


class SparkSection(Section):
    """The session when a command starts it itself; spark-submit's own settings win."""

    master: str = "local[2]"
    driver_memory: str = "1536m"
    shuffle_partitions: int = Field(4, ge=1)
    settings: dict[str, str] = Field(default_factory=dict)


class Config(Section):
    """A whole pipeline."""

    pipeline: str = Field(pattern="^[a-z][a-z0-9_]*$")
    warehouse: str
    zone: Zone = "UTC"
    seed: int = Field(20_261, ge=0)
    generate: Generate | None = None
    raw: Raw
    clean: Clean = Clean()
    rfm: Rfm = Rfm()
    features: Features
    train: Train = Train()
    score: Score = Score()
    report: Report = Report()
    spark: SparkSection = SparkSection()
