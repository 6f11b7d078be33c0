"""The key of personal hashes, read where it is used, and the hashes; plain Python, on the driver and on workers.

The key is in no value that leaves the process which read it: what Spark gets to see is its place and its fingerprint.
"""

from __future__ import annotations

import hmac
import os
from pathlib import Path

import pyarrow as pa

from ringmill.config.personal import PersonalKey
from ringmill.errors import ConfigError

LEAST_BYTES = 16
_FINGERPRINTED = b"ringmill: fingerprint of the key of personal hashes"


def read_key(place: PersonalKey) -> bytes:
    """The key's bytes, without white space at the ends.

    Raises:
        ConfigError: there is no such file or variable, or what is there is too short; never with a byte of it.
    """
    if place.file is not None:
        where = f"file {place.file}"
        try:
            found = Path(place.file).expanduser().read_bytes()
        except OSError as error:
            raise _unusable(where, error.strerror or type(error).__name__) from error
    else:
        where = f"environment variable {place.env}"
        text = os.environ.get(str(place.env))
        if text is None:
            raise _unusable(where, "no such variable")
        found = os.fsencode(text)
    key = found.strip()
    if len(key) < LEAST_BYTES:
        raise _unusable(where, f"{len(key)} bytes")
    return key


def _unusable(place: str, problem: str) -> ConfigError:
    expected = "the same 16 or more secret bytes on the driver and on every worker (openssl rand -hex 32 makes some)"
    return ConfigError.bad_value(place, "clean.personal_key", expected, problem)


def fingerprint_of(key: bytes) -> str:
    """Tells keys apart without giving them away: the HMAC of a fixed text, as hard to turn back as any hash of them."""
    return hmac.digest(key, _FINGERPRINTED, "sha256").hex()


def hash_texts(values: pa.Array, place: PersonalKey, fingerprint: str | None) -> pa.Array:
    """Texts → HMAC-SHA256 of their UTF-8 under the key, in hex; null stays null.

    Raises:
        ConfigError: the key cannot be read here, or is not the one with this fingerprint, where one is given.
    """
    key = read_key(place)
    if fingerprint is not None and fingerprint_of(key) != fingerprint:
        raise _unusable(str(place.file or place.env), "another key than the driver's")
    texts = values.dictionary_encode()  # ids repeat: each is hashed once a batch
    hashes = [hmac.digest(key, text.encode(), "sha256").hex() for text in texts.dictionary.to_pylist()]
    return pa.array(hashes, pa.string()).take(texts.indices)
