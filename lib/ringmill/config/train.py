"""The section `train`: what is learnt by which model, by how many ranks, and what is done about faults."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ringmill.config.images import Augmentation
from ringmill.config.rules import Section
from ringmill.config.tasks import Model, Purchase, Task
from ringmill.config.text import TextAugmentation
from ringmill.config.training import Constant, Optimizer, RateForBatch, Schedule

# Tasks without classes, each with the one kind of model that learns it.
MODELS_OF_TASKS = {"reconstruction": "autoencoder", "pairs": "two_tower", "adversarial": "gan"}


class Train(Section):
    """What is learnt, the network that learns it, and its ring."""

    task: Task = Purchase()
    model: Model = Model()
    augmentation: Augmentation = Augmentation()
    text_augmentation: TextAugmentation = TextAugmentation()

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
    keep: Literal["best", "last"] = Field(
        "best",
        description="whose weights: of the epoch with the lowest validation loss; or of the last, after all epochs",
    )
    learning_rate: float = Field(1e-3, gt=0, description="never multiplied by ranks")
    rate_for_batch: RateForBatch | None = Field(None, description="default: learning_rate is for this global batch")
    warmup_epochs: float = Field(2.0, ge=0)
    schedule: Schedule = Constant()
    optimizer: Optimizer = Optimizer()
    weight_decay: float = Field(1e-1, ge=0)
    l1: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="times the sum of |w| over kernels and embeddings, which is minimised beside the losses, and is in "
        "none that is reported",
    )
    l2: float = Field(0.0, ge=0, allow_inf_nan=False, description="times the sum of w², as l1")
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
    interval_group: str | None = Field(
        None,
        description="column of the table: rows of one value are drawn together for the intervals of the test figures; "
        "default: customer_id where the pipeline's features have it, else each row by itself",
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
            if self.task.kind == "adversarial":
                raise ValueError("train.engine: ring with train.task.kind: adversarial, which takes two sums a step")
        return self

    @model_validator(mode="after")
    def _fits_task(self) -> Train:
        for task, model in MODELS_OF_TASKS.items():
            if (self.task.kind == task) != (self.model.kind == model):
                raise ValueError(f"train.model.kind: {model} with train.task.kind: {task}, and only with it")
        if self.task.kind in MODELS_OF_TASKS and self.class_weights:
            raise ValueError(f"train.class_weights: none with train.task.kind: {self.task.kind}, which has no classes")
        if self.task.kind == "several" and self.class_weights:
            raise ValueError("train.class_weights: none with train.task.kind: several, whose heads have weights each")
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
