"""A features table of one's own, as data: a Delta table that another program wrote, to train on in place."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from ringmill.config.rules import NAME, Section


class Imbalanced(Section):
    """`ringmill generate`: rows of the classes 'common' and 'rare', as the table that `table` reads.

    Where `table.shape` is an image's, common ones are discs and rare ones rings.
    """

    rows: int = Field(8_000, ge=20)
    rare: float = Field(0.05, gt=0, lt=1, description="share of the class 'rare'")
    noise: float = Field(
        0.6,
        ge=0,
        allow_inf_nan=False,
        description="deviation around what makes a row rare; of a pixel, in 40 grey levels",
    )


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
    generate: Imbalanced | None = Field(None, description="make up the table, in a pipeline with 'augment'")

    @model_validator(mode="after")
    def _fits(self) -> OwnTable:
        if self.generate is not None:
            is_row, is_image = len(self.shape) == 1 and self.shape[0] > 1, self.shape[2:] in ((1,), (3,))
            if self.version is not None or self.x != "x" or not (is_row or is_image):
                raise ValueError("'generate' without 'version', with x: x and a shape of rows or of images")
        return self
