"""Lifetime value as an entry of a feature set."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ringmill.config.entry import Entry


class LifetimeFeatures(Entry):
    """What BG/NBD and Gamma-Gamma, fitted on the train split, foresee of a customer.

    That is the chance that it still buys, its purchases in the days ahead, the value of one, and of the months ahead.

    `columns`: the days with an order, the days since the first and since the last order, and the mean value of the days
    with an order after the first. Without the last no value is foreseen.
    """

    kind: Literal["lifetime"]
    columns: tuple[str, ...] = Field(
        ("active_days", "tenure_days", "days_since_last_order", "repeat_value_mean"), min_length=3, max_length=4
    )
    name: str = "{output}"
    horizons_days: tuple[int, ...] = Field((30, 90, 365), min_length=1)
    months: int = Field(12, ge=1, description="of 30 days")
    discount_per_month: float = Field(0.01, ge=0)
    least_repeat_customers: int = Field(50, ge=2, description="below so many nothing can be fitted: an error")

    @model_validator(mode="after")
    def _an_output_each(self) -> LifetimeFeatures:
        if "{output}" not in self.name:
            raise ValueError("a 'name' with {output} in it: there are several")
        return self

    @property
    def is_per_column(self) -> bool:
        return False

    @property
    def with_value(self) -> bool:
        """Whether values are modelled too."""
        return len(self.columns) == 4
