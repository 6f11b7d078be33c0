"""rfm/cohorts → the page's section on retention and revenue by month of the first purchase."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from ringmill.report import figures
from ringmill.report.page import Block, Grid, Section
from ringmill.report.sections import whole

LATEST = 24
# Months since the first purchase whose retention the table shows.
MONTHS = (1, 2, 3, 6, 12)


def cohorts(rows: pa.Table, *, cutoff: date, currency: str) -> Section:
    """Rows of one cutoff → retention and revenue, each as heat map and table; the latest cohorts alone where many are.

    A month that the cutoff cuts is shown as far as it went, and says so.
    """
    found = {(row["cohort"], row["months_since"]): row for row in rows.to_pylist()}
    starts = sorted({cohort for cohort, _ in found})[-LATEST:]
    last = _month(cutoff) - 1 if cutoff.day == 1 else _month(cutoff)
    shares: list[list[float | None]] = []
    revenues: list[list[float | None]] = []
    hovers: list[list[str]] = []
    kept, cells = [], []
    months = max((last - _month(start) for start in starts), default=0)
    for start in starts:
        size, seen = found[start, 0]["cohort_customers"], last - _month(start)
        here = [found.get((start, since)) for since in range(seen + 1)]
        to_come = [None] * (months - seen)
        shares.append([*((row["customers"] / size if row else 0.0) for row in here), *to_come])
        revenues.append([*((row["revenue"] if row else 0.0) for row in here), *to_come])
        words = [
            f"{row['customers']:,} of {size:,} customers, {row['revenue']:,.0f}" if row else "none" for row in here
        ]
        hovers.append([*words, *[""] * (months - seen)])
        kept.append([f"{start:%b %Y}", whole(size), *(_share(shares[-1], month) for month in MONTHS)])
        cells.append([f"{start:%b %Y}", whole(size), *_totals([row["revenue"] if row else 0.0 for row in here])])
    money = f"revenue{f' ({currency})' if currency else ''}"
    numbers = ("customers", f"{money}, first month", "next 3 months", "later", "in all")
    part = "" if cutoff.day == 1 else f" {cutoff:%B %Y} is a part month."
    text = (
        "Of the customers who first bought in a month, the share that bought again so many months later; month 0 is "
        f"everyone.{part}"
    )
    names, since = [f"{start:%b %Y}" for start in starts], ("customers", *(f"month {month}" for month in MONTHS))
    return Section(
        "Cohorts",
        [
            Block(text, figure=figures.cohort_map(names, shares, hovers), grid=Grid(("cohort", *since), kept, since)),
            Block(
                "What their orders that stand have come to, month by month.",
                figure=figures.cohort_map(names, revenues, hovers, form=",.0f"),
                grid=Grid(("cohort", *numbers), cells, numbers),
            ),
        ],
        "cohorts",
    )


def _share(shares: list[float | None], month: int) -> str:
    """A dash for a month that has not come."""
    found = shares[month] if month < len(shares) else None
    return "–" if found is None else f"{found:.0%}"


def _totals(revenue: list[float]) -> list[str]:
    """First month, next three, later and all; a dash for months that have not come."""
    parts = [revenue[:1], revenue[1:4], revenue[4:]]
    return [*(whole(sum(part)) if part else "–" for part in parts), whole(sum(revenue))]


def _month(day: date) -> int:
    return day.year * 12 + day.month
