"""The configuration as data: one frozen section per stage; every key, its default and its unit stand here."""

from __future__ import annotations

import re
from datetime import date, timedelta
from itertools import pairwise
from typing import Literal, TypeVar

from pydantic import Field, model_validator

from ringmill.config.columns import check_columns
from ringmill.config.embeddings import Embeddings
from ringmill.config.extras import Extra
from ringmill.config.features import FeatureEntry, Split
from ringmill.config.formats import NumberFormat, TimestampFormat, Zone
from ringmill.config.gates import Gate
from ringmill.config.images import Images
from ringmill.config.imbalance import Augment
from ringmill.config.personal import Personal, PersonalKey
from ringmill.config.promotion import Promotion
from ringmill.config.recommend import Recommend
from ringmill.config.rfm import Rfm
from ringmill.config.route import Route
from ringmill.config.rules import NAME, OrderColumn, Rule, Section
from ringmill.config.selection import SelectionStep
from ringmill.config.sequences import Sequences, heads_by_label
from ringmill.config.table import OwnTable
from ringmill.config.texts import Texts
from ringmill.config.tracking import Mlflow, OpenLineage
from ringmill.config.train import Train
from ringmill.contracts import CLEAN_ROWS
from ringmill.errors import ConfigError

T = TypeVar("T")


class Generate(Section):
    """`ringmill generate`: a shop whose customers buy and drop out by the Pareto/NBD model."""

    customers: int = Field(5_000, ge=1)
    lines: int = Field(200_000, ge=1, description="order lines before planted copies")
    days: int = Field(540, ge=1)
    start: date = date(2024, 1, 1)
    defect_share: float = Field(0.01, ge=0, le=0.2, description="share of lines that each kind of defect touches")


class Drift(Section):
    """What happens when the files' columns change; a change is always reported, with the file's name."""

    new: Literal["ignore", "add", "fail"] = Field(
        "ignore", description="a column that is not mapped and was not there before; 'add' keeps its values in 'others'"
    )
    missing: Literal["fail", "ignore"] = Field(
        "fail", description="a mapped column; 'ignore' reads it as missing values"
    )
    changed: Literal["ignore", "fail"] = Field("ignore", description="another type than before, where files have types")


class Raw(Section):
    """Where raw orders come from, and what their columns are called there."""

    path: str
    format: Literal["auto", "csv", "jsonl", "parquet", "delta"] = "auto"
    columns: dict[OrderColumn, str] = Field(description="our name: the name in the files")
    number_formats: dict[Literal["quantity", "unit_price"], NumberFormat] = Field(
        default_factory=dict, description="by our name; default: digits with a decimal point"
    )
    extras: dict[str, Extra] = Field(
        default_factory=dict, description="columns beyond ours, by the names that clean/rows and rules give them"
    )
    timestamp_formats: tuple[str | TimestampFormat, ...] = (
        "yyyy-MM-dd HH:mm:ss",
        "yyyy-MM-dd'T'HH:mm:ss",
        "yyyy-MM-dd HH:mm",
        "yyyy-MM-dd",
    )
    delimiter: str = Field(",", min_length=1, max_length=1)
    batch: str | None = Field(None, description="name of this batch; by default a hash of its files")
    batches: Literal["whole", "files"] = Field(
        "whole", description="'files': each file is a batch, and only files that were not taken before are cleaned"
    )
    up_to: date | None = Field(
        None,
        description="the last day whose files are taken: a file waits whose name holds a later date (yyyy-MM-dd or "
        "yyyyMMdd), unless it was taken before; the data are whole up to this day's midnight",
    )
    changed_files: Literal["fail", "ignore"] = Field(
        "fail", description="a file that was taken and has other bytes now; 'ignore' reports it and keeps its old rows"
    )
    bad_files: Literal["fail", "quarantine"] = Field(
        "fail", description="a file that cannot be read: stop, or name it, leave it out and go on with the rest"
    )
    drift: Drift = Drift()

    @model_validator(mode="after")
    def _needs(self) -> Raw:
        if self.batches == "files" and (self.batch is not None or self.format == "delta"):
            raise ValueError("raw.batches: files with files, and without raw.batch: each file is named after itself")
        if self.up_to is not None and self.format == "delta":
            raise ValueError("raw.up_to with files, whose names hold their day; a Delta table has a version")
        needed = {"order_id", "product_id", "quantity", "unit_price", "customer_id", "ordered_at"}
        if absent := sorted(needed - set(self.columns)):
            raise ValueError(f"raw.columns with an entry for {', '.join(absent)}")
        if taken := sorted(name for name in self.extras if name in CLEAN_ROWS.names):
            raise ValueError(f"raw.extras with names that clean/rows has not, unlike {', '.join(taken)}")
        if bad := [name for name in self.extras if not re.fullmatch(NAME, name)]:
            raise ValueError(f"raw.extras with names of lower-case letters, digits and _, unlike {bad[0]!r}")
        return self

    @property
    def mapped(self) -> dict[str, str]:
        """Our name: the name in the files; extras too."""
        own: dict[str, str] = {str(name): column for name, column in self.columns.items()}
        return own | {name: extra.column for name, extra in self.extras.items()}


