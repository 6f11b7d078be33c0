"""When features are new: a model is trained on them, and becomes current if it is not worse than the current one."""

from datetime import timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from ringmill_tasks import FEATURES, PARAMS, POOL, RETRIED, Stage, alert, gate

with DAG(
    "ringmill_train",
    description="a model of the newest features",
    doc_md="""
Started by the asset `ringmill_features`, whose event names the day; by hand, give the parameter `day`. Scoring does not
wait for it: each day is scored by the model that is current then.

Trainings share the pool `ringmill_training`: as many run at once as it has slots. `scripts/airflow set-up` makes it.
A model that is worse than the current one on the same held-out rows is kept beside it, and the run goes to the alert;
`ringmill promote RUN` makes it current all the same.
    """,
    schedule=[FEATURES],
    max_active_runs=1,
    default_args=RETRIED | {"execution_timeout": timedelta(hours=12)},
    params=PARAMS,
    tags=["ringmill"],
):
    train = Stage(
        stage="train",
        pool=POOL,
        doc_md="Trains on the pinned version of the features by Horovod's ranks. A killed training goes on from its "
        "checkpoint when it is tried again. Status 3: it is worse, and `promotion.when_worse` is `stop`.",
    )
    promoted = EmptyOperator(task_id="promoted", doc_md="The model is current: it scores from now on.")
    train >> gate("train", ["promoted"]) >> [promoted, alert("train")]
