"""Questions that only Airflow's environment can answer; run by its python, the answer is the last line, as JSON."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

DAGS = Path(__file__).parents[2] / "jobs" / "dags"
sys.path.insert(0, str(DAGS))
TRY = UUID("01a201ce-267c-7759-b248-560a3fa43482")


def structure() -> Any:
    """Every DAG of the folder: its schedule, its assets, and its tasks with what surrounds them."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(DAGS))
    return {
        "errors": bag.import_errors,
        "dags": {
            dag.dag_id: {
                "schedule": type(dag.timetable).__name__,
                "catchup": dag.catchup,
                "max_active_runs": dag.max_active_runs,
                "documented": bool(dag.doc_md),
                "params": sorted(dag.params),
                "tasks": {
                    task.task_id: {
                        "then": sorted(task.downstream_task_ids),
                        "documented": bool(task.doc_md),
                        "retries": task.retries,
                        "backs_off": bool(task.retry_exponential_backoff),
                        "has_timeout": task.execution_timeout is not None,
                        "pool": task.pool,
                        "outlets": [asset.name for asset in task.outlets],
                    }
                    for task in dag.tasks
                },
            }
            for dag in bag.dags.values()
        },
    }


class Instance(SimpleNamespace):
    """As much of a task instance as a stage asks for."""

    def xcom_push(self, key: str, value: str) -> None:
        self.pushed[key] = value


def statuses() -> Any:
    """What becomes of a stage whose spark-submit ends with one status and whose ledger has another, or no row."""
    import ringmill_tasks as tasks

    answers = []
    for submitted, kept in json.loads(sys.argv[2]):
        os.environ |= {"SUBMIT_STATUS": str(submitted), "LEDGER": "" if kept is None else json.dumps(run(kept))}
        stage = tasks.Stage(stage="clean", outlets=[tasks.FEATURES])
        instance = Instance(dag_id="daily", task_id="clean", id=TRY, pushed={})
        event = SimpleNamespace(extra={})
        context = {
            "ti": instance,
            "params": params(),
            "data_interval_end": datetime(2011, 12, 3, tzinfo=UTC),
            "outlet_events": {tasks.FEATURES: event},
        }
        try:
            stage.execute(context)
            ended = "done"
        except Exception as error:
            ended = type(error).__name__
        answers.append({"ended": ended, "event": event.extra, **instance.pushed})
    return answers


def run(status: int) -> dict[str, Any]:
    stages: dict[str, Any] = {"clean": {"detail": {"error": "two of the gates are closed"}}}
    return {"run_id": "r", "exit_status": status, "stages": stages, "current": {}}


def params(**given: Any) -> dict[str, Any]:
    whole = {"conf": "shop.yaml", "raw": None, "warehouse": "w", "day": None, "horizon_days": 90, "settings": []}
    whole |= {"months": 2, "spark_properties": None}
    return whole | given


def days() -> Any:
    """The day of a run, by where it is said."""
    import ringmill_tasks as tasks

    extras = [{"day": "2011-12-05"}, {"day": "2011-12-06", "params": params(warehouse="theirs")}]
    events = {"features": [SimpleNamespace(extra=extra) for extra in extras]}
    end = datetime(2011, 7, 1, 23, tzinfo=UTC)  # midnight of British summer time
    found = [
        tasks.day_of({"params": params(day="2011-12-01"), "triggering_asset_events": events}),
        tasks.day_of({"params": params(), "triggering_asset_events": events}),
        tasks.day_of({"params": params(), "data_interval_end": end}),
        tasks.params_of({"params": params(), "triggering_asset_events": events})["warehouse"],
        tasks.params_of({"params": params(), "data_interval_end": end})["warehouse"],
    ]
    try:
        tasks.day_of({"params": params()})
    except Exception as error:
        return [*map(str, found), type(error).__name__]
    return [*map(str, found), "a day out of nowhere"]


def commands() -> Any:
    """The command lines of cleaning and of scoring on one day."""
    import ringmill_tasks as tasks

    given = params(raw="orders/", horizon_days=30, months=3, settings=["seed=1"])
    return [tasks.arguments(given, date(2012, 1, 31), of=stage) for stage in ("clean", "score")]


def asked() -> Any:
    """What the ledger is found to keep of a run, and whether it knows of a model."""
    import ringmill_tasks as tasks

    answers: list[Any] = []
    for question in (tasks.ledger_run, tasks.model_is_there):
        try:
            answers.append(question("w", "r"))
        except Exception as error:
            answers.append(type(error).__name__)
    return answers


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]]()))
