"""Tables of rows that help a rare class: to be trained on besides those of a table of one's own."""

from __future__ import annotations

from ringmill.contracts.table import Column, Table


def generated_table(name: str, *, x: str, label: str) -> Table:
    """generated/<name>: rows that a network made up, none of them a train row. `x` and `label` are named as in the
    table that they help."""
    return Table(
        path=f"generated/{name}",
        grain="one row per row that was made and is no copy of a train row",
        columns=(
            Column("row_id", "bigint", "hash of the row's number: what it is made of hangs on it"),
            Column(x, "array<float>", "the model's input, the last axis fastest"),
            Column(label, "string", "the class that is helped"),
            Column("split", "string", "train: what is made up is never judged by", one_of=("train",)),
        ),
        partition_by=("split",),
    )


def oversampled_table(name: str, *, x: str, label: str) -> Table:
    """oversampled/<name>: train rows once more."""
    return Table(
        path=f"oversampled/{name}",
        grain="one row per repetition of a train row of the class that is helped",
        columns=(
            Column("row_id", "bigint", "hash of the repeated row's id and of how often it is repeated so far"),
            Column("source_row_id", "bigint", "id of the repeated row"),
            Column(x, "array<float>", "the model's input, the last axis fastest"),
            Column(label, "string", "the class that is helped"),
            Column("split", "string", "train: what is repeated is never judged by", one_of=("train",)),
        ),
        partition_by=("split",),
    )
