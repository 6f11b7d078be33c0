"""What the shop sells and where its customers live: names as UTF-8 and as Windows-1252 bytes, prices as text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

PRODUCTS = 600
POSTAGE = "POST"
COUNTRIES = {
    "United Kingdom": 0.62,
    "Germany": 0.08,
    "France": 0.08,
    "Spain": 0.05,
    "Netherlands": 0.04,
    "Ireland": 0.03,
    "Belgium": 0.02,
    "Switzerland": 0.02,
    "Portugal": 0.02,
    "Italy": 0.01,
    "Poland": 0.01,
    "Sweden": 0.01,
    "Réunion": 0.005,
    "Curaçao": 0.005,
}
_STYLES = ("Red", "Ivory", "Crème", "Rosé", "Blue", "Antique", "Señorita", "Vintage", "Löwen", "Spotty", "Pois", "£1")
_THINGS = (
    "teapot",
    "café bowl",
    "lantern",
    "jalapeño jar",
    "cake tin",
    "doormat",
    "tea set, 6 cups",
    'ruler 12" wood',
    "bunting",
    "lunch bag",
    "brûlée dish",
    "photo frame",
    "piñata",
    "mug",
    "alarm clock",
    "heart hanger",
    "étagère",
    "gift wrap",
    "night light",
    "cushion",
)
_SIZES = ("", " small", " large")


@dataclass(frozen=True)
class Catalogue:
    """One value per product; texts are ready for CSV (quoted where needed) and encoded."""

    code: pa.Array
    name_utf8: pa.Array
    name_cp1252: pa.Array
    price: pa.Array
    has_accent: NDArray[np.bool_]
    shares: NDArray[np.float64]


@cache
def catalogue() -> Catalogue:
    """The same products for every seed, by falling popularity; the last one is postage, which is no product."""
    rng = np.random.default_rng(1)
    combined = [f"{style} {thing}{size}" for style in _STYLES for thing in _THINGS for size in _SIZES]
    names = [*(combined[index] for index in rng.choice(len(combined), PRODUCTS - 1, replace=False)), "Postage"]
    codes = [f"{10_000 + 37 * index}{'ABC'[index % 3] if index % 4 == 0 else ''}" for index in range(PRODUCTS - 1)]
    prices = np.round(rng.lognormal(1.1, 0.8, PRODUCTS) + 0.2, 2)
    shares = 1.0 / np.arange(8, PRODUCTS + 8)
    shares[-1] = 0.01 * shares.sum()
    return Catalogue(
        code=_bytes([*codes, POSTAGE], "utf-8"),
        name_utf8=_bytes(names, "utf-8"),
        name_cp1252=_bytes(names, "cp1252"),
        price=_bytes([f"{price:.2f}" for price in prices], "utf-8"),
        has_accent=np.array([not name.isascii() for name in names]),
        shares=shares / shares.sum(),
    )


@cache
def countries() -> tuple[pa.Array, NDArray[np.float64]]:
    """Names as UTF-8, and their shares of the customers."""
    return _bytes(list(COUNTRIES), "utf-8"), np.array(list(COUNTRIES.values()))


def _bytes(texts: list[str], encoding: str) -> pa.Array:
    quoted = [f'"{text.replace(chr(34), chr(34) * 2)}"' if set(text) & set(',"') else text for text in texts]
    return pa.array([text.encode(encoding) for text in quoted], pa.binary())
