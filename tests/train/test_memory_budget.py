"""What ranks really hold beside an empty run is within what the plan said, in both orders."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest

from handoff.tables import write_table
from ringmill.pipeline.memory import tree_bytes
from ringmill.train.run import plan
from train.runs import run, spec_of

pytestmark = [pytest.mark.ring, pytest.mark.long]

FEATURES = 32


def table_of(path: Path, rows: int) -> str:
    x = np.random.default_rng(0).random(rows * FEATURES, np.float32)
    buy = (x[::FEATURES] > 0.5).astype(float)
    offsets = np.arange(0, rows * FEATURES + 1, FEATURES, dtype=np.int32)
    return write_table(
        path,
        pa.table(
            {
                "row_id": np.arange(rows),
                "x": pa.ListArray.from_arrays(offsets, pa.array(x)),
                "label_buy": buy,
                "label_spend": buy,
                "split": np.array(["train", "train", "train", "validation", "test"])[np.arange(rows) % 5],
            }
        ),
    )


def spec(table: str, folder: Path, order: str) -> Any:
    wide = {"features": FEATURES, "model": {"hidden": (16,)}, "dtype": "float32", "memory_mb": 2048, "batch": 4096}
    return spec_of(table, folder, ranks=2, order=order, window_rows=32_768, epochs=1, patience=1, **wide)


def peak(table: str, folder: Path, order: str) -> int:
    """Highest sum of the ranks' proportional set sizes."""
    found, ended = [0], threading.Event()
    children: list[psutil.Process] = []

    def watch() -> None:
        while not ended.wait(0.02):
            if len(children) < 2:
                children[:] = [child for child in psutil.Process().children() if "spec.json" in str(child.cmdline())]
            found.append(sum(tree_bytes(child) for child in children))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run(spec(table, folder, order))
    finally:
        ended.set()
        watcher.join()
    return max(found)


@pytest.mark.parametrize("order", ["global", "striped"])
def test_law_8_decoded_rows_stay_within_the_stated_memory(tmp_path: Path, order: str) -> None:
    # Many rows: from run to run a rank's own memory differs by tens of megabytes.
    empty, full = table_of(tmp_path / "empty", 2_000), table_of(tmp_path / "full", 2_000_000)
    stated = plan(spec(full, tmp_path / "plan", order))[1].host_bytes(ranks=2)
    held = peak(full, tmp_path / "full_run", order) - peak(empty, tmp_path / "empty_run", order)
    assert 0.3 * stated < held < stated
