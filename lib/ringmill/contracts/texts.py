"""Tables of scored texts."""

from __future__ import annotations

from ringmill.contracts.table import SPLITS, Column, Table

_SCORED = (
    Column("row_id", "bigint", "of the text in features/<name>"),
    Column("text", "string", "the clean text"),
    Column("label", "string", "class, as the files or people say; null: there is none", nullable=True),
    Column("split", "string", "train, validation or test; null without a label", nullable=True, one_of=SPLITS),
    Column("predicted", "string", "the likeliest class"),
    Column("probabilities", "array<double>", "chance of each class, in the order of the model's classes"),
    Column(
        "probability",
        "double",
        "chance of route.positive; null without a section route",
        nullable=True,
        least=0,
        most=1,
    ),
)
_RUN = Column("model_run", "string", "run id of the model that scored")


def text_scores_table(pipeline: str) -> Table:
    """scores/<pipeline> of a pipeline of texts."""
    route = Column(
        "route",
        "string",
        "accepted, rejected or review; null without a section route",
        nullable=True,
        one_of=("accepted", "rejected", "review"),
    )
    return Table(f"scores/{pipeline}", "one row per clean text", (*_SCORED, route, _RUN), change_feed=True)


def refined_table(route: str) -> Table:
    """refined/<route>: the scored texts that went there."""
    return Table(f"refined/{route}", f"one row per text that goes to {route}", (*_SCORED, _RUN))
