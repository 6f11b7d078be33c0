"""What follows for Airflow's tasks from what the ledger says of a run; needs no Airflow."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "jobs" / "dags"))

from ringmill_answers import name_of, passed, told


def run(status: int, *, promote: str | None = None, train: str | None = None, current: str = "q") -> dict[str, Any]:
    stages: dict[str, Any] = {"clean": {"detail": {"error": "two of the gates are closed"}}}
    if train:
        stages["train"] = {"outcome": train, "detail": {"model": "models/mine/r", "summary": "trained"}}
    if promote:
        stages["promote"] = {"outcome": promote, "detail": {"summary": "r is worse"}}
    return {"run_id": "r", "exit_status": status, "stages": stages, "current": {"mine": f"models/mine/{current}"}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (run(0), True),
        (run(0, promote="published"), True),
        (run(0, promote="kept"), False),
        (run(3), False),
        (run(0, train="published"), False),  # ended before it was decided of
        (run(0, train="published", promote="published"), True),
        (run(0, train="published", promote="kept"), False),
        (run(0, train="unchanged"), False),  # kept the first time: another one scores
        (run(0, train="unchanged", current="r"), True),
        (run(4, train="unchanged", current="r"), False),
    ],
)
def test_a_run_passes_where_all_is_done_and_its_model_scores_from_now_on(found, expected):
    assert passed(found) is expected


def test_a_closed_gate_and_a_model_that_is_not_current_are_told():
    assert told("clean", run(3)) == "clean of run r ended with status 3\ntwo of the gates are closed"
    assert "its own log" in told("clean", None)
    assert "models/mine/r is not current; `ringmill promote r`" in told("train", run(0, train="unchanged"))
    assert "not current" not in told("train", run(4, train="unchanged", current="r"))


def test_the_model_that_is_waited_for_is_of_the_pipelines_own_name():
    of_run = {"stages": {"features": {"outputs": {"features/clients": 3}}}}
    assert (name_of(of_run), name_of(None)) == ("clients", "customers")
