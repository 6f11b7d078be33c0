"""Contracts as Arrow schemas, for the small tables that are written without Spark."""

from __future__ import annotations

import pyarrow as pa

from ringmill.contracts import Table

_EXAMPLE = pa.struct([("source_file", pa.string()), ("shown", pa.string())])
_TYPES = {
    "string": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "binary": pa.binary(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "array<double>": pa.list_(pa.float64()),
    "array<struct<value:string,rows:bigint>>": pa.list_(pa.struct([("value", pa.string()), ("rows", pa.int64())])),
    "array<struct<source_file:string,shown:string>>": pa.list_(_EXAMPLE),
}


def schema_of(table: Table) -> pa.Schema:
    """The table's columns in order, with their nullability, each with what it means as its comment.

    Raises:
        KeyError: a type that no small table has had so far.
    """
    return pa.schema(
        [
            pa.field(column.name, _TYPES[column.type], column.nullable, metadata={"comment": column.comment})
            for column in table.columns
        ]
    )
