"""What every frozen state is: plain data, with a hash of its own."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ringmill.hashing import digest


class Frozen:
    """A dataclass of plain data, fitted on the train split only."""

    @property
    def hash(self) -> str:
        """SHA-256 of its JSON, in hex."""
        return digest(self.to_json())

    @property
    def vocabularies(self) -> dict[str, str]:
        """SHA-256 of the values that it knows, by the column that holds them, or by what encodes them."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """As the ledger and models' folders keep it."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]
