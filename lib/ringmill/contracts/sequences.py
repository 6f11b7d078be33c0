"""Tables of a pipeline that foresees the next order."""

from __future__ import annotations

from ringmill.contracts.table import SPLITS, Column, Table


def sequences_table(name: str) -> Table:
    """features/<name>: what the ranks read, and what the model is compared with."""
    return Table(
        path=f"features/{name}",
        grain="one row per customer and cutoff, of customers with an order before it",
        columns=(
            Column("row_id", "bigint", "stable id of (customer, cutoff): the permutation's and the seeds' key"),
            Column("customer_id", "string", "who ordered"),
            Column("cutoff", "date", "exclusive, from its local midnight on"),
            Column(
                "x",
                "array<float>",
                "places of 5 numbers, zeros, then the last orders, the latest last: its category's id from 1, and days "
                "since the order before, days up to the cutoff, spend and lines, all scaled",
            ),
            Column("comes", "string", "yes or no: whether an order begins within the horizon", one_of=("yes", "no")),
            Column("category", "string", "of the next order; null: none begins, or it has no category", nullable=True),
            Column(
                "days", "double", "from the cutoff to the next order; null: none begins", nullable=True, unit="days"
            ),
            Column("last_category", "string", "of the last order seen"),
            Column("own_category", "string", "of most orders seen, of as many the one that was there last"),
            Column(
                "own_gap_days",
                "double",
                "mean between days with orders; null: there is one such day",
                nullable=True,
                unit="days",
            ),
            Column("days_since_last_order", "double", "up to the cutoff", unit="days", least=0),
            Column("order_count", "bigint", "orders seen, more maybe than x holds", least=1),
            Column("last_seen_at", "timestamp", "the last line seen", unit="UTC instant"),
            Column("first_label_at", "timestamp", "the next order's first line", nullable=True, unit="UTC instant"),
            Column("last_label_at", "timestamp", "the next order's last line", nullable=True, unit="UTC instant"),
            Column("split", "string", "train, validation or test, by sequences' cutoffs", one_of=SPLITS),
        ),
        partition_by=("split",),
    )


NEXT_ORDERS = Table(
    path="scores/next_orders",
    grain="one row per customer with an order before the cutoff",
    columns=(
        Column("customer_id", "string", "who ordered before the cutoff"),
        Column("cutoff", "date", "exclusive"),
        Column("order_probability", "double", "that an order begins within the horizon", least=0, most=1),
        Column("category", "string", "the likeliest of the next order, if one begins"),
        Column("category_probability", "double", "of that category, if one begins", least=0, most=1),
        Column("categories", "array<string>", "all of the model's categories"),
        Column("probabilities", "array<double>", "of each of them, if an order begins"),
        Column(
            "expected_days",
            "double",
            "from the cutoff to the next order, if one begins within the horizon",
            unit="days",
        ),
        Column("model_run", "string", "run id of the model that scored"),
    ),
)
