"""Sequences of orders as data: as of which instants they are learnt from, and what the next order is said to be."""

from __future__ import annotations

from datetime import date, timedelta

from pydantic import Field, model_validator

from ringmill.config.rules import NAME, Section
from ringmill.config.tasks import ClassesHead, NumberHead, Several, Task

# The columns of features/<name> that are learnt, and by which kind of head.
LABELS = {"comes": ClassesHead, "category": ClassesHead, "days": NumberHead}


class Sequences(Section):
    """Customers' orders as of a cutoff → features/<name>, models/<name> and scores/next_orders.

    A row is a customer with an order before one of the cutoffs, and sees what was known then. The next order is the
    first that begins within `horizon_days` from the cutoff on: `comes` says whether there is one, `category` and `days`
    are missing where there is none, since what lies behind the horizon is not known.

    A product's group is the first `code_characters` of its code, in upper case; an order's group is that in which it
    spends most. The `categories` groups that most of the train split's next orders have are categories, all others are
    together the category 'other'.
    """

    name: str = Field("orders", pattern=NAME)
    train_cutoffs: tuple[date, ...] = Field(min_length=1)
    validation_cutoff: date
    test_cutoff: date
    horizon_days: int = Field(30, ge=1)
    history: int = Field(20, ge=1, le=1_000, description="of a customer's orders the last ones that the model sees")
    code_characters: int = Field(3, ge=1, description="of a product's code, that name its group")
    categories: int = Field(20, ge=1, le=900, description="at most; what is in none of them is 'other'")

    @model_validator(mode="after")
    def _follows(self) -> Sequences:
        days = timedelta(days=self.horizon_days)
        if len(set(self.train_cutoffs)) != len(self.train_cutoffs):
            raise ValueError("sequences.train_cutoffs: each once")
        if max(self.train_cutoffs) + days > self.validation_cutoff:
            raise ValueError("sequences.validation_cutoff at least horizon_days behind all of sequences.train_cutoffs")
        if self.validation_cutoff + days > self.test_cutoff:
            raise ValueError("sequences.test_cutoff at least horizon_days behind sequences.validation_cutoff")
        return self

    @property
    def cutoffs_by_split(self) -> dict[str, tuple[date, ...]]:
        """Of each split its cutoffs."""
        return {"train": self.train_cutoffs, "validation": (self.validation_cutoff,), "test": (self.test_cutoff,)}

    @property
    def cutoffs(self) -> tuple[date, ...]:
        """All of them."""
        return tuple(cutoff for cutoffs in self.cutoffs_by_split.values() for cutoff in cutoffs)

    def key_of(self, split: str) -> str:
        """The key of the configuration that names a split's cutoffs."""
        return f"sequences.{split}_cutoff{'s' if split == 'train' else ''}"


def heads_by_label(task: Task) -> dict[str, str]:
    """By label the name of its head. Raises ValueError where the heads are not one for each of `LABELS`."""
    heads = task.heads if isinstance(task, Several) else {}
    found = {head.label: name for name, head in heads.items()}
    fits = all(isinstance(head, LABELS.get(head.label, ())) for head in heads.values())
    if not fits or set(found) != set(LABELS) or len(heads) != len(LABELS):
        kinds = ", ".join(
            f"{label} of kind {'number' if kind is NumberHead else 'classes'}" for label, kind in LABELS.items()
        )
        raise ValueError(f"train.task of kind 'several' with a head each for {kinds}, beside a section 'sequences'")
    return found
