"""The section `promotion`: when a newly trained model takes the place of the current one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ringmill.config.rules import Section


class Promotion(Section):
    """The gate of the current model. It decides nothing about training: to change it trains nothing again."""

    metric: Literal["log_loss", "brier"] = Field(
        "log_loss",
        description="of a held-out row: −log of the chance given to what happened, or the squared distance of the "
        "chances to it; of a reconstruction its squared error instead, which has no chances; of recommendations always "
        "the first, among the products that both models know",
    )
    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="of the interval of the mean difference; all of it above 0: the model is worse"
    )
    when_worse: Literal["keep", "stop"] = Field(
        "keep", description="go on with the current model; or end with status 3. The new one is kept beside it"
    )
