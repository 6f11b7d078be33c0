"""One hash of plain data, for stage keys, frozen states and what else has to be known again."""

from __future__ import annotations

import hashlib
import json


def digest(value: object) -> str:
    """SHA-256 of a value's canonical JSON, in hex; what JSON does not know is written as text."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
