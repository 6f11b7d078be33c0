"""Fashion-MNIST as the comparisons with scikit-learn take it: a column for each pixel, and the class."""

from __future__ import annotations

import numpy as np

from conftest import at_hand
from ringmill.lake.idx import look_at_idx, read_stretch


def pixels(rows: int, *, split: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """(rows, 784) brightnesses of 0 to 255, and (rows) classes as text; the files' first rows."""

    def read(kind: str) -> np.ndarray:
        file = look_at_idx(str(at_hand(f"fashion_mnist/{split}-{kind}-ubyte.gz")), dimensions=(1, 3))
        return np.frombuffer(b"".join(read_stretch(file, 0, rows)), np.uint8)

    return read("images-idx3").reshape(rows, 784).astype(float), read("labels-idx1").astype(str)
