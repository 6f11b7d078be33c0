"""Tables of the stages features and score."""

from __future__ import annotations

from ringmill.contracts.rfm import RFM_CUSTOMERS
from ringmill.contracts.table import SPLITS, Column, Table

NULL_IN_RFM = {column.name for column in RFM_CUSTOMERS.columns if column.nullable}
SCORES = Table(
    path="scores/customers",
    change_feed=True,
    grain="one row per customer with at least one sales line before the score cutoff",
    columns=(
        Column("customer_id", "string", "who may buy"),
        Column("cutoff", "date", "exclusive"),
        Column(
            "buy_probability", "double", "chance of a sales line within the horizon after the cutoff", least=0, most=1
        ),
        Column("expected_spend", "double", "P(buy) × E[spend | buy] within the horizon", unit="currency"),
        Column("model_run", "string", "run id of the model that scored"),
    ),
)


def embeddings_table(name: str) -> Table:
    """embeddings/<name>: the codes of features/<name>, row by row."""
    return Table(
        path=f"embeddings/{name}",
        grain="one row per row of features/<name>",
        columns=(
            Column("row_id", "bigint", "that of features/<name>"),
            Column("customer_id", "string", "who bought"),
            Column("cutoff", "date", "exclusive"),
            Column("embedding", "array<float>", "the autoencoder's code of x"),
            Column("label_buy", "double", "that of features/<name>"),
            Column("label_spend", "double", "that of features/<name>", unit="currency"),
            Column("split", "string", "that of features/<name>", one_of=SPLITS),
        ),
        partition_by=("split",),
    )


def features_columns(measures: tuple[str, ...]) -> tuple[Column, ...]:
    """Columns of features/<name>: keys, the materialised measures, the encoded vector and the labels."""
    return (
        Column("row_id", "bigint", "stable id of (customer, cutoff): the permutation's and the seeds' key"),
        Column("customer_id", "string", "who bought"),
        Column("cutoff", "date", "exclusive"),
        *(
            # A gap, and a value of days after the first, need two days with orders.
            Column(
                name,
                "double",
                "materialised measure as of the cutoff",
                nullable=name.startswith(("gap_days_", "repeat_value")) or name in NULL_IN_RFM,
            )
            for name in measures
        ),
        Column("country", "string", "country of the last sales line", nullable=True),
        Column("x", "array<float>", "encoded features, in the frozen state's order"),
        Column(
            "label_buy", "double", "1 if a sales line falls into [cutoff, cutoff + horizon), else 0", least=0, most=1
        ),
        Column("label_spend", "double", "sum of sales lines within the horizon", unit="currency"),
        Column("split", "string", "train, validation or test, by features.split", one_of=SPLITS),
    )
