"""The configuration as data: one frozen section per stage; every key, its default and its unit stand here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise
from math import inf
from typing import Annotated, Literal, TypeVar

from pydantic import Field, field_validator, model_validator

from ringmill.config.columns import check_columns
from ringmill.config.extras import Extra
from ringmill.config.features import FeatureEntry, Split
from ringmill.config.formats import NumberFormat, TimestampFormat, Zone
from ringmill.config.gates import Gate
from ringmill.config.images import Augmentation, Images
from ringmill.config.personal import Personal, PersonalKey
from ringmill.config.rfm import Rfm
from ringmill.config.rules import NAME, OrderColumn, Rule, Section
from ringmill.config.selection import SelectionStep
from ringmill.config.tasks import Model, Purchase, Task
from ringmill.config.training import Constant, Optimizer, RateForBatch, Schedule
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


class Train(Section):
    """What is learnt, the network that learns it, and its ring."""

    task: Task = Purchase()
    model: Model = Model()
    augmentation: Augmentation = Augmentation()

    ranks: int = Field(2, ge=1)
    launcher: Literal["barrier", "local", "hosts"] = "barrier"
    hosts: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.@-]*(:[1-9]\d*)?$")], ...] = Field(
        (), description="for the launcher 'hosts': name, or name:ranks; reached by ssh"
    )
    ssh_options: tuple[str, ...] = Field((), description="for ssh, before the host's name")
    engine: Literal["ring", "mirrored"] = Field(
        "ring",
        description="ring: each rank is a process, and Horovod sums; mirrored: the ranks are replicas in one process, "
        "one on each of this host's GPUs or of as many logical CPU devices, under TensorFlow's MirroredStrategy",
    )
    device: Literal["auto", "cpu", "gpu"] = Field("auto", description="auto: GPUs where TensorFlow sees any")
    batch: int = Field(128, ge=1, description="global batch: rows per step over all ranks")
    epochs: int = Field(60, ge=1)
    patience: int = Field(8, ge=1, description="epochs without a better validation loss before stopping")
    learning_rate: float = Field(1e-3, gt=0, description="never multiplied by ranks")
    rate_for_batch: RateForBatch | None = Field(None, description="default: learning_rate is for this global batch")
    warmup_epochs: float = Field(2.0, ge=0)
    schedule: Schedule = Constant()
    optimizer: Optimizer = Optimizer()
    weight_decay: float = Field(1e-1, ge=0)
    dtype: Literal["float32", "float64", "mixed_float16", "mixed_bfloat16"] = Field(
        "float32", description="of the model; a mixed one computes in half precision on float32 weights"
    )
    order: Literal["global", "striped"] = Field(
        "global",
        description="global: all rows are decoded once on each host, and any number of ranks sees the same batches; "
        "striped: each rank reads its row groups as it goes, for tables of any size; the batches depend on train.ranks",
    )
    window_rows: int = Field(
        65_536, ge=1, description="striped: rows of a rank that are decoded and shuffled at a time; two such are held"
    )
    sample_weight: str | None = Field(
        None, description="column of the features table: what a row counts in losses and metrics, at least 0"
    )
    class_weights: dict[str, float] = Field(
        default_factory=dict,
        description="what a row counts by its class (of a purchase: 0 or 1), times its sample weight; default: 1",
    )
    memory_mb: int = Field(
        1024, ge=16, description="decoded rows and what goes with them on one host, all its ranks together, at most"
    )
    checkpoint_steps: int = Field(0, ge=0, description="steps between two checkpoints; 0: at the end of each epoch")
    stall_seconds: float = Field(300, ge=3, description="a rank that takes no step for so long is ended")
    retries: int = Field(2, ge=0, description="new starts from the last checkpoint after a rank was lost or stalled")
    keep_checkpoints: int = Field(2, ge=1, description="the last ones; a torn one is passed over for the one before")
    tensorboard: bool = Field(False, description="event files of each epoch's figures, in the run's folder")
    timeline: bool = Field(False, description="Horovod's timeline of all operations, in the run's folder")

    @property
    def weights_dtype(self) -> str:
        """Of weights, losses and gradients."""
        return "float32" if self.dtype.startswith("mixed") else self.dtype

    @property
    def is_exact(self) -> bool:
        """Whether law 5 holds: gradients are neither computed nor sent in half precision, and no layer goes by one
        rank's rows."""
        whole = not self.dtype.startswith("mixed") and self.optimizer.compression == "none"
        return whole and self.model.settings.get("sync", True) is True

    @field_validator("class_weights", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return {str(name): weight for name, weight in value.items()} if isinstance(value, Mapping) else value

    @property
    def processes(self) -> int:
        """That the ranks are made of."""
        return 1 if self.engine == "mirrored" else self.ranks

    @model_validator(mode="after")
    def _fits_engine(self) -> Train:
        if self.engine == "mirrored":
            for name, wanted in (("launcher", "local"), ("order", "global"), ("timeline", False)):
                if getattr(self, name) != wanted:
                    raise ValueError(f"train.{name}: {str(wanted).lower()} with train.engine: mirrored")
        return self

    @model_validator(mode="after")
    def _weights(self) -> Train:
        weights = self.class_weights
        if not all(0 <= weight < inf for weight in weights.values()):
            raise ValueError("train.class_weights: finite numbers of at least 0")
        if self.task.kind == "purchase":
            if not set(weights) <= {"0", "1"}:
                raise ValueError("train.class_weights: a number for 0, for 1 or for both")
            if weights and not any(weights.get(label, 1.0) for label in ("0", "1")):
                raise ValueError("train.class_weights: at least one of them above 0")
        return self


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
    raw_section: Raw | None = Field(None, alias="raw", description="orders; a pipeline of images alone has none")
    clean: Clean = Clean()
    rfm: Rfm = Rfm()
    features_section: Features | None = Field(None, alias="features")
    images: Images | None = None
    train: Train = Train()
    score: Score = Score()
    report: Report = Report()
    spark: SparkSection = SparkSection()

    @property
    def raw(self) -> Raw:
        """The section, which a stage that asks for it needs. Raises ConfigError."""
        return self._needed("raw", self.raw_section)

    @property
    def features(self) -> Features:
        """As `raw`."""
        return self._needed("features", self.features_section)

    def _needed(self, name: str, section: T | None) -> T:
        if section is None:
            raise ConfigError.bad_value(f"pipeline {self.pipeline}", name, f"a section '{name}'", None)
        return section

    @property
    def is_of_images(self) -> bool:
        """Whether images are all that the pipeline reads."""
        return self.raw_section is None

    @model_validator(mode="after")
    def _sections_fit(self) -> Config:
        raw, features, images = self.raw_section, self.features_section, self.images
        if raw is None or features is None:
            if raw is not None or features is not None or images is None:
                raise ValueError("sections 'raw' and 'features', or a section 'images' without both")
            if self.train.task.kind != "classes":
                raise ValueError("train.task of kind 'classes', which is what is learnt of images")
            if self.generate is not None:
                raise ValueError("images.generate, which makes up pictures: 'generate' makes up a shop")
            return self
        check_columns(raw, self.clean)
        if images is not None and images.name == features.name:
            raise ValueError("images.name other than features.name: each names a table of its own")
        if self.train.task.kind != "purchase":
            raise ValueError("train.task of kind 'purchase' beside a section 'raw': its scores are of customers")
        return self
