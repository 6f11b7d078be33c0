"""What RFM costs: beside a bare aggregate, twelve snapshots beside one, and the fits of lifetime value.

`rfm_over_bare_aggregate`: all columns of rfm/customers but scores, for one cutoff, by the time of a plain Spark
`groupBy("customer_id").agg(...)` over the same generated lines that gives first and last order, count(distinct order),
spend, cancelled spend and country. Neither has links from cancellations to orders, so that orders and days net of
them are null, and neither converts currencies. Both read the same Parquet files and write nowhere. Beside them, on
sizes that fit in memory, the same plain aggregate in polars and DuckDB, and lifetimes' summary of the lines by pandas.
`twelve_snapshots_over_one`: twelve month ends in one pass, by the time of one cutoff; `twelve_published_over_one`: with
thresholds fitted on the last of them, scores, segments and the commit of a Delta table, as the stage does it.
`disk`: the most that input, spills and tables took together, looked at twice a second.
`bgnbd_fit_seconds`: one million customers drawn from a BG/NBD, from their table in Spark to parameters with errors;
Gamma-Gamma and the prediction of every customer's columns are timed beside it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import arguments, claim, seconds, write
from rfm_peers import IN_MEMORY, beside, environment

from ringmill.config.models import SparkSection
from ringmill.config.rfm import SEGMENTS, Lifetime, Scores
from ringmill.lake.session import open_session
from ringmill.lifetime.fit import fit_models, fit_purchases
from ringmill.rfm.customers import summarise_customers
from ringmill.rfm.lifetime import summarise_lifetime
from ringmill.rfm.scores import thresholds_of, with_scores, with_segment

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ROUNDS = 5
LINES_PER_ORDER, ORDERS_PER_CUSTOMER = 20, 10
CUTOFF = date(2025, 1, 1)
Peers = Callable[[str, int], dict[str, Any]]
TWELVE = [date(2024, month, 1) for month in range(2, 13)] + [CUTOFF]


def write_lines(spark: SparkSession, folder: str, lines: int) -> str:
    """Lines of clean/rows of a year and a half: one in fifty cancels, one in a hundred became known two days late."""
    from pyspark.sql import functions as F

    order = F.floor(F.col("id") / LINES_PER_ORDER)
    draw = F.abs(F.xxhash64(order, F.lit(7)))
    line_draw = F.abs(F.xxhash64("id", F.lit(9)))
    customers = max(1, lines // (LINES_PER_ORDER * ORDERS_PER_CUSTOMER))
    cancels = draw % 50 == 0
    at = F.timestamp_seconds(F.lit(1_688_169_600) + draw % (549 * 86_400))
    late = F.when(draw % 100 == 1, F.expr("INTERVAL 2 DAYS")).otherwise(F.expr("INTERVAL 0 DAYS"))
    frame = spark.range(lines).select(
        F.concat(F.lit("customer-"), F.abs(F.xxhash64(order)) % customers).alias("customer_id"),
        F.concat(F.when(cancels, F.lit("C")).otherwise(F.lit("")), order).alias("order_id"),
        F.concat(F.lit("P"), line_draw % 4_000).alias("product_id"),
        F.element_at(F.array(*map(F.lit, ("France", "Spain", "Germany"))), (draw % 3 + 1).cast("int")).alias("country"),
        (F.when(cancels, -1).otherwise(1) * (1 + line_draw % 12)).cast("bigint").alias("quantity"),
        ((1 + line_draw % 1_999) / 100).alias("unit_price"),
        at.alias("ordered_at"),
        (at + late).alias("known_at"),
        F.lit(None).cast("timestamp").alias("superseded_at"),
        cancels.alias("is_cancellation"),
        F.lit("clean").alias("status"),
    )
    path = f"{folder}/lines-{lines}"
    frame.withColumn("line_total", F.round(F.col("quantity") * F.col("unit_price"), 4)).write.parquet(path)
    return path


def bare(rows: DataFrame) -> DataFrame:
    """The peer: no cutoff, no known time, no net columns, no gaps, no periods."""
    from pyspark.sql import functions as F

    sale = F.expr("NOT is_cancellation AND quantity > 0 AND unit_price > 0")
    return rows.groupBy("customer_id").agg(
        F.min(F.when(sale, F.col("ordered_at"))),
        F.max(F.when(sale, F.col("ordered_at"))),
        F.count_distinct(F.when(sale, F.col("order_id"))),
        F.sum(F.when(sale, F.col("line_total"))),
        F.sum(F.when(F.col("is_cancellation"), F.col("line_total"))),
        F.max(F.when(sale, F.struct("ordered_at", "country"))).getField("country"),
    )


def spent(build: Callable[[], DataFrame]) -> float:
    """Seconds of building a frame and computing all of it."""
    return seconds(lambda: build().write.format("noop").mode("overwrite").save())


def published(rows: DataFrame, cutoffs: list[date], path: str) -> float:
    """Seconds of what the stage does with customers before clusters and lifetime value, and of its commit."""
    from pyspark.sql import functions as F

    def work() -> None:
        customers = summarise_customers(rows, cutoffs, zone="Europe/London").persist()
        thresholds = thresholds_of(customers.where(F.col("cutoff") == F.lit(CUTOFF)), Scores(), None)
        scored = customers.transform(with_scores, thresholds).transform(with_segment, SEGMENTS)
        scored.write.format("delta").mode("overwrite").save(path)
        customers.unpersist()

    return seconds(work)


@contextmanager
def watched(folder: str) -> Iterator[dict[str, int]]:
    """`peak`: the most bytes that the folder's files took together, while the context lasts."""
    found, done = {"peak": 0}, threading.Event()

    def size() -> int:
        total = 0
        for at, _, names in os.walk(folder):
            for name in names:
                with suppress(FileNotFoundError):
                    total += os.lstat(f"{at}/{name}").st_size
        return total

    def watch() -> None:
        while not done.wait(0.5):
            found["peak"] = max(found["peak"], size())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()


