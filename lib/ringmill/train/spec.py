"""What a training run is, as frozen data that travels to ranks as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ringmill.config.models import Train
from ringmill.handoff.manifest import Manifest
from ringmill.handoff.plan import Plan

SPLITS = ("train", "validation", "test")
# What of the section changes no weight: law 5 for the ranks, law 7 for what is done about faults.
_LAUNCH = ("ranks", "launcher", "hosts", "ssh_options", "memory_mb")
_FAULTS = ("checkpoint_steps", "keep_checkpoints", "stall_seconds", "retries")
ASIDE = frozenset({*_LAUNCH, *_FAULTS})


@dataclass(frozen=True)
class TrainSpec:
    """One training: a pinned table version, the section `train`, a seed, and the folder that the run writes into.

    `checkpoints` names a folder to resume from and to continue, another run's maybe; by default one in `folder`.
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
    padding_fill: float = 0.0

    @property
    def checkpoint_folder(self) -> Path:
        return Path(self.checkpoints or Path(self.folder) / "checkpoints")


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
    def fingerprint(self) -> str:
        """What decides the weights: a checkpoint of another fingerprint is not resumed from."""
        section = self.spec.train.model_dump(mode="json", exclude=set(ASIDE))
        files = {split: [file.path for file in manifest.files] for split, manifest in self.manifests.items()}
        decisive = [section, self.spec.seed, self.spec.features, self.spec.table, self.spec.version, files]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()

    def to_bytes(self) -> bytes:
        """As JSON: see `read`."""
        tree = asdict(self.spec) | {"train": self.spec.train.model_dump(mode="json")}
        manifests = {split: manifest.to_json() for split, manifest in self.manifests.items()}
        return json.dumps({"spec": tree, "manifests": manifests}, indent=1).encode()

    @classmethod
    def read(cls, path: Path) -> Job:
        tree = json.loads(path.read_text(encoding="utf-8"))
        spec = TrainSpec(**{**tree["spec"], "train": Train.model_validate(tree["spec"]["train"])})
        return cls(spec, {split: Manifest.from_json(manifest) for split, manifest in tree["manifests"].items()})


@dataclass(frozen=True)
class TrainResult:
    """What a run left in its folder: the model's path, `manifest.json` as data, and one entry per epoch."""

    folder: Path
    model: Path
    manifest: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...]
