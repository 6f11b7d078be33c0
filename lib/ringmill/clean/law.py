"""Law 1, nothing is lost: raw = clean + rejected + duplicate + superseded, with both sides counted apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ringmill.contracts import STATUSES
from ringmill.errors import LawError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Observation

LAW = "Law 1 (nothing is lost)"


def with_line_count(raw_lines: DataFrame) -> tuple[DataFrame, Observation]:
    """The same lines, and an observation whose `get["lines"]` is their count once the frame has been written.

    It is counted where the lines are read, in the pass that writes them: before anything can drop or multiply a line.
    """
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    seen = Observation("raw_lines")
    return raw_lines.observe(seen, F.count(F.lit(1)).alias("lines")), seen


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
