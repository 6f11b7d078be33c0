"""The section `clean`: rules, keys, personal data and gates."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from ringmill.config.gates import Gate
from ringmill.config.personal import Personal, PersonalKey
from ringmill.config.rules import OrderColumn, Rule, Section


class Clean(Section):
    """Raw rows to typed rows, each with one status and all its reasons."""

    cancellation: str = Field("order_id LIKE 'C%'", description="Spark SQL over a line: true for one that cancels")
    non_products: tuple[str, ...] = Field((), description="codes (case ignored) that are no products: flagged")
    non_product_pattern: str | None = None
    key: tuple[OrderColumn, ...] = Field((), description="columns that identify a line; empty: no key is known")
    keep: Literal["first", "last", "most_complete"] = Field(
        "last", description="which line of a key stays, by known time; of equally complete ones the first"
    )
    late_after_days: float | None = Field(None, description="flag a row known this long after its event")
    unreadable_at_most: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of lines that are torn, or hold text for a number or date, above which the batch is refused",
    )
    rules: tuple[Rule, ...] = ()
    match_cancellations: bool = Field(
        True,
        description="link each cancellation to the orders whose pieces it takes back (clean/cancellations); one more "
        "pass over the written rows, about half of what cleaning them costs where cancellations are 2 % of the lines",
    )
    personal: tuple[Personal, ...] = Field((), description="columns with personal data, and what becomes of them")
    personal_key: PersonalKey | None = Field(None, description="where the key of hashes lies")
    gates: tuple[Gate, ...] = Field((), description="bounds on a batch's figures; a broken one stops publication")
    refit: bool = Field(
        False,
        description="fit the rules' statistics anew, instead of using those that are kept; with raw.batches: files on "
        "all files, whose lines are all cleaned again by them",
    )
    fit_before: date | None = Field(
        None,
        description="statistics see lines known before it alone; default: the first of features.train_cutoffs, or "
        "recommend.validation_cutoff, or the first of sequences.train_cutoffs",
    )

    @model_validator(mode="after")
    def _names_and_keys(self) -> Clean:
        names = [rule.name for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"rules with a name of their own each; there are two of {', '.join(twice)}")
        if fixed := [rule.name for rule in self.rules if rule.action == "fix" and rule.column in self.key]:
            raise ValueError(f"fixes of columns outside clean.key, unlike rule '{fixed[0]}': keys are compared as sent")
        return self
