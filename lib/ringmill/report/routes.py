"""Where scored texts went → the page's section: thresholds, counts, and what lay behind them on the test split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringmill.report.page import Block, Grid, Section
from ringmill.report.sections import share, whole

COLUMNS = ("went to", "chance", "texts", "right on validation", "right on test")


def routes(
    counts: Mapping[str, int],
    thresholds: Mapping[str, Mapping[str, Any]],
    test: Mapping[str, Mapping[str, int]],
    positive: str,
    *,
    precision: float,
) -> Section:
    """One row per route. A side without a threshold says so, and nothing went there."""
    rows = [
        _row("accepted", "at most", counts, thresholds, _others(test["accepted"])),
        _row("rejected", "at least", counts, thresholds, (test["rejected"]["positive"], test["rejected"]["rows"])),
        ["review", "between", whole(counts["review"]), "", f"{whole(test['review']['rows'])} undecided"],
    ]
    words = (
        f"By its chance of being {positive} each text goes one of three ways. The thresholds leave least to review "
        f"while at least {precision:.1%} of the validation split's texts behind each are right."
    )
    if missing := [name for name, cut in thresholds.items() if cut["at"] is None]:
        words += f" No threshold reaches that for {' and '.join(missing)}: what would go there is for review."
    grid = Grid(COLUMNS, rows, numbers=COLUMNS[1:])
    return Section("Where they went", [Block(words, grid=grid)], "routes")


def _others(found: Mapping[str, int]) -> tuple[int, int]:
    return found["rows"] - found["positive"], found["rows"]


def _row(
    name: str,
    words: str,
    counts: Mapping[str, int],
    thresholds: Mapping[str, Mapping[str, Any]],
    test: tuple[int, int],
) -> list[str]:
    cut = thresholds[name]
    at = "none" if cut["at"] is None else f"{words} {cut['at']:.3g}"
    return [name, at, whole(counts[name]), _of(cut["right"], cut["rows"]), _of(*test)]


def _of(right: int, rows: int) -> str:
    return f"{whole(right)} of {whole(rows)}, {share(right, rows)}" if rows else "none there"
