"""The frozen state of a feature set: plain data with a hash, fitted on the train split only (law 9)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Numeric:
    """One measure: (log1p of it, if `log`) − mean, over std; a null becomes 0 and shows in an indicator column."""

    name: str
    log: bool
    mean: float
    std: float
    indicator: bool


@dataclass(frozen=True)
class Categories:
    """One text column: a column of ones and zeros per known value, and a last one for all others and null."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class State:
    """Everything that `apply` needs."""

    numeric: tuple[Numeric, ...]
    categories: tuple[Categories, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the encoded columns, in the order of x."""
        scaled = [part.name for part in self.numeric]
        missing = [f"{part.name} is null" for part in self.numeric if part.indicator]
        known = [f"{part.name} = {value}" for part in self.categories for value in (*part.values, "other")]
        return (*scaled, *missing, *known)

    @property
    def hash(self) -> str:
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> State:
        return cls(
            numeric=tuple(Numeric(**part) for part in tree["numeric"]),
            categories=tuple(Categories(part["name"], tuple(part["values"])) for part in tree["categories"]),
        )
