"""What a contract consists of."""

from __future__ import annotations

from dataclasses import dataclass

# Of tables that a model learns from.
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Column:
    """One column: its Spark DDL type, whether it may be null, and what a value means.

    A value is one of `one_of`, where that is not empty; and at least `least` and at most `most`, where these are given.
    """

    name: str
    type: str
    meaning: str
    nullable: bool = False
    unit: str = ""
    one_of: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None

    @property
    def comment(self) -> str:
        """What a person reads of it in a SQL shell."""
        return f"{self.meaning} [{self.unit}]" if self.unit else self.meaning

    @property
    def check(self) -> str:
        """What is true of every value, in SQL that Spark and delta-rs both read; empty where any value may stand."""
        known = ", ".join(f"'{value}'" for value in self.one_of)
        bounds = [
            f"{self.name} IN ({known})" if known else "",
            "" if self.least is None else f"{self.name} >= {self.least}",
            "" if self.most is None else f"{self.name} <= {self.most}",
        ]
        holds = " AND ".join(bound for bound in bounds if bound)
        # Spark takes a condition that is null for one that is broken.
        return f"{self.name} IS NULL OR ({holds})" if holds and self.nullable else holds


@dataclass(frozen=True)
class Table:
    """A table's path under the warehouse, its grain in words, its columns, and how its files are laid out.

    `rows_per_group` are those of a Parquet row group, where Spark's 128 MB do not suit who reads. `ranged` names the
    columns whose least and greatest values the log keeps by file, so that readers pass over files; by default Delta's
    first 32, which costs a writer of many texts a quarter of its time. `gathered` tables grow batch by batch: Delta
    puts small files of many commits together. `change_feed` lets a reader ask which rows a version changed.
    """

    path: str
    grain: str
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...] = ()
    rows_per_group: int | None = None
    ranged: tuple[str, ...] | None = None
    gathered: bool = False
    change_feed: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def properties(self) -> dict[str, str]:
        """Delta's properties of the table, which hold from its first write on."""
        # 30 days by default: then a version that a model or a run pins could no longer be read, though its files stay.
        chosen = {"delta.logRetentionDuration": "interval 3650 days"}
        if self.ranged is not None:
            chosen["delta.dataSkippingStatsColumns"] = ",".join(self.ranged)
        if self.gathered:
            chosen["delta.autoOptimize.autoCompact"] = "true"
        if self.change_feed:
            chosen["delta.enableChangeDataFeed"] = "true"
        return chosen

    @property
    def checks(self) -> dict[str, str]:
        """The conditions on values, each by the name of its column."""
        return {column.name: column.check for column in self.columns if column.check}
