"""A feature set as data: a list of entries, each of one kind, applied in their order."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ringmill.config.rules import Section


class Entry(Section):
    """What all kinds share.

    `columns` are columns of the table, or outputs of entries before this one. `name` names the outputs; {column} in it
    stands for the column's name. With `keep: false` the outputs are for later entries alone and no part of x.
    """

    columns: tuple[str, ...] = Field(min_length=1)
    name: str = "{column}"
    keep: bool = True

    @model_validator(mode="after")
    def _a_name_each(self) -> Entry:
        if len(self.columns) > 1 and self.is_per_column and "{column}" not in self.name:
            raise ValueError("a 'name' with {column} in it, for several columns")
        return self

    @property
    def is_per_column(self) -> bool:
        """Whether each column has outputs of its own."""
        return True

    def name_of(self, column: str) -> str:
        return self.name.replace("{column}", column)


class Scaling(Entry):
    """Numbers to scaled numbers.

    `zscore`: minus the mean, over the population standard deviation. A column without spread comes out as 0.
    With `log1p` the logarithm of 1 + x is scaled, negative numbers counting as 0.
    """

    kind: Literal["zscore"]
    log1p: bool = False
    null: float | None = Field(None, description="what a null comes out as, after scaling; default: it is an error")


class Missing(Entry):
    """1 where the column is null, else 0."""

    kind: Literal["missing"]
    name: str = "{column} is null"


class OneHot(Entry):
    """A column of ones and zeros per value of the train split, and with `other` one for all further values and null."""

    kind: Literal["one_hot"]
    most: int | None = Field(None, ge=0, description="this many of the most frequent values; default: all")
    other: bool = True


FeatureEntry = Annotated[Scaling | Missing | OneHot, Field(discriminator="kind")]
