"""What Ringmill's DAGs are made of: a stage by spark-submit, its run in the ledger, the gates' branches and the alert.

Runs in Airflow's environment, which has neither Ringmill nor pyspark: a stage is submitted, and the ledger is asked by
`ringmill show` in Ringmill's own. Where that is, and what the parameters are by default, stands in the environment:

RINGMILL_BIN        the folder of spark-submit and ringmill; default: .venv/bin of this checkout
RINGMILL_CONF, RINGMILL_RAW, RINGMILL_WAREHOUSE, RINGMILL_SPARK_PROPERTIES    defaults of the parameters
RINGMILL_ZONE       the time zone in which days begin and end, that of the pipeline's YAML; default: Europe/London
RINGMILL_FIRST_DAY  catch up from this day on; default: no catching up
RINGMILL_LAST_DAY   the last day to do; default: none
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psutil
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import Asset, BaseHook, Param, TriggerRule, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowNotFoundException
from ringmill_answers import arguments, name_of, passed, told, too_early

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("RINGMILL_BIN", ROOT / ".venv" / "bin"))
ZONE = os.environ.get("RINGMILL_ZONE", "Europe/London")
CONNECTION, POOL = "ringmill_spark", "ringmill_training"
FEATURES = Asset(name="ringmill_features", uri="ringmill://features")
SCORES = Asset(name="ringmill_scores", uri="ringmill://scores")
# Bad input, a closed gate and a lost race are the same the next time; a lost rank or a lost machine is not.
NEVER_RETRIED = (2, 3, 5)
UNKNOWN = 2  # what ringmill says to a run or a model that it knows nothing of
SECONDS_TO_END = 60

RETRIED = {
    "retries": 3,
    "retry_delay": timedelta(minutes=2),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=30),
}
PARAMS = {
    "conf": Param(
        os.environ.get("RINGMILL_CONF", str(ROOT / "conf" / "online_retail.yaml")),
        type="string",
        description="the pipeline's YAML",
    ),
    "raw": Param(
        os.environ.get("RINGMILL_RAW"),
        type=["null", "string"],
        description="the folder or glob with a file a day, a date in each name; empty: raw.path of the YAML",
    ),
    "warehouse": Param(
        os.environ.get("RINGMILL_WAREHOUSE", str(ROOT / "warehouse" / "online_retail")),
        type="string",
        description="where the tables are",
    ),
    "day": Param(
        None,
        type=["null", "string"],
        format="date",
        description="the last day to take; empty: that of the run's data interval, or of the assets that started it",
    ),
    "horizon_days": Param(
        90,
        type=["null", "integer"],
        minimum=1,
        description="learn what is bought in so many days; empty: features.train_cutoffs of the YAML stay as they are",
    ),
    "months": Param(
        2,
        type="integer",
        minimum=1,
        description="learn from customers as they were on the first of so many months, the last that lie horizon_days "
        "back. A new model is compared with the current one on customers that both held out: with 2 months or more "
        "they always have a month in common, with 1 they have none when it changes",
    ),
    "settings": Param([], type="array", description="section.key=value, laid over the YAML as by --set"),
    "spark_properties": Param(
        os.environ.get("RINGMILL_SPARK_PROPERTIES", str(ROOT / "conf" / "spark" / "local.conf")),
        type=["null", "string"],
        description="a file of Spark's settings for spark-submit, of conf/spark/; empty: spark-submit's own",
    ),
}


def day(name: str) -> datetime | None:
    """The first instant of the day that an environment variable names; None where it is not set."""
    found = os.environ.get(name)
    return datetime.combine(date.fromisoformat(found), datetime.min.time(), ZoneInfo(ZONE)) if found else None


class Stage(SparkSubmitOperator):
    """One stage of the pipeline, by `spark-submit jobs/<stage>.py`; its task has the stage's name.

    Where the run is found in the ledger is pushed as XCom `run` before it begins. A status that would be the same the
    next time fails the task at once; any other is retried. Whoever is started by the stage's asset goes on with the
    same day and parameters, which stand in the event.
    """

    def __init__(self, *, stage: str, **settings: Any) -> None:
        super().__init__(
            **{
                "task_id": stage,
                "name": f"ringmill_{stage}",
                "application": str(ROOT / "jobs" / f"{stage}.py"),
                "conn_id": CONNECTION,
                "spark_binary": str(BIN / "spark-submit"),
                "env_vars": {"PYSPARK_PYTHON": str(BIN / "python"), "PYSPARK_DRIVER_PYTHON": str(BIN / "python")},
                **settings,
            }
        )
        self.stage = stage

    def execute(self, context: Any) -> None:
        try:
            BaseHook.get_connection(CONNECTION)
        except AirflowNotFoundException as error:
            # The hook would submit to YARN instead, and say nothing.
            raise AirflowFailException(f"The connection {CONNECTION} is missing: see scripts/airflow check") from error
        params, until = params_of(context), day_of(context)
        run_id = run_id_of(context)
        context["ti"].xcom_push("run", {"run_id": run_id, "warehouse": params["warehouse"]})
        self.properties_file = params["spark_properties"]
        self.application_args = [*arguments(params, until, of=self.stage), "--run-id", run_id]
        try:
            super().execute(context)
        except (AirflowException, RuntimeError) as error:
            status = self._status(params["warehouse"], run_id)
            if status in NEVER_RETRIED:
                raise AirflowFailException(f"{self.stage} ended with status {status}: not tried again") from error
            raise
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {"day": str(until), "run_id": run_id, "params": params}

    def _status(self, warehouse: str, run_id: str) -> int | None:
        """What the ledger says, which knows it in every deploy mode; else what spark-submit ended with."""
        run = ledger_run(warehouse, run_id)
        if run is not None and run["exit_status"]:
            return int(run["exit_status"])
        process = getattr(self._hook, "_submit_sp", None)
        return process.returncode if process is not None else None

    def on_kill(self) -> None:
        """End the driver first, in order: it ends its ranks and gives its lock back. Then whatever is left."""
        process = getattr(self._hook, "_submit_sp", None)
        if process is not None and process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                for driver in psutil.Process(process.pid).children():
                    driver.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS_TO_END)
        super().on_kill()


def run_id_of(context: Mapping[str, Any]) -> str:
    """A name that no other try has: Airflow gives every try of a task an id of its own."""
    instance = context["ti"]
    return f"{instance.dag_id}-{instance.task_id}-{str(instance.id).replace('-', '')[-12:]}"


def started_by(context: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the newest of the assets that started a run says of its day; None where none did."""
    events = [event for each in (context.get("triggering_asset_events") or {}).values() for event in each]
    told = [event.extra for event in events if "day" in (event.extra or {})]
    return max(told, key=lambda extra: extra["day"], default=None)


