"""The frozen state of purchases: which products have an id, how many customers bought each, how much a model sees."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

FIRST = 1  # the id of the first product; 0 is none


@dataclass(frozen=True)
class ProductState:
    """Plain data, fitted on the train split only. `products` by id from `FIRST` on, by falling `customers`, of equal
    ones by their code; of a customer's past products the model sees the last `history`."""

    products: tuple[str, ...]
    customers: tuple[int, ...]
    history: int

    @property
    def ids(self) -> int:
        """How many different ids there are, that of none among them: all are below it."""
        return FIRST + len(self.products)

    @property
    def length(self) -> int:
        """Ids of a row: a product, and those before it."""
        return 1 + self.history

    @property
    def hash(self) -> str:
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Self:
        return cls(tuple(tree["products"]), tuple(tree["customers"]), tree["history"])
