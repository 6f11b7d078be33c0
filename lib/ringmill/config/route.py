"""Where scored rows go: two thresholds, chosen on the validation split for a stated precision."""

from __future__ import annotations

from pydantic import Field

from ringmill.config.rules import Section


class Route(Section):
    """By the chance of one class: low is accepted, high is rejected, what lies between is for people to review."""

    positive: str = Field(description="the class that is to be rejected")
    precision: float = Field(
        0.98, gt=0, le=1, description="share of the validation rows on a threshold's side that must be right"
    )