def over_bare(spark: SparkSession, folder: str, lines: int, turns: int, peers: Peers) -> dict[str, Any]:
    """All samples of one size, in seconds, and the peers'."""
    path = write_lines(spark, folder, lines)
    rows = spark.read.parquet(path)
    works: dict[str, Callable[[], DataFrame]] = {
        "bare": lambda: bare(rows),
        "one": lambda: summarise_customers(rows, [CUTOFF], zone="Europe/London"),
        "twelve": lambda: summarise_customers(rows, TWELVE, zone="Europe/London"),
    }
    asked = {"one published": [CUTOFF], "twelve published": TWELVE}

    def once() -> dict[str, float]:
        found = {name: spent(work) for name, work in works.items()}
        return found | {name: published(rows, cutoffs, f"{folder}/{name}") for name, cutoffs in asked.items()}

    if lines <= IN_MEMORY:
        once()  # the JVM compiles its plans; for more lines it has done so
    with watched(folder) as disk:
        rounds = [once() for _ in range(turns)]
    return {"lines": lines, "rounds": rounds, "peers": peers(path, lines), "disk": disk["peak"]}


def write_histories(folder: str, customers: int) -> str:
    """Customers drawn from a BG/NBD (r 0.24, α 31 days, a 0.79, b 2.43) and a Gamma-Gamma (6.25, 3.74, 15.4)."""
    draw = np.random.Generator(np.random.Philox(20_261))
    rate = draw.gamma(0.24, 1 / 31.0, customers)
    leaves = draw.beta(0.79, 2.43, customers)
    age = draw.integers(1, 731, customers)
    frequency, recency = np.zeros(customers, np.int32), np.zeros(customers)
    going, clock = np.arange(customers), np.zeros(customers)
    while len(going):
        clock[going] += draw.exponential(1 / np.maximum(rate[going], 1e-12))
        going = going[clock[going] <= age[going]]
        frequency[going] += 1
        recency[going] = clock[going]
        going = going[draw.random(len(going)) >= leaves[going]]
    scale = draw.gamma(3.74, 1 / 15.4, customers)
    again = frequency > 0
    mean = np.where(again, draw.gamma(6.25 * np.maximum(frequency, 1)) / (scale * np.maximum(frequency, 1)), np.nan)
    table = pa.table(
        {
            "customer_id": [f"c{number}" for number in range(customers)],
            "cutoff": pa.array([CUTOFF] * customers),
            "repeat_period_count": frequency,
            # a purchase lies in a whole day, and no two of a customer in one: at least a day apart from the first
            "recency_age_periods": np.maximum(np.floor(recency), again).astype(np.int32),
            "age_periods": age.astype(np.int32),
            "repeat_value_mean": pa.array(np.round(mean, 4), from_pandas=True),
        }
    )
    path = f"{folder}/histories.parquet"
    pq.write_table(table, path, row_group_size=100_000)
    return path


