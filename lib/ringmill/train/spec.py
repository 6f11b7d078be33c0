"""What a training run is, as frozen data that travels to ranks as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ringmill.config.train import Train
from ringmill.errors import ConfigError
from ringmill.handoff.budget import HandOff, hand_off
from ringmill.handoff.columns import Columns, Input
from ringmill.handoff.manifest import Manifest
from ringmill.handoff.plan import Plan
from ringmill.handoff.subset import Only
from ringmill.train.placing import Placed, placed_by
from ringmill.train.tasks.find import task_of
from ringmill.train.tasks.task import Task
from ringmill.train.vary_words import KnownIds

SPLITS = ("train", "validation", "test")
# What of the section changes no weight: law 5 for the ranks, law 7 for what is done about faults.
_LAUNCH = ("ranks", "launcher", "hosts", "ssh_options", "engine", "device", "memory_mb")
_FAULTS = ("checkpoint_steps", "keep_checkpoints", "stall_seconds", "retries")
_RECORDED = ("tensorboard", "timeline", "interval_group")
ASIDE = frozenset({*_LAUNCH, *_FAULTS, *_RECORDED})


@dataclass(frozen=True)
class TrainSpec:
    """One training: a pinned table version, the section `train`, a seed, and the folder that the run writes into.

    `x` is where the model's input stands; None: in column x, lists of `features` numbers. `classes` are those of the
    train split, for a task that has such, and `classes_by_head` those of each head for a task of several heads.
    `known` is what varies texts.
    `group` is a column whose values say which rows belong together in the intervals of figures; '': none do.
    `checkpoints` names a folder to resume from and to continue, another run's maybe; by default one in `folder`.
    `row_index` is where the index of a table's rows lies that is not partitioned by split; by default in `folder`.
    Of `only` each split has the rows of one value alone; `added` names tables, by path and version, whose train rows
    are trained on besides, with columns of the same names.
    `padding_fill` is what the rows that pad a batch hold; law 4 says that no number depends on it.
    """

    table: str
    version: int
    folder: str
    train: Train
    seed: int
    features: int
    run_id: str
    checkpoints: str = ""
    row_index: str = ""
    padding_fill: float = 0.0
    x: Input | None = None
    classes: tuple[str, ...] = ()
    known: KnownIds = field(default_factory=KnownIds)
    classes_by_head: tuple[tuple[str, ...], ...] = ()
    group: str = ""
    only: Only | None = None
    added: tuple[tuple[str, int], ...] = ()

    @property
    def task(self) -> Task:
        return task_of(self.train, self.classes, self.classes_by_head, ids=self.input.ids)

    @property
    def input(self) -> Input:
        return self.x or Input("x", (self.features,))

    def rooted(self) -> TrainSpec:
        """The table by its full path, if it has one: a rank may have another working directory."""
        return self if "://" in self.table else replace(self, table=str(Path(self.table).absolute()))

    def check_augmentation(self) -> None:
        """Raises ConfigError where what is no image, or no text, is to be varied as one."""
        if self.train.augmentation.is_on and (self.input.dtype != "uint8" or len(self.input.shape) != 3):
            expected = "nothing, or an input of (height, width, channels) unsigned bytes"
            received = f"{self.input.dtype} of shape {self.input.shape}"
            raise ConfigError.bad_value("train", "train.augmentation", expected, received)
        if self.train.text_augmentation.is_on and self.input.dtype != "int32":
            expected, received = "nothing, or an input of ids of tokens", f"{self.input.dtype}"
            raise ConfigError.bad_value("train", "train.text_augmentation", expected, received)

    @property
    def columns(self) -> Columns:
        """What is read of the table."""
        return Columns(self.input, self.task.labels, self.train.sample_weight)

    @property
    def checkpoint_folder(self) -> Path:
        return Path(self.checkpoints or Path(self.folder) / "checkpoints")

    @property
    def row_index_folder(self) -> Path:
        return Path(self.row_index or Path(self.folder) / "row_index").absolute()


@dataclass(frozen=True)
class Job:
    """A spec with the pinned files of each split: all that a rank is told."""

    spec: TrainSpec
    manifests: Mapping[str, Manifest]

    @property
    def plan(self) -> Plan:
        train = self.spec.train
        return Plan(rows=self.manifests["train"].rows, batch=train.batch, ranks=train.ranks, seed=self.spec.seed)

    @property
    def handed(self) -> HandOff:
        """The plan, checked as far as it can be by who does not know which ranks share a host: see `open_splits`."""
        return self.handed_to(placed_by(self.spec.train))

    def handed_to(self, placed: Placed) -> HandOff:
        """The plan, checked for ranks that share hosts so. Raises PlanError, see `hand_off`."""
        section, columns = self.spec.train, self.spec.columns
        window_rows = section.window_rows if section.order == "striped" else None
        return hand_off(
            self.manifests,
            self.plan,
            columns=columns,
            memory_mb=section.memory_mb,
            host_ranks=placed.host_ranks,
            assumed=placed.assumed,
            window_rows=window_rows,
        )

    @property
    def fingerprint(self) -> str:
        """What decides the weights: a checkpoint of another fingerprint is not resumed from.

        The ranks may change, in the order 'striped' between epochs alone (law 7).
        """
        aside = ASIDE | {"window_rows"} if self.spec.train.order == "global" else ASIDE
        section = self.spec.train.model_dump(mode="json", exclude=set(aside))
        files = {split: [file.path for file in manifest.files] for split, manifest in self.manifests.items()}
        spec = self.spec
        decisive = [section, spec.seed, spec.input.to_json(), spec.classes, asdict(spec.known)]
        decisive += [spec.classes_by_head, spec.table, spec.version, files, spec.only and asdict(spec.only)]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()

    def to_bytes(self) -> bytes:
        """As JSON: see `read`."""
        tree = asdict(self.spec) | {"train": self.spec.train.model_dump(mode="json")}
        manifests = {split: manifest.to_json() for split, manifest in self.manifests.items()}
        return json.dumps({"spec": tree, "manifests": manifests}, indent=1).encode()

    @classmethod
    def read(cls, path: Path) -> Job:
        tree = json.loads(path.read_text(encoding="utf-8"))
        x = tree["spec"]["x"] and Input.from_json(tree["spec"]["x"])
        section, classes = Train.model_validate(tree["spec"]["train"]), tuple(tree["spec"]["classes"])
        by_head = tuple(tuple(names) for names in tree["spec"]["classes_by_head"])
        known = KnownIds.from_json(tree["spec"]["known"])
        read = {"train": section, "x": x, "classes": classes, "known": known, "classes_by_head": by_head}
        only = tree["spec"]["only"] and Only(**tree["spec"]["only"])
        read |= {"only": only, "added": tuple((path, version) for path, version in tree["spec"]["added"])}
        spec = TrainSpec(**{**tree["spec"], **read})
        return cls(spec, {split: Manifest.from_json(manifest) for split, manifest in tree["manifests"].items()})


@dataclass(frozen=True)
class TrainResult:
    """What a run left in its folder: the model's path, `manifest.json` as data, and one entry per epoch."""

    folder: Path
    model: Path
    manifest: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...]
