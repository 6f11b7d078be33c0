"""What the entries of a feature set share."""

from __future__ import annotations

from pydantic import Field, model_validator

from ringmill.config.rules import Section


class Entry(Section):
    """What all kinds share.

    `columns` are columns of the table, or outputs of entries before this one; a name that both have is the table's.
    `name` names the outputs; {column} in it stands for the column's name. With `keep: false` the outputs are for later
    entries alone and no part of x.
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
