"""The frozen state of purchases: which products have an id, how many customers bought each, how much a model sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ringmill.features.frozen import Frozen
from ringmill.hashing import digest

FIRST = 1  # the id of the first product; 0 is none
STATE_FILE = "products.json"  # of the state, in a model's folder


@dataclass(frozen=True)
class ProductState(Frozen):
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
    def vocabularies(self) -> dict[str, str]:
        return {"product": digest(self.products)}

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Self:
        return cls(tuple(tree["products"]), tuple(tree["customers"]), tree["history"])
