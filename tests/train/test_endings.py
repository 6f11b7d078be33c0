"""Which rank's end is the cause, and whether another start may go well: a table, without processes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ringmill.errors import RankLost, TrainingError
from ringmill.train.launch.process import SSH_LOST, Ending, cause_of
from ringmill.train.launch.watch import Stall
from ringmill.train.rank import ORPHANED, PEER_ENDED

KILL = -9
FULL = TrainingError.not_written("The checkpoint after epoch 3", "/run/7", "No space left on device").parts()
STALL = Stall("training", 3, 7, "/t/part-1.parquet", "its pulse stopped 6 s ago")


def ended(rank: int, status: int, **changes: object) -> Ending:
    return replace(Ending(rank, status, f"rank-{rank}.log", "tail", 5.0), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("endings", "kind", "what"),
    [
        ([ended(0, PEER_ENDED), ended(1, KILL)], RankLost, "Rank 1 of the training failed."),
        ([ended(0, KILL, by_launcher=True), ended(1, KILL)], RankLost, "Rank 1 of the training failed."),
        ([ended(0, KILL), ended(1, 1)], RankLost, "Rank 0 of the training failed."),
        ([ended(0, 1), ended(1, PEER_ENDED)], TrainingError, "Rank 0 of the training failed."),
        ([ended(0, PEER_ENDED), ended(1, PEER_ENDED)], RankLost, "Rank 0 of the training failed."),
        ([ended(0, 0), ended(1, ORPHANED)], RankLost, "Rank 1 of the training failed."),
        ([ended(0, 0), ended(1, SSH_LOST)], RankLost, "Rank 1 of the training failed."),
        (
            [ended(0, KILL, by_launcher=True), ended(1, KILL, stall=STALL)],
            RankLost,
            "Rank 1 of the training stalled in epoch 3, step 7.",
        ),
        # A rank that aborts because its peer has gone is not the cause of a full disk, nor makes it better.
        (
            [ended(1, -6), ended(0, 4, error=FULL)],
            TrainingError,
            "Rank 0 of the training ended: The checkpoint after epoch 3 cannot be written.",
        ),
        # One that has said why it ends may be killed before it has ended.
        (
            [ended(0, KILL, error=FULL), ended(1, PEER_ENDED)],
            TrainingError,
            "Rank 0 of the training ended: The checkpoint after epoch 3 cannot be written.",
        ),
        ([ended(0, 0, refusal=FULL), ended(1, 0, refusal=FULL)], TrainingError, FULL["what"]),
        ([ended(0, 0, refusal=FULL, again=True), ended(1, 0, refusal=FULL, again=True)], RankLost, FULL["what"]),
        # Nobody reaches a rank that was killed before all were in; who refuses therefore is not the cause.
        ([ended(0, 4, refusal=FULL), ended(1, KILL)], RankLost, "Rank 1 of the training failed."),
        ([ended(0, 4, refusal=FULL), ended(1, KILL, by_launcher=True)], TrainingError, FULL["what"]),
        ([ended(0, 4, refusal=FULL), ended(1, -6)], TrainingError, FULL["what"]),
    ],
)
def test_the_cause_is_named_and_whether_it_may_go_better(
    endings: list[Ending], kind: type[TrainingError], what: str
) -> None:
    error = cause_of(endings)
    assert (type(error), error and error.what) == (kind, what)


def test_ranks_that_end_well_have_no_cause() -> None:
    assert cause_of([ended(0, 0), ended(1, 0)]) is None


def test_a_rank_that_says_why_it_ends_is_quoted_with_path_cause_and_what_to_do() -> None:
    error = cause_of([ended(0, 4, error=FULL)])
    assert error is not None
    assert (error.where, error.received) == ("rank-0.log", "No space left on device (/run/7)")
    assert error.todo == FULL["todo"]
