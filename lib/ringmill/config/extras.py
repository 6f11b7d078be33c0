"""Columns of the files beyond ours: what they are called, their type, and how their values are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from ringmill.config.formats import NumberFormat, TimestampFormat, check_quoted, has_offset
from ringmill.config.rules import NUMBER_TYPES, Section

# What YAML reads as true and false where it is not quoted.
YAML_WORDS = {True: ("true", "yes", "on"), False: ("false", "no", "off")}


class Extra(Section):
    """A column that clean/rows gets beside ours, null where the file has no value.

    A value that is there and cannot be read gives the reason `unreadable_NAME`, or, with `unreadable: flag`, a flag of
    that name on a row that stays, with null for the value. `true` and `false` are the words of a boolean (case
    ignored; YAML's own unquoted words for a truth value stand for all of its spellings). `number` says how numbers are
    written, `formats` how times (default: raw.timestamp_formats) or dates are (Java's letters; default yyyy-MM-dd).
    """

    column: str
    type: Literal["boolean", "bigint", "double", "string", "timestamp", "date"]
    true: tuple[str, ...] = ("true",)
    false: tuple[str, ...] = ("false",)
    number: NumberFormat | None = None
    formats: tuple[str | TimestampFormat, ...] = ()
    unreadable: Literal["reject", "flag"] = Field("reject", description="a row with a value that cannot be read")

    @model_validator(mode="before")
    @classmethod
    def _keys_as_written(cls, values: Any) -> Any:
        # YAML takes an unquoted 'true:' for a truth value, not for a name.
        if not isinstance(values, Mapping):
            return values
        return {str(key).lower() if isinstance(key, bool) else key: value for key, value in values.items()}

    @field_validator("true", "false", mode="before")
    @classmethod
    def _words_as_written(cls, words: Any) -> Any:
        if not isinstance(words, Iterable) or isinstance(words, str):
            return words
        return tuple(text for word in words for text in (YAML_WORDS[word] if isinstance(word, bool) else [str(word)]))

    @field_validator("formats")
    @classmethod
    def _no_quoted_offset(cls, forms: tuple[str | TimestampFormat, ...]) -> tuple[str | TimestampFormat, ...]:
        return check_quoted(forms)

    @model_validator(mode="after")
    def _fits(self) -> Extra:
        if self.model_fields_set & {"true", "false"} and self.type != "boolean":
            raise ValueError("'true' and 'false' with type: boolean")
        both = {word.strip().lower() for word in self.true} & {word.strip().lower() for word in self.false}
        if self.type == "boolean" and (both or not self.true or not self.false):
            raise ValueError(f"words for 'true' and others for 'false'; both have {sorted(both) or 'none'}")
        if self.number is not None and self.type not in NUMBER_TYPES:
            raise ValueError(f"'number' with type: {' or '.join(NUMBER_TYPES)}")
        if self.formats and self.type not in ("timestamp", "date"):
            raise ValueError("'formats' with type: timestamp or date")
        if self.type == "date" and not all(isinstance(form, str) and not has_offset(form) for form in self.formats):
            raise ValueError("formats of dates, which have neither zone nor offset")
        return self
