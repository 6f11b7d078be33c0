"""Gates as data: bounds on a batch's figures that must hold before anything is published."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ringmill.config.rules import Section

SHARES = ("clean_share", "rejected_share", "duplicate_share", "superseded_share", "unreadable_share")
OF_COLUMNS = ("missing_share", "distinct", "minimum", "maximum", "mean", "deviation")


class Gate(Section):
    """One figure of a batch and its bounds, inclusive.

    `rows` and the shares of statuses and of unreadable lines are of the batch; `missing_share`, `distinct`, `minimum`,
    `maximum`, `mean` and `deviation` of its `column` (in the units of quality/runs); `failed_share` of its `rule`, or
    of a reason or flag of Ringmill's own: the share of the lines that were looked at.

    With `of_median_of_last: N` the bounds are multiples of the median of that figure over the N batches before this
    one, by the middle of their known_at; where the median is negative, `at_least: 0.5` bounds the figure from above, at
    half of it, and `at_most: 2` from below. Where fewer are known, those; where none is, the gate passes and says so.
    """

    metric: Literal[
        "rows",
        "clean_share",
        "rejected_share",
        "duplicate_share",
        "superseded_share",
        "unreadable_share",
        "missing_share",
        "distinct",
        "minimum",
        "maximum",
        "mean",
        "deviation",
        "failed_share",
    ]
    column: str | None = None
    rule: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    of_median_of_last: int | None = Field(None, ge=1)

    @property
    def subject(self) -> str:
        """The figure in words: 'missing_share of country'."""
        of = self.column or self.rule
        return f"{self.metric} of {of}" if of else self.metric

    @model_validator(mode="after")
    def _fits(self) -> Gate:
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"a gate on {self.metric} with 'at_least', 'at_most' or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"a gate on {self.metric} whose 'at_least' is at most its 'at_most'")
        if (self.metric in OF_COLUMNS) != (self.column is not None):
            raise ValueError(f"a gate with a 'column' for {', '.join(OF_COLUMNS)}, and for no other metric")
        if (self.metric == "failed_share") != (self.rule is not None):
            raise ValueError("a gate with a 'rule' for failed_share, and for no other metric")
        return self
