"""How numbers and times are written in files."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, model_validator

from ringmill.config.rules import Section


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("an IANA time zone such as Europe/London")
    return name


_OFFSET = re.compile(r"[XxZOVz]")
_QUOTED = re.compile(r"'[^']*'")
_Z = re.compile(r"Z'$")


def has_offset(form: str) -> bool:
    """Whether a Java date format writes an offset or a zone, so that what it reads is an instant."""
    return _OFFSET.search(_QUOTED.sub("", form)) is not None


def check_quoted(forms: tuple[str | TimestampFormat, ...]) -> tuple[str | TimestampFormat, ...]:
    """The same formats; those that state a zone may quote what they like.

    Raises:
        ValueError: one passes over a 'Z', the sign of UTC, and so would read local time.
    """
    for form in forms:
        if isinstance(form, str) and not has_offset(form) and any(map(_Z.search, _QUOTED.findall(form))):
            right = form.replace("'Z'", "X")
            raise ValueError(
                f"formats that read an offset: a quoted Z is a letter, and the time before it would be local; write "
                f"{right}, or {{format: …, zone: UTC}}, in place of {form}"
            )
    return forms


Zone = Annotated[str, AfterValidator(_known_zone)]


class NumberFormat(Section):
    """How a column writes its numbers. What is not written so cannot be read; nothing is guessed.

    Thousands separators may be left out, but where one stands, three digits follow each.
    """

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", "'", " "] = Field("", description="a space means the no-break ones too")
    currency: tuple[str, ...] = Field((), description="signs or codes that may stand before or behind the number")

    @model_validator(mode="after")
    def _apart(self) -> NumberFormat:
        if self.decimal == self.thousands:
            raise ValueError("a decimal sign that is not the thousands separator too")
        if not all(sign.strip() for sign in self.currency):
            raise ValueError("currency signs that are not empty")
        return self


class TimestampFormat(Section):
    """A format of local times in a zone of its own."""

    format: str
    zone: Zone

    @model_validator(mode="after")
    def _is_local(self) -> TimestampFormat:
        if has_offset(self.format):
            raise ValueError(f"a zone for a format of local times; '{self.format}' has an offset of its own")
        return self
