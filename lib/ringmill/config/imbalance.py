"""Help for a rare class as data: rows of it that a network makes up, trained by the ring on the class's own alone."""

from __future__ import annotations

from pydantic import Field, model_validator

from ringmill.config.rules import Section
from ringmill.config.tasks import Adversarial, Model
from ringmill.config.train import Train
from ringmill.config.training import Optimizer


class Augment(Section):
    """table → generated/<name>, made rows, and oversampled/<name>, repeated ones: each to be trained on besides.

    What is not said here (ranks, launcher, memory) is as in `train`.
    """

    minority: str | None = Field(None, description="the class that is helped; default: the rarest of the train split")
    rows: int | None = Field(
        None, ge=1, description="that are made; default: as many as the class lacks to be as common as the commonest"
    )
    least_rows: int = Field(
        20, ge=2, description="of the class in the train split, below which nothing is learnt of it"
    )
    snap: int = Field(
        20, ge=0, description="a number of x with at most so many values in the class's train rows takes one of them"
    )
    task: Adversarial = Adversarial(kind="adversarial")
    model: Model = Field(Model(kind="gan"), description="of kind 'gan', with its keys")
    epochs: int = Field(200, ge=1, description="all of them: no loss says which one's rows are the best")
    batch: int = Field(128, ge=1, description="global batch, of real rows; as many are made beside them")
    learning_rate: float = Field(5e-4, gt=0)
    optimizer: Optimizer = Optimizer(kind="adam", beta_1=0.5)

    @model_validator(mode="after")
    def _fits(self) -> Augment:
        if self.model.kind != "gan":
            raise ValueError("augment.model.kind: gan")
        return self

    def train_of(self, train: Train) -> Train:
        """The training of both networks, by the ranks of `train`."""
        launch = ("ranks", "launcher", "hosts", "ssh_options", "device", "memory_mb", "order", "window_rows", "dtype")
        faults = ("checkpoint_steps", "stall_seconds", "retries", "keep_checkpoints")
        return Train(
            task=self.task,
            model=self.model,
            epochs=self.epochs,
            keep="last",
            batch=self.batch,
            learning_rate=self.learning_rate,
            warmup_epochs=0,
            optimizer=self.optimizer,
            weight_decay=0,
            **{name: getattr(train, name) for name in (*launch, *faults)},
        )
