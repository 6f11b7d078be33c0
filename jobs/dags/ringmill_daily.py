"""Every day: the day's file is cleaned, customers are measured, features made, everyone is scored, the page drawn."""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable
from ringmill_tasks import FEATURES, PARAMS, RETRIED, SCORES, ZONE, Stage, alert, day, gate, history, model

FIRST, LAST = day("RINGMILL_FIRST_DAY"), day("RINGMILL_LAST_DAY")

with DAG(
    "ringmill_daily",
    description="the day's orders: clean, rfm, features, score, report",
    doc_md="""
One run a day, and safe to run twice: a stage whose inputs, configuration and code have not changed commits nothing.
The data interval is batch and cutoff: files whose names hold its day or an earlier one are taken, and customers are
measured and scored as of the midnight that ends it. `scores/customers` holds the day that was scored last: after an
older day was done again, do the newest again.

In the first months there is nothing to learn from: until the first of `months` lies after the first order, a day ends
with RFM, and its task `history` says why.

**Backfill**: `airflow backfill create --dag-id ringmill_daily --max-active-runs 1 --from-date … --to-date …`, with
`--reprocess-behavior completed` for days that are done. A backfill has its own bound of runs at once, which is 10: two
days would clean at once, and one of them lose the race. **One day by hand**: trigger it with the parameter `day`.

**Downstream**: what begins with `ringmill_features` or `ringmill_scores` starts when they are new; the event's `extra`
names the day and the run:
`schedule=[Asset(name="ringmill_scores", uri="ringmill://scores")]`.

A status of 2 (bad input), 3 (a gate closed) or 5 (another run was faster) is never tried again; 4 is, and a lost
machine.
    """,
    # Days begin and end in the shop's zone; a plain cron string would be an instant without an interval.
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone=ZONE),
    start_date=FIRST or datetime(2000, 1, 1, tzinfo=UTC),
    end_date=LAST,
    catchup=FIRST is not None,
    max_active_runs=1,  # a day builds on the day before
    max_active_tasks=1,  # each stage has a Spark session of its own, which takes what it is given
    default_args=RETRIED | {"execution_timeout": timedelta(hours=2)},
    params=PARAMS,
    tags=["ringmill"],
):
    clean = Stage(
        stage="clean",
        doc_md="Takes the day's file into `clean/rows`: each line has one status and all its reasons. Status 3: one of "
        "`clean.gates` is broken, or lines were lost; the tables stay as they were.",
    )
    rfm = Stage(stage="rfm", doc_md="Recency, frequency and monetary value of every customer at the day's end.")
    features = Stage(
        stage="features",
        outlets=[FEATURES],
        doc_md="Measures of every customer on the first of the last `months` that lie `horizon_days` back, labelled "
        "with what was bought in the `horizon_days` since. When they are done, `ringmill_train` starts.",
    )
    score = Stage(
        stage="score",
        outlets=[SCORES],
        doc_md="Everyone's probability to buy and expected spend at the day's end, by the model that is current.",
    )
    report = Stage(stage="report", doc_md="One HTML page about the published tables, under `reports/`.")
    has_model = model()
    clean >> gate("clean", ["rfm"]) >> [rfm, alert("clean")]
    # Features may read rfm/customers (features.snapshots); side by side the two would not run anyway.
    rfm >> history() >> features >> has_model >> score
    score >> report
