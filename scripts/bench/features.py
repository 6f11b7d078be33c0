"""What a feature set costs: fitting it, and applying it beside a bare read and write of the same columns.

A generated table of eight numbers (two with nulls) and two categories (30 and 2,000 values), four fifths of it train
rows. Each round times, one after the other: `bare`, a Spark job that reads the encoded table and writes it again, x
included; `fit`, all statistics of the set; `apply`, the same input read, encoded through `mapInArrow`, and written.
Samples are ratios within a round. Beside them scikit-learn does the same steps on one machine, read and write included.

What came to the driver while fitting is counted from Spark's own metrics (bytes of task results), from the table as it
lies, of which Spark makes more tasks the longer it is, and read in `PARTS` tasks at every size, so that rows alone are
more. The peak memory of the driver's Python process is read, and what its JVM still holds, collected, once a fit has
ended: none may grow with rows. The JVM's heap is the same for both sizes (`spark.driver.memory`, the default), and
holds the tasks' data too.
"""

from __future__ import annotations

import gc
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from common import arguments, claim, seconds, write
from pydantic import TypeAdapter

from ringmill.config.features import FeatureEntry
from ringmill.config.models import SparkSection
from ringmill.features.apply import encoder
from ringmill.features.fit import field_of, fit
from ringmill.features.state import State
from ringmill.lake.session import open_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SIZES, QUICK = (1_000_000, 10_000_000), (100_000, 200_000)
IN_MEMORY = 2_000_000
PARTS = 2
GOAL_APPLY, GOAL_FIT, GOAL_DRIVER = 2.0, 2.0, 1.1
NUMBERS = tuple(f"number_{place}" for place in range(8))
WITH_NULLS = NUMBERS[6:]
SET = TypeAdapter(tuple[FeatureEntry, ...]).validate_python(
    [
        {"kind": "zscore", "columns": NUMBERS[:3], "log1p": True, "name": "{column} scaled"},
        {"kind": "robust", "columns": NUMBERS[3:5], "name": "{column} robust"},
        {"kind": "quantile_bins", "columns": NUMBERS[5:6], "bins": 20, "name": "{column} bin"},
        {"kind": "zscore", "columns": WITH_NULLS, "null": 0, "name": "{column} scaled"},
        {"kind": "missing", "columns": WITH_NULLS},
        {"kind": "one_hot", "columns": ["few"], "most": 20},
        {"kind": "target", "columns": ["many"], "label": "label"},
    ]
)


def write_table(spark: SparkSession, folder: str, rows: int) -> str:
    """The input: exponential numbers of four digits, categories, a label that goes with one of them, split and fold."""
    from pyspark.sql import functions as F

    def draw(seed: int) -> Any:
        return (F.abs(F.xxhash64("id", F.lit(seed))) % 1_000_000 + 1) / 1_000_001

    numbers = {name: F.round(-F.log(draw(place)) * 10**place, 4) for place, name in enumerate(NUMBERS)}
    for name in WITH_NULLS:
        numbers[name] = F.when(draw(20) > 0.1, numbers[name])
    many = F.floor(draw(31) * draw(32) * 2_000)
    frame = spark.range(rows).select(
        F.col("id").alias("row_id"),
        *(value.alias(name) for name, value in numbers.items()),
        F.concat(F.lit("few "), F.floor(draw(30) * draw(33) * 30)).alias("few"),
        F.concat(F.lit("many "), many).alias("many"),
        (draw(34) * 2_000 < many).cast("double").alias("label"),
        F.when(F.col("id") % 5 < 4, "train").otherwise("test").alias("split"),
        F.when(F.col("id") % 5 < 4, (F.abs(F.xxhash64("id", F.lit(40))) % 5).cast("int")).alias("fold"),
    )
    path = f"{folder}/rows-{rows}"
    frame.write.format("delta").save(path)
    return path


def fitted(table: DataFrame) -> State:
    return fit(table.where("split = 'train'"), SET, columns=(*NUMBERS, "few", "many"))


