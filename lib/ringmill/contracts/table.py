"""What a contract consists of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column: its Spark DDL type, whether it may be null, and what a value means."""

    name: str
    type: str
    meaning: str
    nullable: bool = False
    unit: str = ""

    @property
    def comment(self) -> str:
        """What a person reads of it in a SQL shell."""
        return f"{self.meaning} [{self.unit}]" if self.unit else self.meaning


@dataclass(frozen=True)
class Table:
    """A table's path under the warehouse, its grain in words, its columns, and how its files are laid out.

    `rows_per_group` are those of a Parquet row group, where Spark's 128 MB do not suit who reads. `ranged` names the
    columns whose least and greatest values the log keeps by file, so that readers pass over files; by default Delta's
    first 32, which costs a writer of many texts a quarter of its time.
    """

    path: str
    grain: str
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...] = ()
    rows_per_group: int | None = None
    ranged: tuple[str, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)
