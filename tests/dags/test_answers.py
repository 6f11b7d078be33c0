"""What follows for Airflow's tasks from what the ledger says of a run; needs no Airflow."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "jobs" / "dags"))

from ringmill_answers import arguments, name_of, passed, told, too_early


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


LONDON = ZoneInfo("Europe/London")


def params(**given: Any) -> dict[str, Any]:
    return {"conf": "c", "warehouse": "w", "raw": None, "horizon_days": 90, "months": 2, "settings": [], **given}


def cleaned(first: str | None) -> dict[str, Any]:
    return {"stages": {"clean": {"outcome": "unchanged", "detail": {"first_event_at": first}}}}


@pytest.mark.parametrize(
    ("until", "first", "learns"),
    [
        (date(2010, 12, 1), "2010-12-01T08:26:00+00:00", False),  # cutoffs of August and September
        (date(2011, 4, 29), "2010-12-01T08:26:00+00:00", False),  # 30 January: cutoffs of December and January
        (date(2011, 4, 30), "2010-12-01T08:26:00+00:00", False),  # 31 January
        (date(2011, 5, 1), "2010-12-01T08:26:00+00:00", True),  # 1 February: cutoffs of January and February
        (date(2011, 4, 29), "2010-12-01T00:00:00+00:00", False),  # a cutoff sees what was before it alone
        (date(2011, 4, 29), "2010-11-30T23:59:59+00:00", True),
        (date(2011, 10, 1), "2011-05-31T22:59:59+00:00", True),  # midnight of British summer time is 23:00
        (date(2011, 10, 1), "2011-05-31T23:00:00+00:00", False),
    ],
)
def test_nothing_is_learnt_before_the_first_cutoff_lies_after_the_first_event(until, first, learns):
    why = too_early(params(), until, cleaned(first), LONDON)
    assert (why is None) is learns
    (cutoffs,) = [each for each in arguments(params(), until, of="features") if "train_cutoffs" in each]
    assert why is None or f"the first cutoff is {cutoffs.partition('[')[2][:10]}" in why


@pytest.mark.parametrize(
    "given",
    [{"horizon_days": None}, {"settings": ["features.train_cutoffs=[2010-12-02]"]}, {"settings": ["features={}"]}],
)
def test_cutoffs_that_a_person_chose_are_left_to_features(given):
    assert too_early(params(**given), date(2010, 12, 1), cleaned("2010-12-01T08:26:00+00:00"), LONDON) is None


def test_where_cleaning_found_no_event_or_left_no_row_features_says_so():
    assert too_early(params(), date(2010, 12, 1), cleaned(None), LONDON) is None
    assert too_early(params(), date(2010, 12, 1), None, LONDON) is None
