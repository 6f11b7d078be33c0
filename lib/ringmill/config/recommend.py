"""Recommendations as data: which purchases are learnt from, by when they fell, and how long a customer's list is."""

from __future__ import annotations

from datetime import date, timedelta

from pydantic import Field, model_validator

from ringmill.config.rules import NAME, Section


class Recommend(Section):
    """A customer's first purchase of each product → features/<name>, models/<name> and scores/recommendations.

    The train split is what was bought before `validation_cutoff`, the others what was bought within `horizon_days` from
    their cutoff on, by customers who had bought before it.
    """

    name: str = Field("purchases", pattern=NAME)
    validation_cutoff: date
    test_cutoff: date
    horizon_days: int = Field(30, ge=1)
    history: int = Field(50, ge=1, le=1_000, description="of a customer's products the last ones that the model sees")
    least_customers: int = Field(5, ge=1, description="of the train split, that a product needs to be recommended")
    top: int = Field(10, ge=1, le=1_000, description="products in a customer's list, and in the lists that are judged")

    @model_validator(mode="after")
    def _follows(self) -> Recommend:
        if self.validation_cutoff + timedelta(days=self.horizon_days) > self.test_cutoff:
            raise ValueError("recommend.test_cutoff at least horizon_days behind recommend.validation_cutoff")
        return self
