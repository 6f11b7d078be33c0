"""What lines are compared by: hashes of their cells and of their key, the same whichever files are read together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F

from ringmill.clean.parse import trimmed


def identity(cells: Mapping[str, Column], *, key: Mapping[str, Column], written: Mapping[str, Column]) -> Column:
    """The line's identity, as the contract of clean/rows has it, with `number` null.

    `cells` holds the line's cells by their names in the file: `line_a` and `line_b` are two 64-bit hashes of all that
    are not null with their names, so that a column that a file lacks and a missing value are the same; a false match
    among 10⁹ lines has a chance of 10⁻²¹. `gather` and `key` are two of the key's values as they are compared; where
    one of them is null, and without a configured key, `key` is null and `gather` is `line_a`. Lines that are equal in
    either way share `gather`.
    `written` is one of the key's cells as they were written; `complete` counts the cells that are not empty.
    """
    names = sorted(cells)
    named = {name: [F.when(cells[name].isNotNull(), F.lit(_number(name))), cells[name]] for name in names}
    line_a = F.xxhash64(*(part for name in names for part in named[name]))
    line_b = F.xxhash64(F.lit(1), *(part for name in reversed(names) for part in named[name]))
    values = list(key.values())
    whole = F.lit(bool(values))
    for value in values:
        whole = whole & value.isNotNull()
    filled = (_is_filled(cells[name]).cast("int") for name in names)
    return F.struct(
        line_a.alias("line_a"),
        line_b.alias("line_b"),
        F.lit(None).cast("int").alias("number"),
        # Lines without a key compete for none: the hash of nulls would bring them all into one partition.
        (F.when(whole, F.xxhash64(*values)).otherwise(line_a) if values else line_a).alias("gather"),
        F.when(whole, F.xxhash64(F.lit(1), *reversed(values))).alias("key"),
        F.xxhash64(*(written[name] for name in key), F.lit(0)).alias("written"),
        sum(filled, F.lit(0)).alias("complete"),
    )


def _is_filled(cell: Column) -> Column:
    """Whether the cell holds more than white space; never null."""
    # What begins with a letter or a figure, as nearly every cell does, needs no second look.
    return F.when(cell.between("!", "~"), F.lit(True)).otherwise(trimmed(cell).isNotNull())


def _number(name: str) -> int:
    """A column's name as 64 bits: its place among the columns would change with the files that are read together."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
