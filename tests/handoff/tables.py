"""Small features tables for tests: written by delta-rs, no JVM."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from ringmill.handoff.columns import Columns, Label, Rows
from ringmill.handoff.manifest import Manifest
from ringmill.handoff.plan import RowRange
from ringmill.handoff.read import RowStream

LABELS = (Label("label_buy", "label_buy"), Label("label_spend", "label_spend"))


def features_table(
    rows: int, *, features: int = 3, seed: int = 0, splits: Sequence[str] = ("train", "validation", "test")
) -> pa.Table:
    """`rows` rows of learnable features: row ids in no order, splits drawn, buyers by a logistic model."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, features)).astype(np.float32)
    buy = (draw.random(rows) < 1 / (1 + np.exp(-2 * x[:, 0]))).astype(np.float64)
    return pa.table(
        {
            "row_id": pa.array(draw.permutation(rows) * 7919, pa.int64()),
            "customer_id": [f"c{place}" for place in range(rows)],
            "x": pa.array(list(x), pa.list_(pa.float32())),
            "label_buy": buy,
            "label_spend": buy * np.round(np.exp(4 + x[:, -1]), 2),
            "split": np.array(splits)[draw.integers(len(splits), size=rows)],
        }
    )


def write_table(path: Path, *parts: pa.Table) -> str:
    """A Delta table partitioned by split, each part appended by a commit of its own; its last version is len − 1."""
    for part in parts:
        write_deltalake(str(path), part, mode="append", partition_by=["split"])
    # The first reading of a file sets its access time, a page of metadata that law 8's count would find on some runs.
    for file in path.rglob("*.parquet"):
        file.read_bytes()
    return str(path)


def read_rows(manifest: Manifest, ranges: Sequence[RowRange], columns: Columns) -> Rows:
    """All rows of `ranges` at once."""
    rows = Rows.empty(sum(piece.stop - piece.start for piece in ranges), columns)
    RowStream(manifest, ranges, columns).fill(rows)
    return rows