def fits(spark: SparkSession, folder: str, customers: int) -> dict[str, Any]:
    """Seconds of each part, and the fitted parameters beside those that were drawn from."""
    path = write_histories(folder, customers)
    table = spark.read.parquet(path)
    section, found = Lifetime(), {}

    def of_purchases() -> None:
        fitted = fit_purchases(table, section.least_repeat_customers)
        assert not isinstance(fitted, str), fitted
        found["bgnbd"] = fitted.to_json()

    spent(lambda: table)  # the JVM warms up
    samples = [seconds(of_purchases) for _ in range(ROUNDS)]
    started = time.perf_counter()
    models = fit_models(table, section.least_repeat_customers)
    both = time.perf_counter() - started
    ahead = spent(lambda: summarise_lifetime(table, models, section, "day"))
    parts = {"both models": both, "every customer's prediction (a function over Arrow batches)": ahead}
    return {"samples": samples, "customers": customers, "seconds": parts, **found, "models": models.to_json()}


def main() -> None:
    parser = arguments("rfm", __doc__ or "")
    parser.add_argument("sizes", type=int, nargs="*", help="lines; default 1,000,000 and 10,000,000; --quick 300,000")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each size")
    options = parser.parse_args()
    sizes = options.sizes or ([300_000] if options.quick else [1_000_000, 10_000_000])
    customers = 200_000 if options.quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as apart:
        python, why = (None, "left out by --quick") if options.quick else environment(apart)
        spills = Path(folder) / "spills"
        section = SparkSection(driver_memory="4g", settings={"spark.local.dir": str(spills)})
        spark = open_session(section, name="bench", log=Path(folder) / "logs" / "spark.log")
        try:
            found = [over_bare(spark, folder, lines, options.rounds, partial(beside, python, why)) for lines in sizes]
            models = fits(spark, folder, customers)
        finally:
            spark.stop()
    claims = []
    for size in found:
        rounds, lines = size["rounds"], size["lines"]
        last = size is found[-1]
        name = "" if last else f"_{lines}"
        parts = {part: median(one[part] for one in rounds) for part in rounds[0]}
        ratios = [one["one"] / one["bare"] for one in rounds]
        twelve = [one["twelve"] / one["one"] for one in rounds]
        stage = [one["twelve published"] / one["one published"] for one in rounds]
        peers = {"bare aggregate, seconds": parts["bare"], **size["peers"]}
        more = {"lines": lines, "seconds": parts, "rounds": rounds, "disk": size["disk"]}
        claims.append(
            claim(
                f"rfm_over_bare_aggregate{name}",
                ratios,
                unit="× a bare aggregate",
                goal=1.5,
                better="lower",
                peers=peers,
                **more,
            )
        )
        spent_gb = [size["disk"] / 1e9]
        claims.append(claim(f"disk_peak{name}", spent_gb, unit="GB", goal=20.0, better="lower", peers={}, lines=lines))
        for title, ratios, of in (
            ("twelve_snapshots_over_one", twelve, "one"),
            ("twelve_published_over_one", stage, "one published"),
        ):
            alone = {"one snapshot, seconds": parts[of]}
            claims.append(
                claim(
                    f"{title}{name}",
                    ratios,
                    unit="× one snapshot",
                    goal=3.0,
                    better="lower",
                    peers=alone,
                    lines=lines,
                )
            )
    samples = models.pop("samples")
    claims.append(claim("bgnbd_fit_seconds", samples, unit="seconds", goal=30.0, better="lower", peers={}, **models))
    write(options.out, claims)


if __name__ == "__main__":
    sys.exit(main())
