"""A features table of one's own, as data: a Delta table that another program wrote, to train on in place."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ringmill.config.rules import NAME, Section


class OwnTable(Section):
    """Columns row_id (whole numbers, each once), split ('train', 'validation', 'test'), x, and the task's labels.

    Partitioned by split it is read by its log alone. Otherwise one scan of the column split tells the rows apart, once
    for each version; rows of no split are left out.
    """

    name: str = Field(pattern=NAME, description="of the models: models/<name>")
    path: str = Field(description="folder or URI of the Delta table")
    version: int | None = Field(None, ge=0, description="default: the newest when the stage starts")
    x: str = Field("x", description="column of the model's input: lists of numbers, flat or nested, or single ones")
    shape: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1, description="of x in a row")
