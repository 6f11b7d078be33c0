"""The configuration as data: one frozen section per stage; every key, its default and its unit stand here."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Literal, TypeVar

from pydantic import Field, model_validator

from ringmill.config.clean import Clean
from ringmill.config.embeddings import Embeddings
from ringmill.config.features import FeatureEntry, Split
from ringmill.config.fit import check_sections
from ringmill.config.formats import Zone
from ringmill.config.images import Images
from ringmill.config.imbalance import Augment
from ringmill.config.promotion import Promotion
from ringmill.config.raw import Raw
from ringmill.config.recommend import Recommend
from ringmill.config.rfm import Rfm
from ringmill.config.route import Route
from ringmill.config.rules import Section
from ringmill.config.selection import SelectionStep
from ringmill.config.sequences import Sequences
from ringmill.config.table import OwnTable
from ringmill.config.texts import Texts
from ringmill.config.tracking import Mlflow, OpenLineage
from ringmill.config.train import Train
from ringmill.errors import ConfigError

T = TypeVar("T")


class Generate(Section):
    """`ringmill generate`: a shop whose customers buy and drop out by the Pareto/NBD model."""

    customers: int = Field(5_000, ge=1)
    lines: int = Field(200_000, ge=1, description="order lines before planted copies")
    days: int = Field(540, ge=1)
    start: date = date(2024, 1, 1)
    defect_share: float = Field(0.01, ge=0, le=0.2, description="share of lines that each kind of defect touches")


SnapshotMeasure = Literal[
    "cancelled_total",
    "order_count_net",
    "days_since_last_order_net",
    "spend_net",
    "repeat_period_count",
    "recency_age_periods",
    "age_periods",
]


class Features(Section):
    """What is known of a customer at a cutoff, and what happened within the horizon after it."""

    name: str = Field("customers", pattern="^[a-z][a-z0-9_]*$")
    train_cutoffs: tuple[date, ...] = Field(min_length=1)
    horizon_days: int = Field(90, ge=1)
    windows_days: tuple[int, ...] = (7, 30, 90, 365)
    top_countries: int = Field(8, ge=0, description="countries with a column of their own; the others share one")
    shares: tuple[float, float, float] = Field((0.70, 0.15, 0.15), description="train, validation, test")
    split: Split = Split()
    folds: int = Field(5, ge=2, description="of the train split, for entries that encode out of fold")
    last_orders: int = Field(
        0, ge=0, le=1_000, description="of so many a customer's gaps, spend and products are kept as lists; 0: of none"
    )
    snapshots: tuple[SnapshotMeasure, ...] = Field(
        (), description="columns of rfm/customers as of each cutoff, which rfm makes; for entries of `set`"
    )
    set: tuple[FeatureEntry, ...] = Field((), description="what becomes of the measures; default: features/default.py")
    selection: tuple[SelectionStep, ...] = Field((), description="steps that drop columns of x, in their order")

    @model_validator(mode="after")
    def _whole(self) -> Features:
        if abs(sum(self.shares) - 1.0) > 1e-9 or min(self.shares) <= 0:
            raise ValueError("features.shares: three positive shares with sum 1")
        if self.snapshots and not self.set:
            raise ValueError("features.snapshots with features.set, whose entries read them")
        if len(set(self.snapshots)) < len(self.snapshots):
            raise ValueError("features.snapshots with each column once")
        for split, cutoffs in self.cutoffs_by_split.items():
            if len(set(cutoffs)) < len(cutoffs):
                raise ValueError(f"{self.key_of(split)} with each cutoff once")
        if len(set(self.windows_days)) < len(self.windows_days):
            raise ValueError("features.windows_days with each window once")
        if self.split.kind != "group":
            for (_, earlier), (name, later) in pairwise(self.cutoffs_by_split.items()):
                if max(earlier) + timedelta(days=self.horizon_days) > min(later):
                    raise ValueError(f"cutoffs of {name} at least horizon_days behind those of the split before")
        return self

    @property
    def cutoffs_by_split(self) -> dict[str, tuple[date, ...]]:
        """Of each split the cutoffs that are its own; in a group split all are train's."""
        own = {"train": self.train_cutoffs}
        if self.split.kind == "group":
            return own
        return own | {"validation": self.split.validation_cutoffs, "test": self.split.test_cutoffs}

    @property
    def cutoffs(self) -> tuple[date, ...]:
        """All cutoffs at which customers are measured."""
        return tuple(cutoff for cutoffs in self.cutoffs_by_split.values() for cutoff in cutoffs)

    def key_of(self, split: str) -> str:
        """The key of the configuration that names a split's cutoffs."""
        return "features.train_cutoffs" if split == "train" else f"features.split.{split}_cutoffs"

    @property
    def more_measures(self) -> tuple[str, ...]:
        """Measures that are made for the entries that read them alone."""
        read = {column for entry in self.set for column in entry.columns}
        return tuple(name for name in ("repeat_value_mean",) if name in read)

    @property
    def has_folds(self) -> bool:
        """Whether an entry encodes out of fold, so that train rows carry a fold."""
        return any(entry.kind == "target" for entry in self.set)


