"""Where one loop of compiled code ends and the next begins.

Spark makes one Java method of all that happens to a row between two shuffles. Cleaning's would be some 20,000 bytes of
code, and the JVM compiles such a method for many seconds, throws it away at the first row that takes a new branch, and
interprets it until it is compiled again. Cut into pieces, each is compiled at once and stays so; a cut costs a copy of
the row.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

# More partitions than any input has: coalesce then moves nothing, and no method reaches across it.
MANY = 1_000_000
RULES_A_LOOP = 16


def cut(rows: DataFrame) -> DataFrame:
    """The same rows in the same partitions; what is computed before and what follows are compiled apart."""
    return rows.coalesce(MANY)
