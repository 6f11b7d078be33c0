"""What every frozen state is: plain data, with a hash of its own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any


class Frozen:
    """A dataclass of plain data, fitted on the train split only."""

    @property
    def hash(self) -> str:
        """SHA-256 of its JSON, in hex."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """As the ledger and models' folders keep it."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]
