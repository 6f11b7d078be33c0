"""URIs as the libraries below us name them."""

from __future__ import annotations

SAME_AS = {"s3a": "s3", "s3n": "s3"}


def named_for_pyarrow(uri: str) -> str:
    """A URI with its scheme as pyarrow names it: what Hadoop, and so Spark, call s3a and s3n is its s3."""
    scheme, separator, rest = uri.partition("://")
    return f"{SAME_AS.get(scheme, scheme)}{separator}{rest}"
