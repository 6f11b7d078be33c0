"""A cnn with attention and dilated convolutions on pictures of 320 × 320 × 3, from a table by the hand-off to ranks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from handoff.tables import write_table
from ringmill.config.images import Decoding, Pictures
from ringmill.generate.pictures import render
from ringmill.handoff.columns import Input
from train.runs import run, spec_of

pytestmark = pytest.mark.ring
LARGE = Decoding(height=320, width=320, channels=3)
SECTION = {
    "task": {"kind": "classes"},
    "model": {
        "kind": "cnn",
        "filters": (2, 3, 4, 4, 4),
        "dilation": 2,
        "attention": "channels",
        "gather": "average",
        "dense": 4,
    },
    "augmentation": {"flip": 0.5},
    "batch": 4,
    "epochs": 1,
    "memory_mb": 128,
}


def test_laws_4_and_8_pictures_of_320_by_320_by_3_are_trained_on_in_two_steps_by_two_ranks(
    tmp_path: Path,
) -> None:
    numbers = np.arange(11)
    pixels = render(numbers, Pictures(rows=11, classes=2), LARGE, seed=1)
    table = pa.table(
        {
            "row_id": numbers * 7919,
            "label": [f"shape {number % 2}" for number in numbers],
            "pixels": pa.array([one.tobytes() for one in pixels], pa.binary()),
            "split": ["train"] * 7 + ["validation"] * 2 + ["test"] * 2,
        }
    )
    path = write_table(tmp_path / "table", table)
    x = Input("pixels", LARGE.shape, "uint8", mean=(100.0,) * 3, scale=(60.0,) * 3)
    result = run(spec_of(path, tmp_path / "run", ranks=2, features=x.length, x=x, **SECTION))
    plan, laws = result.manifest["plan"], result.manifest["laws"]
    assert (plan["steps_per_epoch"], plan["rows"]) == (2, {"train": 7, "validation": 2, "test": 2})
    assert laws["4"]["rows_seen_in_each_epoch"] == [7]
    assert laws["5"] == {"ranks_with_bit_equal_weights": 2}
    assert laws["8"] == {"bytes_written_while_reading": 0}
    assert result.manifest["metrics"]["test"]["rows"] == 2