def params_of(context: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of the run that made the assets, where assets started this one; else its own."""
    event = started_by(context)
    return dict(event["params"] if event and "params" in event else context["params"])


def day_of(context: Mapping[str, Any]) -> date:
    """The last day that a run takes: the parameter, that of the assets that started it, or its data interval's."""
    if chosen := context["params"].get("day"):
        return date.fromisoformat(chosen)
    if event := started_by(context):
        return date.fromisoformat(event["day"])
    if (end := context.get("data_interval_end")) is None:
        raise AirflowFailException("A run without a data interval needs the parameter 'day'")
    return end.astimezone(ZoneInfo(ZONE)).date() - timedelta(days=1)


def ledger_run(warehouse: str, run_id: str) -> dict[str, Any] | None:
    """What the ledger keeps of a run; None where it knows of none, so that it ended before it began.

    Raises:
        AirflowException: the ledger cannot be asked now, which says nothing of the run.
    """
    command = [BIN / "ringmill", "show", run_id, "--warehouse", warehouse, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    # The answer counts, however the process ends after it: threads of its libraries may abort it then.
    if done.stdout.endswith("\n"):
        return json.loads(done.stdout.splitlines()[-1])
    if done.returncode != UNKNOWN:
        raise AirflowException(f"'ringmill show' ended with status {done.returncode}: {done.stderr[-2000:]}")
    return None


def model_is_there(warehouse: str, name: str) -> bool:
    """Whether a model of that name was ever trained."""
    command = [BIN / "ringmill", "lineage", f"models/{name}", "--warehouse", warehouse]
    done = subprocess.run(command, capture_output=True, text=True)
    if not done.stdout and done.returncode != UNKNOWN:
        raise AirflowException(f"'ringmill lineage' ended with status {done.returncode}: {done.stderr[-2000:]}")
    return bool(done.stdout)


@task.branch(trigger_rule=TriggerRule.ALL_DONE)
def gate(stage: str, further: list[str], ti: Any = None) -> list[str]:
    """The tasks `further` where the stage's gate let it through, as the ledger has it; else the alert."""
    run = run_of(stage, ti)
    return further if run is not None and passed(run) else ["alert"]


@task(retries=0)
def alert(stage: str, ti: Any = None) -> None:
    """Say what the gate found and fail, so that the run is red: what notifies people is hung on this task's failure."""
    raise AirflowFailException(told(stage, run_of(stage, ti)))


def run_of(stage: str, ti: Any) -> dict[str, Any] | None:
    """What the ledger keeps of the last try of a stage of this DAG run."""
    found = ti.xcom_pull(task_ids=stage, key="run")
    return ledger_run(**found) if found else None


@task.short_circuit
def history(**context: Any) -> bool:
    """Whether there is a past to learn from: in the first months after the first order features would end with 2."""
    why = too_early(context["params"], day_of(context), run_of("clean", context["ti"]), ZoneInfo(ZONE))
    print(why or "the first cutoff lies after the first event")
    return why is None


@task.short_circuit
def model(params: Any = None, ti: Any = None) -> bool:
    """Whether there is a model to score with: on the first day there is none before the training has ended."""
    return model_is_there(params["warehouse"], name_of(run_of("features", ti)))
