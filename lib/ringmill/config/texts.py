"""Texts as data: where they lie, what cleaning makes of them, the ids they become, and how made-up ones are made."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ringmill.config.rules import Section
from ringmill.config.text import TokenIds


class Cleaning(Section):
    """What a text is, the same in training and scoring: NFC, no controls, single spaces, none at its ends.

    A text of which nothing is left is rejected, and one that holds U+FFFD, which stands for bytes that are no UTF-8.
    """

    longest: int = Field(20_000, ge=1, description="characters that a text may have when it is clean")
    too_long: Literal["reject", "cut"] = Field("reject", description="what becomes of a longer one")


class Tokens(TokenIds):
    """As the entry token_ids of a feature set, of the column text; the zeros stand at the end."""

    kind: Literal["token_ids"] = "token_ids"
    columns: tuple[Literal["text"]] = ("text",)
    name: Literal["ids"] = "ids"
    pad: Literal["end"] = "end"
    keep: Literal[True] = True


class Messages(Section):
    """`ringmill generate`: messages of the classes ham and spam from a grammar, as the file that `texts` reads.

    Of the share `overlap` the words say nothing about the class. Those are told right at best by the commoner class, so
    that nothing can be right in more than 1 − overlap × min(spam, 1 − spam) of distinct messages.
    """

    rows: int = Field(4_000, ge=1)
    spam: float = Field(0.25, gt=0, lt=1, description="share of spam")
    overlap: float = Field(0.02, ge=0, le=1)
    copies: float = Field(0.05, ge=0, lt=1, description="share of messages that repeat an earlier one, label and all")


class Texts(Section):
    """Files with a text and a label on each line → features/<name>."""

    name: str = Field(pattern="^[a-z][a-z0-9_]*$")
    path: str = Field(description="a file, a folder or a glob")
    format: Literal["csv", "jsonl"] = "csv"
    delimiter: str = Field(",", min_length=1, max_length=1)
    quote: Literal["", '"'] = Field('"', description="'': quotation marks are part of the texts")
    columns: tuple[str, ...] = Field((), description="of CSV files without a header their columns, in order")
    text: str = Field("text", description="the column with the texts")
    label: str | None = Field("label", description="the column with the labels; null: there is none")
    reviewed: str | None = Field(
        None, description="CSV with columns text and label, from people: its labels win over those of the files"
    )
    cleaning: Cleaning = Cleaning()
    tokens: Tokens = Tokens(length=64)
    shares: tuple[float, float, float] = Field((0.8, 0.1, 0.1), description="train, validation, test")
    stratify: bool = Field(False, description="the shares hold within each label")
    generate: Messages | None = Field(None, description="make up the file")

    @model_validator(mode="after")
    def _fits(self) -> Texts:
        if self.format == "jsonl" and self.columns:
            raise ValueError("'columns' with format: csv; lines of JSON name their own")
        if self.columns and (missing := {self.text, self.label or self.text} - set(self.columns)):
            raise ValueError(f"'columns' that hold {', '.join(sorted(missing))}")
        if self.label == self.text:
            raise ValueError("a 'label' other than 'text'")
        if abs(sum(self.shares) - 1) > 1e-9 or min(self.shares) < 0:
            raise ValueError("'shares' that add up to 1, none of them negative")
        if self.stratify and self.label is None and self.reviewed is None:
            raise ValueError("'stratify' with a 'label', or with 'reviewed'")
        if self.generate is not None and (self.format, self.delimiter, self.quote, self.columns) != (
            "csv",
            "\t",
            "",
            (self.label, self.text),
        ):
            raise ValueError(
                "format: csv, delimiter: \"\\t\", quote: '' and columns: [label, text] with 'generate', which writes so"
            )
        return self
