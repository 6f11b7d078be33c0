"""The DAGs as Airflow reads them, and what becomes of a stage by the status that it ends with. No Spark is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_home import AirflowHome

pytestmark = pytest.mark.long
STAGES = {"clean", "rfm", "features", "score", "report", "train"}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    """An Airflow whose spark-submit and ringmill do nothing but end as they are told."""
    folder = tmp_path_factory.mktemp("airflow")
    tools = {
        "spark-submit": 'exit "$SUBMIT_STATUS"',
        # An answer counts, though the process be aborted after it.
        "ringmill": '[ "$LEDGER" != broken ] || exit 134; [ "$LEDGER" ] || exit 2; printf "%s\\n" "$LEDGER"; exit 134',
    }
    for name, does in tools.items():
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)
    return AirflowHome(folder, {"RINGMILL_BIN": str(folder)})


@pytest.fixture(scope="module")
def found(airflow: AirflowHome) -> Any:
    answer = airflow.ask("structure")
    assert answer["errors"] == {}
    return answer["dags"]


def test_each_stage_is_a_task_and_the_gate_goes_on_or_to_the_alert(found: Any) -> None:
    assert {name: dag["schedule"] for name, dag in found.items()} == {
        "ringmill_daily": "CronDataIntervalTimetable",
        "ringmill_train": "AssetTriggeredTimetable",
    }
    then = {name: {task: of["then"] for task, of in dag["tasks"].items()} for name, dag in found.items()}
    assert then["ringmill_daily"] == {
        "clean": ["gate"],
        "gate": ["alert", "rfm"],
        "rfm": ["history"],
        "history": ["features"],
        "features": ["model"],
        "model": ["score"],
        "score": ["report"],
        "report": [],
        "alert": [],
    }
    assert then["ringmill_train"] == {"train": ["gate"], "gate": ["alert", "promoted"], "promoted": [], "alert": []}


def test_tasks_are_documented_bounded_and_retried_with_growing_pauses(found: Any) -> None:
    tasks = {name: of for dag in found.values() for name, of in dag["tasks"].items()}
    assert tasks.keys() >= STAGES
    assert all(of["documented"] and of["has_timeout"] for of in tasks.values())
    assert all(tasks[name]["retries"] == 3 and tasks[name]["backs_off"] for name in STAGES)
    assert tasks["alert"]["retries"] == 0
    assert {name for name, of in tasks.items() if of["pool"] == "ringmill_training"} == {"train"}
    assert {name: of["outlets"] for name, of in tasks.items() if of["outlets"]} == {
        "features": ["ringmill_features"],
        "score": ["ringmill_scores"],
    }
    for dag in found.values():
        assert dag["documented"] and dag["max_active_runs"] == 1
        assert {"conf", "raw", "warehouse", "day", "horizon_days", "months", "settings", "spark_properties"} <= {
            *dag["params"]
        }


def test_catching_up_begins_where_a_first_day_is_named(airflow: AirflowHome, found: Any) -> None:
    named = AirflowHome(airflow.folder, {**airflow.more, "RINGMILL_FIRST_DAY": "2011-12-05"})
    assert not found["ringmill_daily"]["catchup"]
    assert named.ask("structure")["dags"]["ringmill_daily"]["catchup"]


def test_statuses_2_3_and_5_are_never_retried_and_4_and_what_was_killed_are(airflow: AirflowHome) -> None:
    expected = {
        (0, 0): "done",
        (1, 1): "AirflowException",
        (1, 3): "AirflowFailException",  # cluster mode: spark-submit does not say what the driver ended with
        (2, None): "AirflowFailException",  # a configuration that cannot be read has no row
        (2, 2): "AirflowFailException",
        (3, 3): "AirflowFailException",
        (4, 4): "AirflowException",
        (5, 5): "AirflowFailException",
        (137, None): "AirflowException",
    }
    answers = airflow.ask("statuses", json.dumps(list(expected)))
    assert {case: answer["ended"] for case, answer in zip(expected, answers, strict=True)} == expected
    assert {answer["run"]["run_id"] for answer in answers} == {"daily-clean-560a3fa43482"}
    event = answers[0]["event"]
    assert (event["day"], event["run_id"]) == ("2011-12-02", "daily-clean-560a3fa43482")
    assert event["params"]["conf"] == "shop.yaml"
    assert all(answer["event"] == {} for answer in answers[1:])


def test_a_ledger_that_cannot_be_asked_says_nothing_of_a_run(airflow: AirflowHome) -> None:
    known = AirflowHome(airflow.folder, airflow.more | {"LEDGER": '{"exit_status": 3}'})
    assert known.ask("asked") == [{"exit_status": 3}, True]
    unknown = AirflowHome(airflow.folder, airflow.more | {"LEDGER": ""})
    assert unknown.ask("asked") == [None, False]
    broken = AirflowHome(airflow.folder, airflow.more | {"LEDGER": "broken"})
    assert broken.ask("asked") == ["AirflowException", "AirflowException"]


def test_a_missing_connection_fails_at_once_instead_of_submitting_to_yarn(airflow: AirflowHome) -> None:
    without = AirflowHome(airflow.folder / "without", {**airflow.more, "AIRFLOW_CONN_RINGMILL_SPARK": ""})
    assert without("db", "migrate").returncode == 0
    assert [answer["ended"] for answer in without.ask("statuses", "[[0, 0]]")] == ["AirflowFailException"]


def test_the_day_is_the_parameters_the_newest_assets_or_the_intervals_in_the_shops_zone(airflow: AirflowHome) -> None:
    assert airflow.ask("days") == [
        *("2011-12-01", "2011-12-06", "2011-07-01"),
        *("theirs", "w"),
        "AirflowFailException",
    ]


def test_a_day_is_batch_and_cutoff_and_cleaning_knows_of_no_cutoff(airflow: AirflowHome) -> None:
    clean, score = airflow.ask("commands")
    raw = ["--set", "raw.batches=files", "--set", "raw.up_to=2012-01-31"]
    begin = ["shop.yaml", "--warehouse", "w", "--raw", "orders/"]
    assert clean == [*begin, *raw, "--set", "seed=1"]
    cutoffs = ["rfm.cutoff=2012-02-01", "score.cutoff=2012-02-01"]
    # 30 days before is 2 January: the first of its month and of the two before.
    learnt = ["features.horizon_days=30", "features.train_cutoffs=[2011-11-01, 2011-12-01, 2012-01-01]"]
    assert score == [*begin, *raw, *(part for each in (*cutoffs, *learnt, "seed=1") for part in ("--set", each))]


def test_the_check_names_a_missing_pool_and_set_up_makes_it(airflow: AirflowHome, tmp_path: Path) -> None:
    own = AirflowHome(tmp_path / "home", airflow.more)
    before = own("check")
    assert (before.returncode, "The pool ringmill_training is missing" in before.stderr) == (2, True)
    done = own("set-up")
    assert done.returncode == 0, done.stderr
    after = own("check")
    assert (after.returncode, after.stderr) == (0, "")
