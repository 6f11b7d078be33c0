"""Fashion-MNIST as the comparisons with scikit-learn take it: a column for each pixel, and the class."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "fashion_mnist"


def pixels(rows: int, *, split: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """(rows, 784) brightnesses of 0 to 255, and (rows) classes as text; the files' first rows."""
    if not FOLDER.exists():
        pytest.skip(f"needs the Fashion-MNIST data in {FOLDER}")

    def read(kind: str, header: int, size: int) -> np.ndarray:
        with gzip.open(FOLDER / f"{split}-{kind}-ubyte.gz") as file:
            return np.frombuffer(file.read(header + rows * size), np.uint8, offset=header)

    return read("images-idx3", 16, 784).reshape(rows, 784).astype(float), read("labels-idx1", 8, 1).astype(str)
