"""UCI Adult as the comparisons with scikit-learn take it: the number columns, and the income as class."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq

from conftest import at_hand

NUMBERS = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week")


def adult(*, scaled: bool) -> tuple[np.ndarray, np.ndarray]:
    """(32561, 6) numbers, each over its standard deviation where `scaled`, and (32561) classes as text."""
    table = pq.read_table(at_hand("adult/adult_data.parquet"))
    matrix = np.stack([table[name].to_numpy().astype(float) for name in NUMBERS], axis=1)
    classes = np.array([text.strip() for text in table["income"].to_pylist()])
    return (matrix / matrix.std(axis=0) if scaled else matrix), classes
