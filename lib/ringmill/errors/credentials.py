"""Texts without what opens doors in the addresses that stand in them: names and passwords, and a query's values."""

from __future__ import annotations

import re

# Up to the last '@' before a path: a password may hold one.
_USER = re.compile(r"://[^/\s\"]*@")
_QUERY = re.compile(r"(https?://[^\s\"'?#]*\?)([^\s\"'#]+)")
HIDDEN = "***"


def without_credentials(text: str) -> str:
    """A text without users' names and passwords in addresses, nor the values of a query where they are of the web.

    The query of another address says where its bucket lies, and stays.
    """
    return _QUERY.sub(lambda found: found[1] + _hidden(found[2]), _USER.sub("://", text))


def _hidden(query: str) -> str:
    """The names alone: one without a value may be a key itself."""
    pairs = (part.partition("=") for part in query.split("&"))
    return "&".join(f"{name}={HIDDEN}" if equals else HIDDEN for name, equals, _ in pairs)
