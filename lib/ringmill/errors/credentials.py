"""Texts without what opens doors in the addresses that stand in them: names and passwords, and a query's values."""

from __future__ import annotations

import re

HIDDEN = "***"

# A password may hold what parts an address: it goes to the last '@' before a query, and where there is none, to the
# last '@' at all. A colon with digits alone up to the path is a port, and 'k8s://https://…' is two schemes.
_TO_AT = r"(?:[^\s\"?#]*@|[^\s\"]*@)"
_NO_PORT = r"(?!\d+(?:[/?#,;]|$)|//)"
_USER = re.compile(
    # Azure: the container is no user, and stays.
    rf"(?P<azure>\b(?:abfs|wasb)s?://)(?!\[)(?P<container>[^/\s\"?#:@]*):{_NO_PORT}{_TO_AT}"
    # Buckets have no port.
    rf"|(?P<bucket>\b(?:s3[an]?|gs)://)[^/\s\"?#:]*:{_TO_AT}"
    rf"|(?<!abfs)(?<!abfss)(?<!wasb)(?<!wasbs)://(?:(?!\[)[^/\s\"?#:]*:{_NO_PORT}{_TO_AT}|[^/\s\"?#]*@)"
)
_QUERY = re.compile(r"(?P<place>\b(?P<scheme>[A-Za-z][\w+.-]*)://[^\s\"'?#]*\?)(?P<query>[^\s\"'#]+)")
_WEB = ("http", "https")
_NAMED = re.compile(r"[\w.-]+=")
# Where a store lies, which is no secret; nothing within it that is an address with a user or a query again.
_PLACE = re.compile(r"(?:region|endpoint_override|scheme)=(?!.*%40)[^@?=]*", re.IGNORECASE)


def without_credentials(text: str) -> str:
    """A text without users' names and passwords in addresses, nor the values of a query.

    What names the place stays: Azure's container, and in other queries than those of the web the region, the endpoint
    and the scheme. A '?' of a glob begins no query: no part of it is `name=value`.
    """
    # What follows a user may look like another one: the password held an '@'.
    while (shown := _USER.sub(_without_user, text)) != text:
        text = shown
    return _QUERY.sub(_without_values, text)


def _without_user(found: re.Match[str]) -> str:
    if found["azure"]:
        return f"{found['azure']}{found['container']}@" if found["container"] else found["azure"]
    return found["bucket"] or "://"


def _without_values(found: re.Match[str]) -> str:
    parts = found["query"].split("&")
    is_web = found["scheme"].lower() in _WEB
    # A file has no query, but its name may have a '?', and a folder of a partition a '='.
    if not is_web and (found["scheme"] == "file" or not any(_NAMED.match(part) for part in parts)):
        return found[0]
    kept = (part if not is_web and _PLACE.fullmatch(part) else _hidden(part) for part in parts)
    return found["place"] + "&".join(kept)


def _hidden(part: str) -> str:
    """The name alone: one without a value may be a key itself, and what no name can be is a piece of a value."""
    return f"{part.partition('=')[0]}={HIDDEN}" if _NAMED.match(part) else HIDDEN
