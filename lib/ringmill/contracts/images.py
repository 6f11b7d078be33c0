"""The table of scored images."""

from __future__ import annotations

from ringmill.contracts.table import SPLITS, Column, Table


def image_scores_table(pipeline: str) -> Table:
    """scores/<pipeline> of a pipeline of images."""
    return Table(
        f"scores/{pipeline}",
        "one row per clean image",
        (
            Column("row_id", "bigint", "of the image in features/<name>"),
            Column("image_id", "string", "as in features/<name>"),
            Column("label", "string", "class, as the folder or the labels' file says", nullable=True),
            Column("split", "string", "train, validation or test", one_of=SPLITS),
            Column("predicted", "string", "the likeliest class"),
            Column("probability", "double", "chance of the likeliest class", least=0, most=1),
            Column("probabilities", "array<double>", "chance of each class, in the order of the model's classes"),
            Column("model_run", "string", "run id of the model that scored"),
        ),
        change_feed=True,
    )
