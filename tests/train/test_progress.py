"""What is followed of a run while it writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringmill.pipeline.train import say
from ringmill.train.passed import Passed
from ringmill.train.progress import append, following

SECONDS = st.floats(0, 1e6)
SHARES = ("share_data", "share_compute", "share_allreduce")


def test_lines_are_handed_on_in_their_order_and_half_a_line_of_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    path, seen = tmp_path / "progress.jsonl", list[Mapping[str, Any]]()
    path.touch()
    with following(path, seen.append):
        append(path, {"event": "epoch", "epoch": 1})
        with path.open("a", encoding="utf-8") as file:
            file.write('{"event": "epo')  # and no room for the rest
        append(path, {"event": "retry"})
        append(path, {"event": "epoch", "epoch": 2})
    assert [line.get("epoch") for line in seen] == [1, 2]


@given(data=SECONDS, training=SECONDS.filter(lambda seconds: seconds > 1e-3), sums=SECONDS)
def test_the_shares_of_a_ranks_time_add_up_to_one(data: float, training: float, sums: float) -> None:
    pace = Passed(seen=10, clock=(data, training, sums)).pace(2)
    shares = [pace[name] for name in SHARES]
    assert sum(shares) == pytest.approx(1.0, abs=2e-4)
    assert all(0 <= share <= 1 for share in shares)


def test_compute_is_what_data_and_sums_leave_of_the_time() -> None:
    pace = Passed(seen=600, clock=(1.0, 5.0, 3.0)).pace(2)
    assert pace == {"rows_per_second": 50.0, "share_data": 0.1667, "share_compute": 0.3333, "share_allreduce": 0.5}


def test_a_probe_longer_than_training_leaves_nothing_to_compute() -> None:
    pace = Passed(seen=6, clock=(1.0, 3.0, 9.0)).pace(1)
    assert [pace[name] for name in SHARES] == [0.25, 0.0, 0.75]


class Said:
    """A step that keeps what it was to say."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def say(self, text: str) -> None:
        self.texts.append(text)

    show = say


def test_a_step_and_an_epoch_say_pace_and_shares() -> None:
    said, pace = Said(), Passed(seen=6000, clock=(1.0, 3.0, 1.0)).pace(2)
    say(said, {"event": "step", "epoch": 2, "step": 4, "steps": 10, **pace})
    say(said, {"event": "epoch", "epoch": 5, "epochs": 9, "val_loss": 0.25, **pace})
    words = "750 rows/s per rank, 25% in data, 50% in compute, 25% in the ring"
    assert said.texts == [
        f"epoch 2, step 4 of 10, {words}",
        f"epoch 5 of at most 9, validation loss 0.2500, {words}",
    ]