def encoded(table: DataFrame, state: State, path: str) -> None:
    """The table with x and the tensors beside it, written."""
    from pyspark.sql.types import ArrayType, FloatType, StructField, StructType

    x = StructField("x", ArrayType(FloatType(), containsNull=False), nullable=False)
    schema = StructType([*table.schema.fields, x, *(field_of(made) for made in state.beside)])
    table.mapInArrow(encoder(state, fold="fold"), schema).write.format("delta").mode("overwrite").save(path)


def received(spark: SparkSession, work: Callable[[], Any]) -> dict[str, int]:
    """Bytes of task results that the driver received while `work` ran, and from how many tasks."""
    context = spark.sparkContext
    group = f"received {time.monotonic_ns()}"
    context.setJobGroup(group, "what the driver receives")
    work()
    context._jsc.clearJobGroup()
    context._jsc.sc().listenerBus().waitUntilEmpty()
    tracker, store = context.statusTracker(), context._jsc.sc().statusStore()
    jobs = (tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group))
    ran = {stage for job in jobs if job for stage in job.stageIds if tracker.getStageInfo(stage)}
    stages = [store.lastStageAttempt(stage) for stage in ran]
    return {
        "bytes": sum(int(stage.resultSize()) for stage in stages),
        "tasks": sum(int(stage.numCompleteTasks()) for stage in stages),
    }


def held(spark: SparkSession) -> int:
    """Bytes of the JVM's heap that are in use once both collectors have been."""
    gc.collect()
    jvm = spark.sparkContext._jvm
    jvm.java.lang.System.gc()
    runtime = jvm.java.lang.Runtime.getRuntime()
    return int(runtime.totalMemory() - runtime.freeMemory())


def scikit_learn(path: str, folder: str) -> dict[str, Any]:
    """The same steps in memory, on one core."""
    import sklearn
    from deltalake import DeltaTable
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import MissingIndicator, SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import (
        FunctionTransformer,
        KBinsDiscretizer,
        OneHotEncoder,
        RobustScaler,
        StandardScaler,
        TargetEncoder,
    )

    steps = ColumnTransformer(
        [
            ("scaled", make_pipeline(FunctionTransformer(_log1p), StandardScaler()), list(NUMBERS[:3])),
            ("robust", RobustScaler(), list(NUMBERS[3:5])),
            ("bins", KBinsDiscretizer(20, encode="ordinal", quantile_method="linear", subsample=None), [NUMBERS[5]]),
            ("filled", make_pipeline(StandardScaler(), SimpleImputer()), list(WITH_NULLS)),
            ("missing", MissingIndicator(features="all"), list(WITH_NULLS)),
            (
                "few",
                OneHotEncoder(max_categories=21, handle_unknown="infrequent_if_exist", sparse_output=False),
                ["few"],
            ),
            ("many", TargetEncoder(cv=5, smooth=10.0), ["many"]),
        ]
    )

    def work() -> None:
        rows = DeltaTable(path).to_pandas()
        train = rows["split"] == "train"
        x = steps.fit_transform(rows[train], rows.loc[train, "label"])
        for place in range(x.shape[1]):
            rows.loc[train, f"x {place}"] = x[:, place]
        rows.to_parquet(f"{folder}/scikit-learn.parquet")

    found = {"version": sklearn.__version__, "seconds": [seconds(work) for _ in range(3)]}
    return found | {"does_not": "encodes the train rows only; no Delta commit; all rows in memory; one machine"}


def _log1p(values: Any) -> Any:
    import numpy as np

    return np.log1p(values)


def at(spark: SparkSession, folder: str, rows: int, rounds: int) -> dict[str, Any]:
    """All samples of one size, in seconds, and what `driver_of` says."""
    table = spark.read.format("delta").load(write_table(spark, folder, rows))
    state, out, again = fitted(table), f"{folder}/encoded-{rows}", f"{folder}/again-{rows}"
    encoded(table, state, out)

    def bare() -> None:
        spark.read.format("delta").load(out).write.format("delta").mode("overwrite").save(again)

    bare()  # the JVM compiles its plans
    works = {"bare": bare, "fit": lambda: fitted(table), "apply": lambda: encoded(table, state, out)}
    samples = [{name: seconds(work) for name, work in works.items()} for _ in range(rounds)]
    return {"rows": rows, "rounds": samples, "driver": driver_of(spark, table)}


