"""Stages that must not publish: what they say, and what the ledger keeps of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringmill.errors import RingmillError
from ringmill.pipeline.stage import Run, Stage, execute


def refused_training(stage: Stage, run: Run) -> RingmillError:
    """The error of the stage 'train'; the ledger has it, and no model is there. The run is closed."""
    try:
        with pytest.raises(RingmillError) as caught:
            execute(stage, run)
    finally:
        run.close()
    last = run.ledger.entries()[-1]
    assert (last.stage, last.outcome, last.detail["error"]) == ("train", "failed", str(caught.value))
    assert not (Path(run.lake.root) / "models").exists()
    return caught.value
