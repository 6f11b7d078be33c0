"""Embeddings as data: an autoencoder over features/<name>, trained by the ring, whose code stands for a row."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ringmill.config.rules import NAME, Section
from ringmill.config.tasks import Model, Reconstruction
from ringmill.config.train import Train


class Embeddings(Section):
    """features/<name> → embeddings/<name>. What is not said here (ranks, launcher, memory) is as in `train`."""

    name: str = Field("embeddings", pattern=NAME)
    code: int = Field(8, ge=1, description="numbers of an embedding")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field((32,), description="units from x to the code, and back")
    epochs: int = Field(30, ge=1, description="all of them: no validation row has a say in the weights")
    batch: int = Field(128, ge=1, description="global batch")
    learning_rate: float = Field(2e-3, gt=0)

    def train_of(self, train: Train) -> Train:
        """The training of the autoencoder, by the ranks of `train`."""
        launch = ("ranks", "launcher", "hosts", "ssh_options", "engine", "device", "memory_mb", "order", "window_rows")
        faults = ("checkpoint_steps", "stall_seconds", "retries", "keep_checkpoints")
        return Train(
            task=Reconstruction(kind="reconstruction"),
            model=Model.model_validate({"kind": "autoencoder", "code": self.code, "hidden": self.hidden}),
            epochs=self.epochs,
            keep="last",
            batch=self.batch,
            learning_rate=self.learning_rate,
            weight_decay=0,
            **{name: getattr(train, name) for name in (*launch, *faults)},
        )
