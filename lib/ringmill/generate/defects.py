"""Lines → rows of the file, with defects planted: at most one kind on a line, and the list of what was planted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ringmill.generate.customers import Ints
from ringmill.generate.lines import DAY, Lines

# The kinds that only some lines can have come first: they choose before the others have taken those lines.
KINDS = (
    "day_month_swapped",
    "mixed_encoding",
    "missing_customer",
    "exact_duplicate",
    "key_duplicate",
    "near_duplicate_key",
    "cancellation",
    "write_off",
    "outlier",
    "plausible_outlier",
    "unreadable_date",
    "unreadable_number",
    "unknown_country",
    "late_arrival",
)
NONE = -1
# How a near duplicate's id is written: caught by ignoring case and space; not caught; and taken for another line.
LOWER, SPACE, LETTER, OTHER = range(4)
HOUR = 3_600

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """The file's rows: a line's values after planting, its kind of defect, and whether the row was added to a line."""

    lines: Lines
    kind: Ints
    added: Bools
    near: Ints  # how the id is written, on added near duplicates; else NONE
    other: Ints  # the line number that is written instead, where near is OTHER

    def has(self, kind: str) -> Bools:
        found: Bools = self.kind == KINDS.index(kind)
        return found


def choose_kinds(rng: np.random.Generator, lines: Lines, *, share: float, accented: Bools) -> Ints:
    """The kind of each line, NONE for most. Each kind gets `share` of the lines, as far as there are fit ones left."""
    count = len(lines.line)
    wanted = min(round(share * count), count // len(KINDS))
    kind = np.full(count, NONE, np.int64)
    fit = {"day_month_swapped": swappable(lines.ordered), "mixed_encoding": accented}
    for code, name in enumerate(KINDS):
        free = np.flatnonzero((kind == NONE) & fit.get(name, True))
        kind[rng.choice(free, min(wanted, len(free)), replace=False)] = code
    return kind


def plant(rng: np.random.Generator, lines: Lines, kind: Ints, *, total: int, until: int) -> Rows:
    """Every line, followed by the rows that its kind adds, with the numbers and times that its kind changes.

    `total` is the number of lines in the whole shop: ids from there on belong to cancellations. `until` is the second
    at which the shop's last day ends: no line is cancelled after it.
    """
    rows = _with_added(rng, lines, kind, total)
    draw = _Draw(rng, len(rows.kind))
    base, added = rows.lines, rows.added
    resent = added & (rows.has("key_duplicate") | rows.has("near_duplicate_key"))
    cancelled = added & rows.has("cancellation")
    late = rows.has("late_arrival")
    swapped = rows.has("day_month_swapped")
    quantity = base.quantity.copy()
    quantity = np.where(added & rows.has("key_duplicate"), quantity + draw.integers(1, 4), quantity)
    quantity = np.where(cancelled | rows.has("write_off"), -quantity, quantity)
    quantity = np.where(rows.has("outlier"), draw.integers(10_000, 100_000), quantity)
    quantity = np.where(rows.has("plausible_outlier"), (quantity * draw.stretch(5, 50)).astype(np.int64), quantity)
    later = np.minimum(base.ordered + draw.integers(HOUR, 14 * DAY) // DAY * DAY + HOUR, until - 1)
    ordered = np.where(cancelled, later, base.ordered)
    known = np.where(cancelled, ordered + HOUR, base.known)
    known = np.where(resent, known + draw.integers(HOUR, 3 * DAY), known)
    known = np.where(late, ordered + (draw.stretch(4, 90) * DAY).astype(np.int64), known)
    ordered = np.where(swapped, swap_day_and_month(ordered), ordered)
    line = np.where(cancelled, base.line + total, base.line)
    changed = base.with_values(line=line, quantity=quantity, ordered=ordered, known=known)
    return Rows(changed, rows.kind, added, rows.near, rows.other)


def _with_added(rng: np.random.Generator, lines: Lines, kind: Ints, total: int) -> Rows:
    """Each line once, and behind it its copies: one or two exact ones, one of each other kind that adds a row."""
    adds = np.isin(kind, [KINDS.index(name) for name in ("key_duplicate", "near_duplicate_key", "cancellation")])
    exact = (kind == KINDS.index("exact_duplicate")) * (1 + (rng.random(len(kind)) < 0.2))
    times = 1 + adds + exact
    index = np.repeat(np.arange(len(kind)), times)
    added = np.arange(len(index)) != np.repeat(np.cumsum(times) - times, times)
    repeated = kind[index]
    is_near = added & (repeated == KINDS.index("near_duplicate_key"))
    near = np.where(is_near, rng.integers(LOWER, OTHER + 1, len(index)), NONE)
    moved = lines.line[index] + rng.integers(1, max(2, min(total, 1_000)), len(index))
    return Rows(lines.take(index), repeated, added, near, moved % total)


@dataclass(frozen=True)
class _Draw:
    """Draws of one value per row."""

    rng: np.random.Generator
    count: int

    def integers(self, low: int, high: int) -> Ints:
        return self.rng.integers(low, high, self.count)

    def stretch(self, low: float, high: float) -> NDArray[np.float64]:
        """Between low and high, each doubling as likely as the other."""
        return np.exp(self.rng.uniform(np.log(low), np.log(high), self.count))


def swappable(seconds: Ints) -> Bools:
    """True where day and month may be swapped: another date comes out, and it exists."""
    _, month, day = _date_parts(seconds)
    found: Bools = (day <= 12) & (day != month)
    return found


def swap_day_and_month(seconds: Ints) -> Ints:
    """The same year and clock time with day and month swapped, where that is possible; else unchanged."""
    year, month, day = _date_parts(seconds)
    months = (year.astype("datetime64[Y]").astype("datetime64[M]") + (day - 1)).astype("datetime64[D]")
    swapped = (months + (month - 1)).astype(np.int64) * DAY + seconds % DAY
    return np.where(swappable(seconds), swapped, seconds)


def _date_parts(seconds: Ints) -> tuple[Ints, Ints, Ints]:
    """Year (since 1970), month (1–12) and day of month of each time."""
    days = (seconds // DAY).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    year = months.astype("datetime64[Y]").astype(np.int64)
    return year, months.astype(np.int64) % 12 + 1, (days - months.astype("datetime64[D]")).astype(np.int64) + 1
