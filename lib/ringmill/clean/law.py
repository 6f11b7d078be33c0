"""Law 1, nothing is lost: raw = clean + rejected + duplicate + superseded, with both sides counted apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ringmill.contracts import STATUSES
from ringmill.errors import LawError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation

LAW = "Law 1 (nothing is lost)"
# Each costs an expression on every line; of more files than these at once the sum is compared.
MOST_FILES_APART = 100


def with_line_count(raw_lines: DataFrame, files: Sequence[str] = ()) -> tuple[DataFrame, Observation]:
    """The same lines, and an observation whose `get["lines"]` is their count once the frame has been written.

    It is counted where the lines are read, in the pass that writes them: before anything can drop or multiply a line.
    With `files`, at most MOST_FILES_APART names of `source_file`, `get` also has the lines of each, by its place.
    """
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    seen = Observation("raw_lines")
    apart = [F.count_if(F.col("source_file") == name).alias(str(place)) for place, name in enumerate(files)]
    return raw_lines.observe(seen, F.count(F.lit(1)).alias("lines"), *apart), seen


def check_nothing_lost(raw_lines: int, written: Mapping[str, int], *, where: str) -> dict[str, int]:
    """The counts by status with `raw` beside them, for the ledger; 0 for a status that no row has.

    Raises:
        LawError: they do not add up, or a status is none of the four.
    """
    if unknown := set(written) - set(STATUSES):
        raise LawError.broken(LAW, where, f"statuses {', '.join(STATUSES)}", ", ".join(sorted(unknown)))
    counts = {status: int(written.get(status, 0)) for status in STATUSES}
    if sum(counts.values()) != raw_lines:
        parts = " + ".join(f"{rows:,} {status}" for status, rows in counts.items())
        raise LawError.broken(LAW, where, f"{raw_lines:,} rows", f"{sum(counts.values()):,} = {parts}")
    return {"raw": raw_lines} | counts


def check_batches(
    lines: Mapping[str, int], written: Mapping[str, Mapping[str, int]], *, where: str
) -> dict[str, dict[str, int]]:
    """The same for each batch, at a version that holds several: `lines` by batch, `written` by batch and status.

    Raises:
        LawError: a batch's counts do not add up, or rows of a batch are there that was never read.
    """
    if unknown := set(written) - set(lines):
        raise LawError.broken(LAW, where, "rows of batches that were read", f"rows of {', '.join(sorted(unknown))}")
    return {
        batch: check_nothing_lost(count, written.get(batch, {}), where=f"{where}, batch {batch}")
        for batch, count in lines.items()
    }
