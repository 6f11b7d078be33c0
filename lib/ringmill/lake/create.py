"""A contract → an empty Delta table that holds to it: NOT NULL, CHECK constraints, comments, properties; no JVM."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from deltalake import DeltaTable, Schema
from deltalake.exceptions import CommitFailedError

from ringmill.contracts import Table
from ringmill.errors import RaceLost
from ringmill.hashing import digest

# A property of the table: the hash of the contract by which it was made. Delta keeps conditions in words of its own.
CONTRACT = "ringmill.contract"
# Where Delta keeps the conditions, each under its name.
CONSTRAINTS = "delta.constraints"


def of_contract(table: Table, fields: Mapping[str, Any]) -> Schema:
    """The table's schema from that of rows in Spark's JSON, types and comments kept; null as the contract says."""
    nullable = {column.name: column.nullable for column in table.columns}
    tree = [{**field, "nullable": nullable[field["name"]]} for field in fields["fields"]]
    return Schema.from_json(json.dumps({"type": "struct", "fields": tree}))


def create_table(path: str, table: Table, schema: Schema) -> None:
    """Make the table `path`, empty, by one commit and one of its constraints; nothing where it has this contract.

    Constraints that stand before the first row cost no pass over rows; who is killed between both commits leaves them
    to the next. A table of another contract, or one whose columns or partitions another program changed, keeps its
    versions, and goes on with an empty one.

    Raises:
        RaceLost: another writer made it meanwhile.
    """
    made_by = digest([schema.to_json(), table.partition_by, table.properties, table.checks])
    is_there = DeltaTable.is_deltatable(path)
    try:
        made = DeltaTable(path) if is_there else None
        if made is None or not _holds(made, schema, table.partition_by, made_by):
            made = DeltaTable.create(
                path,
                schema,
                mode="overwrite" if is_there else "error",
                partition_by=list(table.partition_by),
                configuration={**table.properties, CONTRACT: made_by},
                raise_if_key_not_exists=False,
            )
        held = made.metadata().configuration
        lacking = {name: check for name, check in table.checks.items() if f"{CONSTRAINTS}.{name}" not in held}
        if lacking:
            made.alter.add_constraint(lacking)
    except CommitFailedError as error:
        raise RaceLost.on(table.path, str(error).splitlines()[0]) from error


def _holds(made: DeltaTable, schema: Schema, partition_by: Sequence[str], made_by: str) -> bool:
    """Whether the table was made by the contract and still has its columns and partitions."""
    found = made.metadata()
    is_laid_out = list(found.partition_columns) == list(partition_by) and _columns(made.schema()) == _columns(schema)
    return is_laid_out and found.configuration.get(CONTRACT) == made_by


def _columns(schema: Schema) -> list[tuple[str, str, bool]]:
    return [(field.name, str(field.type), field.nullable) for field in schema.fields]
