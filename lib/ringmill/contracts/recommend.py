"""Tables of a pipeline that recommends products."""

from __future__ import annotations

from ringmill.contracts.table import SPLITS, Column, Table


def purchases_table(name: str) -> Table:
    """features/<name>: what the ranks read."""
    return Table(
        path=f"features/{name}",
        grain="one row per customer and known product that the customer bought in the split, and not before it",
        columns=(
            Column("row_id", "bigint", "stable id of (customer, product): the permutation's and the seeds' key"),
            Column("customer_id", "string", "who bought"),
            Column("product_id", "string", "what was bought for the first time"),
            Column("bought_at", "timestamp", "the first time", unit="UTC instant"),
            Column(
                "seen_before", "timestamp", "x is made of purchases before it: the split's cutoff", unit="UTC instant"
            ),
            Column("product", "int", "id of the product in the frozen state, from 1", least=1),
            Column(
                "x", "array<int>", "the product's id, then the customer's others seen, the latest first, then zeros"
            ),
            Column("split", "string", "train, validation or test, by recommend's cutoffs", one_of=SPLITS),
        ),
        partition_by=("split",),
    )


RECOMMENDATIONS = Table(
    path="scores/recommendations",
    grain="one row per customer, list and place",
    columns=(
        Column("customer_id", "string", "who bought before the cutoff"),
        Column("cutoff", "date", "exclusive"),
        Column(
            "list",
            "string",
            "all: of all known products; new: of those that the customer has not bought",
            one_of=("all", "new"),
        ),
        Column("place", "int", "from 1, the best", least=1),
        Column("product_id", "string", "what is recommended"),
        Column("score", "double", "logarithm of the model's chance of it, up to a number of the customer's own"),
        Column("model_run", "string", "run id of the model that scored"),
    ),
)
