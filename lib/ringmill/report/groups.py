"""rfm/customers → the page's section on segments: rules and clusters side by side, and who moved between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ringmill.report import figures
from ringmill.report.page import Block, Grid, Section
from ringmill.report.sections import share, whole

NONE = "(no order stands)"
LARGEST = 10
NUMBERS = ("customers", "share", "revenue", "share of revenue", "days since last order", "orders")
MOVED = ("came", "left", "seen first")


def segments(
    customers: pa.Table, previous: pa.Table | None, *, cutoff: str, previous_cutoff: str | None, clusters: str
) -> Section:
    """Snapshots as of `cutoff` and, where there is one, as of the cutoff before → the section.

    `clusters` says how the number of clusters came about. Revenue is gross of cancellations.
    """
    blocks = [Block(f"{whole(customers.num_rows)} customers as of {cutoff}.")]
    since = f" The last columns count customers who came and left since {previous_cutoff}." if previous else ""
    blocks += _grouped(customers, previous, "segment", "By rules", f"Each customer is in one segment.{since}")
    blocks += _grouped(customers, previous, "cluster", "By k-means", f"{clusters}{since}")
    if previous is not None:
        moves = _moves(customers, previous, "segment")
        text = f"The largest movements between segments since {previous_cutoff}, and what these customers spent so far."
        grid = Grid(("from", "to", "customers", "revenue"), moves, ("customers", "revenue"))
        blocks.append(
            Block(text if moves else f"No customer changed segment since {previous_cutoff}.", "Movement", grid)
        )
    cells = customers.group_by(["r_score", "f_score"]).aggregate([("customer_id", "count"), ("spend_total", "mean")])
    found = {(c["r_score"], c["f_score"]): (c["customer_id_count"], c["spend_total_mean"]) for c in cells.to_pylist()}
    text = "Customers in each cell; the darker, the more a customer there has spent. 5 is the best fifth."
    blocks.append(Block(text, "Recency and frequency", figure=figures.heat_map(found)))
    return Section("Segments", blocks, "segments")


def _grouped(customers: pa.Table, previous: pa.Table | None, column: str, title: str, text: str) -> list[Block]:
    """A figure and a table by `column`; with `previous`, who came from elsewhere, left for elsewhere, or is new."""
    rows = _totals(customers, column)
    people, revenue = customers.num_rows, sum(row["spend_total_sum"] for row in rows)
    moved = _came_and_left(customers, previous, column) if previous is not None else None
    cells = []
    for row in rows:
        name = row[column] or NONE
        line = [
            name,
            whole(row["customer_id_count"]),
            share(row["customer_id_count"], people),
            whole(row["spend_total_sum"]),
            share(row["spend_total_sum"], revenue),
            f"{row['days_since_last_order_mean']:.0f}",
            f"{row['order_count_mean']:.1f}",
        ]
        cells.append(line + [whole(count) for count in moved.get(name, (0, 0, 0))] if moved is not None else line)
    numbers = NUMBERS + (MOVED if moved is not None else ())
    bars = figures.segments(
        [row[column] or NONE for row in rows],
        [row["customer_id_count"] for row in rows],
        [row["spend_total_sum"] for row in rows],
    )
    return [Block(text, title, figure=bars), Block(grid=Grid((column, *numbers), cells, numbers))]


def _totals(customers: pa.Table, column: str) -> list[dict[str, Any]]:
    sums = [
        ("customer_id", "count"),
        ("spend_total", "sum"),
        ("days_since_last_order", "mean"),
        ("order_count", "mean"),
    ]
    grouped: list[dict[str, Any]] = customers.group_by(column).aggregate(sums).to_pylist()
    return sorted(grouped, key=lambda row: (-row["spend_total_sum"], str(row[column])))


def _pairs(customers: pa.Table, previous: pa.Table, column: str) -> list[dict[str, Any]]:
    """Customers and their spend by where they were and where they are; `before` is null for who is seen first."""
    was = previous.select(["customer_id", column]).rename_columns(["customer_id", "before"])
    was = was.set_column(1, "before", pc.fill_null(was["before"], NONE))
    now = customers.select(["customer_id", column, "spend_total"]).rename_columns(["customer_id", "now", "spend"])
    now = now.set_column(1, "now", pc.fill_null(now["now"], NONE))
    joined = now.join(was, "customer_id", join_type="left outer")
    counted = joined.group_by(["before", "now"]).aggregate([("customer_id", "count"), ("spend", "sum")])
    rows: list[dict[str, Any]] = counted.to_pylist()
    return rows


def _came_and_left(customers: pa.Table, previous: pa.Table, column: str) -> Mapping[str, tuple[int, int, int]]:
    """By group: who came from another, who left for another, and who is seen for the first time."""
    counts: dict[str, list[int]] = {}
    for row in _pairs(customers, previous, column):
        before, now, people = row["before"], row["now"], row["customer_id_count"]
        if before is None:
            counts.setdefault(now, [0, 0, 0])[2] += people
        elif before != now:
            counts.setdefault(now, [0, 0, 0])[0] += people
            counts.setdefault(before, [0, 0, 0])[1] += people
    return {name: (came, left, first) for name, (came, left, first) in counts.items()}


def _moves(customers: pa.Table, previous: pa.Table, column: str) -> Sequence[Sequence[str]]:
    moved = [row for row in _pairs(customers, previous, column) if row["before"] not in (None, row["now"])]
    moved.sort(key=lambda row: (-row["customer_id_count"], row["before"], row["now"]))
    return [
        [row["before"], row["now"], whole(row["customer_id_count"]), whole(row["spend_sum"])] for row in moved[:LARGEST]
    ]
