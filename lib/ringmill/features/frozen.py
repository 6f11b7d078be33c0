"""What every frozen state is: plain data, with a hash of its own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any


def hash_of(plain: object) -> str:
    """SHA-256 of plain data's JSON, in hex."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()


class Frozen:
    """A dataclass of plain data, fitted on the train split only."""

    @property
    def hash(self) -> str:
        """SHA-256 of its JSON, in hex."""
        return hash_of(self.to_json())

    @property
    def vocabularies(self) -> dict[str, str]:
        """SHA-256 of the values that it knows, by the column that holds them, or by what encodes them."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """As the ledger and models' folders keep it."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]
