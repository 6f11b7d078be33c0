"""What a saved model says of a row hangs on no other row, to the last bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from train.answered import KINDS


@pytest.fixture(scope="module")
def asked() -> dict[str, Any]:
    """By kind of model and rows at once, see `answered.asked`."""
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-m", "train.answered"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tests, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at_once", [10, 100])
def test_law_9_a_rows_answer_is_the_same_bits_in_whatever_batch_it_comes(
    kind: str, at_once: int, asked: dict[str, Any]
) -> None:
    found = asked[f"{kind} {at_once}"]
    assert found["shape"] == [found["rows"], 1] and found["empty"] == [0, 1]
    assert found["values"] > found["rows"] // 2
    assert found["off"] <= 1e-5
    assert found["differing"] == 0