def driver_of(spark: SparkSession, table: DataFrame) -> dict[str, Any]:
    """What the driver received while fitting, and its memory."""
    came = received(spark, lambda: fitted(table))
    in_parts = received(spark, lambda: fitted(table.coalesce(PARTS)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"as it lies": came, "in parts": in_parts, "peak": peak, "heap": held(spark)}


def claims_of(found: dict[str, Any], peer: Any) -> list[dict[str, Any]]:
    rounds: Sequence[dict[str, float]] = found["rounds"]
    parts = {name: median(one[name] for one in rounds) for name in rounds[0]}
    size = f"{found['rows'] / 1e6:g}m"
    peers = {"bare read and write, seconds": parts["bare"], "scikit-learn": peer}
    more = {"rows": found["rows"], "seconds": parts, "better": "lower", "unit": "× bare", "peers": peers}
    return [
        claim(f"apply_over_bare_{size}", [one["apply"] / one["bare"] for one in rounds], goal=GOAL_APPLY, **more),
        claim(f"fit_over_bare_{size}", [one["fit"] / one["bare"] for one in rounds], goal=GOAL_FIT, **more),
    ]


def driver(found: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The driver's memory and what it received while fitting: the largest size by the smallest."""
    figures: dict[str, Callable[[dict[str, Any]], float]] = {
        "driver_peak_of_python": lambda of: of["peak"],
        "driver_heap_of_jvm": lambda of: of["heap"],
        "driver_bytes_while_fitting": lambda of: of["as it lies"]["bytes"],
        "driver_bytes_per_task_while_fitting": lambda of: of["as it lies"]["bytes"] / of["as it lies"]["tasks"],
        "driver_bytes_while_fitting_in_as_many_tasks": lambda of: of["in parts"]["bytes"],
    }
    peers = {
        f"{of['rows']:,} rows": {
            "peak bytes of Python": of["driver"]["peak"],
            "bytes of the JVM's heap, collected": of["driver"]["heap"],
            "results of tasks as the table lies": of["driver"]["as it lies"],
            f"results of tasks in {PARTS} parts": of["driver"]["in parts"],
        }
        for of in found
    }
    for name, figure in figures.items():
        grown = [figure(found[-1]["driver"]) / figure(found[0]["driver"])]
        yield claim(name, grown, unit="×", goal=GOAL_DRIVER, better="lower", peers=peers)


def main() -> None:
    parser = arguments("features", __doc__ or "")
    parser.add_argument("--sizes", type=int, nargs="+", help="rows of the table")
    parser.add_argument("--rounds", type=int, help="default 5, with --quick 1")
    parser.add_argument("--driver", action="store_true", help="nothing is timed: what comes to the driver alone")
    options = parser.parse_args()
    rounds = options.rounds or (1 if options.quick else 5)
    with tempfile.TemporaryDirectory() as folder:
        # Sizes in turn under one session: what the driver received is counted from its stages.
        settings = {"spark.ui.retainedStages": "100000", "spark.sql.warehouse.dir": f"{folder}/warehouse"}
        spark = open_session(SparkSection(settings=settings), name="bench", log=Path(folder) / "spark.log")
        try:
            sizes = sorted(options.sizes or (QUICK if options.quick else SIZES))
            if options.driver:
                tables = ((rows, spark.read.format("delta").load(write_table(spark, folder, rows))) for rows in sizes)
                found = [{"rows": rows, "driver": driver_of(spark, table)} for rows, table in tables]
            else:
                found = [at(spark, folder, rows, rounds) for rows in sizes]
        finally:
            spark.stop()
        if options.driver:
            write(options.out, list(driver(found)))
            return
        # Last, because it holds all rows in this process.
        peers = [
            scikit_learn(f"{folder}/rows-{rows}", folder) if rows <= IN_MEMORY else f"not run above {IN_MEMORY:,} rows"
            for rows in sizes
        ]
    claims = [one for of, peer in zip(found, peers, strict=True) for one in claims_of(of, peer)]
    write(options.out, [*claims, *driver(found)])


if __name__ == "__main__":
    main()