class Score(Section):
    """Every customer's probability and expected spend as of a cutoff."""

    cutoff: date | None = Field(None, description="exclusive; default: the first midnight after the last event")
    model_run: str | None = Field(None, description="the run whose model scores; default: the current model's")


class Report(Section):
    """The page a person opens after a run."""

    title: str = "Ringmill report"
    currency: str = ""
    top_customers: int = Field(20, ge=1)


# Settings of Spark by which results would be others under the same key: they hold whatever a cluster's defaults or
# spark-submit say.
DECISIVE = {
    # Instants are UTC everywhere; a business day is cut by a named zone, never by the session.
    "spark.sql.session.timeZone": "UTC",
    # What cannot be cast or divided is an error that names its rule, and no null.
    "spark.sql.ansi.enabled": "true",
    # Times without a zone of their own would be of none, and not instants.
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    # Earlier Sparks' reading of `raw.timestamp_formats` took what does not fit them.
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    "spark.sql.caseSensitive": "false",
}


class SparkSection(Section):
    """The session when a command starts it itself; spark-submit's own settings win, but for `DECISIVE`."""

    master: str = "local[2]"
    driver_memory: str = "1536m"
    shuffle_partitions: int = Field(4, ge=1)
    settings: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _results_are_the_same(self) -> SparkSection:
        for key, value in DECISIVE.items():
            if (received := self.settings.get(key, value)).lower() != value.lower():
                raise ValueError(f"settings by which no result changes: {key} is {value} here, not {received}")
        return self


class Config(Section):
    """A whole pipeline."""

    pipeline: str = Field(pattern="^[a-z][a-z0-9_]*$")
    warehouse: str
    zone: Zone = "UTC"
    seed: int = Field(20_261, ge=0)
    generate: Generate | None = None
    raw_section: Raw | None = Field(
        None, alias="raw", description="orders; none where a pipeline reads images or texts alone"
    )
    clean: Clean = Clean()
    rfm: Rfm = Rfm()
    features_section: Features | None = Field(None, alias="features")
    embeddings_section: Embeddings | None = Field(None, alias="embeddings")
    images: Images | None = None
    table_section: OwnTable | None = Field(None, alias="table", description="features of one's own, to train on alone")
    augment_section: Augment | None = Field(
        None, alias="augment", description="beside 'table': a rare class is helped, in four ways that are compared"
    )
    texts: Texts | None = Field(None, description="of a pipeline of texts alone")
    recommend_section: Recommend | None = Field(
        None, alias="recommend", description="of a pipeline that recommends products, in the place of 'features'"
    )
    sequences_section: Sequences | None = Field(
        None, alias="sequences", description="of a pipeline that foresees the next order, in the place of 'features'"
    )
    train: Train = Train()
    promotion: Promotion = Promotion()
    score: Score = Score()
    route: Route | None = Field(None, description="of a pipeline of texts: where each text goes once it is scored")
    report: Report = Report()
    spark: SparkSection = SparkSection()
    mlflow: Mlflow | None = Field(None, description="trainings are told to MLflow too")
    openlineage: OpenLineage | None = Field(None, description="stages are events of OpenLineage too")

    @property
    def raw(self) -> Raw:
        """The section, which a stage that asks for it needs. Raises ConfigError."""
        return self._needed("raw", self.raw_section)

    @property
    def features(self) -> Features:
        """As `raw`."""
        return self._needed("features", self.features_section)

    @property
    def table(self) -> OwnTable:
        """As `raw`."""
        return self._needed("table", self.table_section)

    @property
    def augment(self) -> Augment:
        """As `raw`."""
        return self._needed("augment", self.augment_section)

    @property
    def recommend(self) -> Recommend:
        """As `raw`."""
        return self._needed("recommend", self.recommend_section)

    @property
    def sequences(self) -> Sequences:
        """As `raw`."""
        return self._needed("sequences", self.sequences_section)

    @property
    def embeddings(self) -> Embeddings:
        """As `raw`."""
        return self._needed("embeddings", self.embeddings_section)

    def _needed(self, name: str, section: T | None) -> T:
        if section is None:
            raise ConfigError.bad_value(f"pipeline {self.pipeline}", name, f"a section '{name}'", None)
        return section

    @property
    def examples(self) -> Images | Texts | None:
        """What the pipeline reads where it reads examples alone; None: it reads orders."""
        return self.images or self.texts if self.raw_section is None else None

    @model_validator(mode="after")
    def _sections_fit(self) -> Config:
        check_sections(self)
        return self