class Clean(Section):
    """Raw rows to typed rows, each with one status and all its reasons."""

    cancellation: str = Field("order_id LIKE 'C%'", description="Spark SQL: true for a line that cancels")
    non_products: tuple[str, ...] = Field((), description="codes (case ignored) that are no products: flagged")
    non_product_pattern: str | None = None
    key: tuple[OrderColumn, ...] = Field((), description="columns that identify a line; empty: no key is known")
    keep: Literal["first", "last", "most_complete"] = Field(
        "last", description="which line of a key stays, by known time; of equally complete ones the first"
    )
    late_after_days: float | None = Field(None, description="flag a row known this long after its event")
    unreadable_at_most: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of lines that are torn, or hold text for a number or date, above which the batch is refused",
    )
    rules: tuple[Rule, ...] = ()
    match_cancellations: bool = Field(
        True,
        description="link each cancellation to the orders whose pieces it takes back (clean/cancellations); one more "
        "pass over the written rows, about half of what cleaning them costs where cancellations are 2 % of the lines",
    )
    personal: tuple[Personal, ...] = Field((), description="columns with personal data, and what becomes of them")
    personal_key: PersonalKey | None = Field(None, description="where the key of hashes lies")
    gates: tuple[Gate, ...] = Field((), description="bounds on a batch's figures; a broken one stops publication")
    refit: bool = Field(False, description="fit the rules' statistics anew, instead of using those that are kept")
    fit_before: date | None = Field(
        None,
        description="statistics see lines known before it alone; default: the first of features.train_cutoffs, or "
        "recommend.validation_cutoff, or the first of sequences.train_cutoffs",
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
    split: Split = Split()
    folds: int = Field(5, ge=2, description="of the train split, for entries that encode out of fold")
    last_orders: int = Field(
        0, ge=0, le=1_000, description="of so many a customer's gaps, spend and products are kept as lists; 0: of none"
    )
    set: tuple[FeatureEntry, ...] = Field((), description="what becomes of the measures; default: features/default.py")
    selection: tuple[SelectionStep, ...] = Field((), description="steps that drop columns of x, in their order")

    @model_validator(mode="after")
    def _whole(self) -> Features:
        if abs(sum(self.shares) - 1.0) > 1e-9 or min(self.shares) <= 0:
            raise ValueError("features.shares: three positive shares with sum 1")
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
        raw, features, images = self.raw_section, self.features_section, self.images
        if self.table_section is not None:
            others = (raw, features, images, self.texts, self.generate, self.route)
            if any(section is not None for section in others):
                raise ValueError("a section 'table' with 'train' alone beside it: the table is trained on as it is")
            self._check_augments(self.table_section)
            return self
        if self.augment_section is not None:
            raise ValueError("a section 'augment' beside a section 'table', whose rare class it helps")
        if self.recommend_section is not None:
            self._check_alone("recommend")
            if self.train.task.kind != "pairs":
                raise ValueError("train.task of kind 'pairs' beside a section 'recommend'")
            return self
        if self.sequences_section is not None:
            self._check_alone("sequences")
            heads_by_label(self.train.task)
            return self
        if self.route is not None and self.texts is None:
            raise ValueError("a section 'route' in a pipeline of texts alone")
        if raw is None or features is None:
            alone = (images is None) != (self.texts is None)
            if raw is not None or features is not None or not alone:
                raise ValueError("sections 'raw' and 'features', or a section 'images' or 'texts' without both")
            if self.train.task.kind != "classes":
                raise ValueError("train.task of kind 'classes', which is what is learnt of images and texts")
            if self.generate is not None:
                raise ValueError("images.generate or texts.generate: 'generate' makes up a shop")
            return self
        if self.texts is not None:
            raise ValueError("a section 'texts' without 'raw' and 'features': texts have a pipeline of their own")
        check_columns(raw, self.clean)
        if self.embeddings_section is not None and self.embeddings_section.name == features.name:
            raise ValueError("embeddings.name other than features.name: each names models of its own")
        if images is not None and images.name == features.name:
            raise ValueError("images.name other than features.name: each names a table of its own")
        if self.train.task.kind != "purchase":
            raise ValueError("train.task of kind 'purchase' beside a section 'raw': its scores are of customers")
        return self

    def _check_augments(self, table: OwnTable) -> None:
        if self.augment_section is None:
            if table.generate is not None:
                raise ValueError("table.generate in a pipeline with a section 'augment'")
        elif self.train.task.kind != "classes" or self.train.class_weights or self.train.engine != "ring":
            raise ValueError(
                "train.task of kind 'classes' by the engine 'ring' beside a section 'augment', and no "
                "train.class_weights: weights are one of the four ways that are compared"
            )

    def _check_alone(self, name: str) -> None:
        """Raises ValueError where a section that takes the place of 'features' has something else beside it."""
        others = (self.features_section, self.embeddings_section, self.images, self.texts, self.route)
        both = self.recommend_section is not None and self.sequences_section is not None
        if self.raw_section is None or both or any(section is not None for section in others):
            raise ValueError(f"a section '{name}' with 'raw' beside it, and no examples or features of another kind")
        check_columns(self.raw_section, self.clean)
