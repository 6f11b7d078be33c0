"""Both towers of a trained model as plain data, applied without Keras: a customer's past products → every product's
chance to be bought next.

Sums run in a fixed order (features/extraction/project.py): a customer's chances, and so the list, have the same bits in
any batch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ringmill.features.extraction.project import project
from ringmill.features.products import FIRST

Floats = NDArray[np.float64]
# Customers at once: bounds what their chances of all products take.
BLOCK = 256


@dataclass(frozen=True)
class Towers:
    """As train/models/two_tower.py freezes them. `past` (ids, units); `layers`: kernels (units, inputs) and biases;
    `products` (products, units) and `biases`, the first of id 1."""

    past: Floats
    layers: tuple[tuple[Floats, Floats], ...]
    products: Floats
    biases: Floats

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> Self:
        layers = tuple((np.array(layer["kernel"]), np.array(layer["bias"])) for layer in tree["layers"])
        return cls(np.array(tree["past"]), layers, np.array(tree["products"]), np.array(tree["biases"]))

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls.of(json.loads(path.read_text(encoding="utf-8")))

    def customers(self, past: NDArray[np.integer[Any]]) -> Floats:
        """(rows, length) ids, 0 where there is none → (rows, units)."""
        real = past > 0
        seen = (self.past[past] * real[:, :, None]).sum(axis=1) / np.maximum(real.sum(axis=1), 1)[:, None]
        for place, (kernel, bias) in enumerate(self.layers):
            seen = project(np.maximum(seen, 0.0) if place else seen, kernel) + bias
        return np.asarray(seen)

    def log_chances(self, past: NDArray[np.integer[Any]]) -> Floats:
        """(rows, length) ids → (rows, products): log P(product | customer)."""
        logits = np.empty((len(past), len(self.biases)))
        for start in range(0, len(past), BLOCK):
            block = slice(start, start + BLOCK)
            logits[block] = project(self.customers(past[block]), self.products) + self.biases
        most = logits.max(axis=1, keepdims=True)
        return np.asarray(logits - most - np.log(np.exp(logits - most).sum(axis=1, keepdims=True)))

    def losses(self, x: NDArray[np.integer[Any]], *, among: NDArray[np.integer[Any]]) -> Floats:
        """(rows, 1 + length) ids, a product's and those before it → (rows,): −log P(product | customer), with P among
        the products of the ids `among`, ascending, of which each row's is one."""
        found = np.empty(len(x))
        for start in range(0, len(x), BLOCK):
            block = x[start : start + BLOCK]
            logs = self.log_chances(block[:, 1:])[:, among - FIRST]
            own = logs[np.arange(len(block)), np.searchsorted(among, block[:, 0])]
            most = logs.max(axis=1)
            found[start : start + BLOCK] = most + np.log(np.exp(logs - most[:, None]).sum(axis=1)) - own
        return found
