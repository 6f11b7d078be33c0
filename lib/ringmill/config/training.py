"""How weights move: the optimizer, what travels over the ring, and the learning rate as a function of the step."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from ringmill.config.rules import Section


class Optimizer(Section):
    """A Keras optimizer and what happens to gradients before it: compressed, summed over the ranks, then clipped."""

    kind: Literal["adamw", "adam", "sgd", "rmsprop", "lion"] = "adamw"
    momentum: float = Field(0.0, ge=0, lt=1, description="of sgd and rmsprop")
    beta_1: float = Field(0.9, ge=0, lt=1, description="of adamw, adam and lion: how much of the mean gradient stays")
    clip_norm: float | None = Field(None, gt=0, description="bound of the norm of all gradients, once summed")
    compression: Literal["none", "fp16"] = Field("none", description="of gradients on their way over the ring; lossy")
    passes: int = Field(
        1, ge=1, description="forward passes in which a rank takes its rows of one step, to save memory"
    )

    @field_validator("compression", mode="before")
    @classmethod
    def _known_to_the_ring(cls, value: object) -> object:
        if value == "bf16":
            raise ValueError("none or fp16: Horovod's operation for TensorFlow does not know bfloat16")
        return value


class Constant(Section):
    """The rate stays."""

    kind: Literal["constant"] = "constant"


class Cosine(Section):
    """The rate falls along half a cosine over all epochs, to `floor` times itself."""

    kind: Literal["cosine"]
    floor: float = Field(0.0, ge=0, le=1)


class Stepwise(Section):
    """The rate is multiplied by `factor` at the beginning of each epoch of `epochs`, counted from 1."""

    kind: Literal["step"]
    epochs: tuple[Annotated[int, Field(ge=2)], ...] = Field(min_length=1)
    factor: float = Field(0.1, gt=0, le=1)

    @field_validator("epochs")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("epochs in ascending order, each once")
        return value


class Exponential(Section):
    """The rate is multiplied by `factor` over each epoch, a little at every step."""

    kind: Literal["exponential"]
    factor: float = Field(gt=0, le=1)


Schedule = Annotated[Constant | Cosine | Stepwise | Exponential, Field(discriminator="kind")]


class RateForBatch(Section):
    """`learning_rate` is meant for `batch` rows a step; for another global batch it is scaled by the rule."""

    rule: Literal["linear", "square_root"]
    batch: int = Field(ge=1)

    def factor(self, batch: int) -> float:
        """What the rate is multiplied by at a global batch of `batch` rows."""
        ratio = batch / self.batch
        return ratio if self.rule == "linear" else float(ratio**0.5)
