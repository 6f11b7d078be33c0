"""What is learnt, and by which network: a task, a model of train/models by name, and how images are varied."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ringmill.config.rules import NAME, Section

LABEL_SMOOTHING = Field(
    0.0,
    ge=0,
    lt=1,
    allow_inf_nan=False,
    description="share of a row's label that is spread over all classes in training; validation losses and figures are "
    "of the labels as they are",
)


class Purchase(Section):
    """Whether a customer buys within the horizon, and how much: columns label_buy and label_spend."""

    kind: Literal["purchase"] = "purchase"
    spend_weight: float = Field(0.1, ge=0, description="weight of the spend head's loss beside the purchase head's")


class Classes(Section):
    """One of several classes, as a column of text or whole numbers says; they are those of the train split, sorted."""

    kind: Literal["classes"]
    label: str = "label"
    label_smoothing: float = LABEL_SMOOTHING


class Reconstruction(Section):
    """A row's own numbers, through the narrow code of a model of kind 'autoencoder'; it has no label."""

    kind: Literal["reconstruction"]


class ClassesHead(Section):
    """One of several classes, those of the train split's labelled rows, sorted."""

    kind: Literal["classes"]
    label: str
    weight: float = Field(1.0, gt=0, allow_inf_nan=False, description="of its loss beside the other heads'")
    label_smoothing: float = LABEL_SMOOTHING


class NumberHead(Section):
    """A number, by its squared error in its own unit."""

    kind: Literal["number"]
    label: str
    weight: float = Field(1.0, gt=0, allow_inf_nan=False, description="of its loss beside the other heads'")


class Several(Section):
    """Several heads over one trunk, by name, each of a column; a null there gives no loss and no metric of that head,
    and each head's loss is a mean over the global batch's rows that have its label."""

    kind: Literal["several"]
    heads: dict[
        Annotated[str, Field(pattern=NAME)], Annotated[ClassesHead | NumberHead, Field(discriminator="kind")]
    ] = Field(min_length=1)


class Pairs(Section):
    """Which product a customer buys next, for a model of kind 'two_tower': a column with the product's id."""

    kind: Literal["pairs"]
    product: str = "product"


class Adversarial(Section):
    """Rows that could be rows of the table, made by one network and judged by another, for a model of kind 'gan'; a row
    has no label."""

    kind: Literal["adversarial"]
    discriminator_rate: float = Field(
        1.0, gt=0, allow_inf_nan=False, description="the judging network's learning rate, times train.learning_rate"
    )
    smoothing: float = Field(
        0.1,
        ge=0,
        lt=0.5,
        description="what a real row lacks to count as wholly real where the judging network learns",
    )


Task = Annotated[Purchase | Classes | Reconstruction | Several | Pairs | Adversarial, Field(discriminator="kind")]


class Model(BaseModel):
    """A builder in train/models, by the name of its module; the other keys are its own and are checked there."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str = Field("mlp", pattern=NAME)

    @property
    def settings(self) -> dict[str, Any]:
        """The keys of the builder."""
        return dict(self.model_extra or {})
