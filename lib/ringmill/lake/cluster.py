"""A Delta table → the same rows in other files, each with a narrow range of chosen columns (Z-order); without a JVM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, WriterProperties
from deltalake.exceptions import CommitFailedError

from ringmill.errors import ConfigError, LawError, RaceLost

# As many rows as Spark's groups of features have, so that a rank that reads a range decodes no more than before.
ROWS_PER_GROUP = 131_072
# Delta keeps ranges of so many columns where a table names none.
RANGED_BY_DEFAULT = 32


@dataclass(frozen=True)
class Layout:
    """What became of a table: the version that was published, the new one, and the files of each."""

    before: int
    after: int
    files_before: int
    files_after: int


def ranged(table: DeltaTable) -> list[str]:
    """The columns whose least and greatest values the log keeps by file."""
    metadata, names = table.metadata(), [field.name for field in table.schema().fields]
    named = metadata.configuration.get("delta.dataSkippingStatsColumns")
    chosen = [name.strip() for name in named.split(",")] if named else names[:RANGED_BY_DEFAULT]
    return [name for name in chosen if name not in metadata.partition_columns]


def cluster(path: str, version: int, by: Sequence[str], *, target_bytes: int, run_id: str) -> Layout:
    """Lay out the rows of a published version anew, by the columns `by`, within each partition; one commit.

    What lies above the version was never published, and is undone first.

    Raises:
        ConfigError: the log keeps no ranges of a column, so that no reader would pass over a file.
        LawError: the rows are not as many as before.
        RaceLost: another writer committed meanwhile.
    """
    table = DeltaTable(path)
    if unknown := [name for name in by if name not in ranged(table)]:
        expected = f"columns of which the log keeps ranges: {', '.join(ranged(table))}"
        raise ConfigError.bad_value(path, "--by", expected, ", ".join(unknown))
    properties = CommitProperties(custom_metadata={"userMetadata": run_id})
    try:
        if table.version() != version:
            table.restore(version)
        before = _files_and_rows(table)
        table.optimize.z_order(
            list(by),
            target_size=target_bytes,
            commit_properties=properties,
            writer_properties=WriterProperties(compression="SNAPPY", max_row_group_size=ROWS_PER_GROUP),
        )
    except CommitFailedError as error:
        raise RaceLost.on(path, str(error).splitlines()[0]) from error
    after = _files_and_rows(table)
    if before[1] != after[1]:
        raise LawError.broken("Law 1", path, f"{before[1]:,} rows, as before", f"{after[1]:,} rows")
    return Layout(version, table.version(), before[0], after[0])


def _files_and_rows(table: DeltaTable) -> tuple[int, int]:
    actions = pa.table(table.get_add_actions(flatten=True))
    return actions.num_rows, sum(actions["num_records"].to_pylist())
