"""Two towers on two ranks beside Spark ML's ALS: products new to the customer, by paired bootstrap over customers.

    scripts/bench/recommend.py FILE [--seconds N] [--out FILE] [--quick]

FILE is online_retail.parquet. Both search for N seconds: candidates in a seeded order, learnt from what was bought
before recommend.validation_cutoff, are compared by NDCG@10 of new products in the validation window; one that has begun
is finished. The best of each is then learnt again from all that was bought before recommend.test_cutoff, and judged by
the test window, once. Popularity and the customer's own products, of all that was bought before it too, stand beside
them. `--quick` searches for a minute.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from common import arguments, claim, write
from deltalake import write_deltalake
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import Window as Rows
from pyspark.sql import functions as F

from ringmill.config import load
from ringmill.config.models import Config, SparkSection
from ringmill.config.train import Train
from ringmill.contracts import CLEAN_ROWS
from ringmill.features.products import FIRST, ProductState
from ringmill.features.purchases import (
    filter_sales,
    summarise_purchases,
    summarise_tests,
    summarise_window,
    train_rows,
    with_product,
)
from ringmill.handoff.columns import Input
from ringmill.lake.session import open_session
from ringmill.pipeline.purchases import windows_of
from ringmill.pipeline.run import run_stages
from ringmill.pipeline.stage import Run
from ringmill.ranking import Floats, Ints, Judged, best, judge
from ringmill.resampling import resamples, within
from ringmill.score.recommend import last_ids, own_first
from ringmill.score.towers import Towers
from ringmill.train.launch.local import LocalLauncher
from ringmill.train.results import FROZEN
from ringmill.train.run import train
from ringmill.train.spec import TrainSpec
from ringmill.windows import Window

CONF = Path(__file__).resolve().parents[2] / "conf" / "recommend.yaml"
TOWERS = {
    "units": (64, 128),
    "dropout": (0.3, 0.5),
    "learning_rate": (1e-3, 3e-3),
    "weight_decay": (0.01, 0.1),
    "epochs": (5, 10),
}
PEER = {"rank": (16, 32, 64, 100), "regParam": (0.01, 0.03, 0.1, 0.3), "alpha": (1.0, 4.0, 16.0)}
Candidate = dict[str, Any]
Scores = Callable[[int], Floats]


@dataclass(frozen=True)
class Judging:
    """What a window is judged by: of each customer the places of past products, favourites and those bought; `pairs` of
    what was bought before it (customer, product, orders), `examples`, what the ranks read of that, and `popular`, of
    each product how many customers bought it by then."""

    past: list[Ints]
    favourites: list[Ints]
    bought: list[Ints]
    number: list[int]
    pairs: DataFrame
    examples: pa.Table
    popular: Floats


def main() -> None:
    parser = arguments("recommend", str(__doc__))
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, default=900.0, help="of search, for each of both")
    chosen = parser.parse_args()
    seconds = 60.0 if chosen.quick else chosen.seconds
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        config = load(CONF, ["train.launcher=local"], warehouse=str(home / "lake"), raw=str(chosen.file))
        spark = open_session(SparkSection(shuffle_partitions=2), name="recommend", log=home / "spark.log")
        state, windows = prepare(config, spark)
        towers, by_towers = search(TOWERS, seconds, lambda one: tower_trial(config, state, windows, one, home))
        peer, by_peer = search(
            PEER,
            seconds,
            lambda one: new_ndcg(windows["validation"], als_scores(state, windows["validation"], one), state),
        )
        test = windows["test"]
        scores = {
            "two-tower": of_towers(trained(config, state, test, towers, home / "final"), state, test),
            "ALS": als_scores(state, test, peer),
            "popularity": lambda row: test.popular,
        }
        found = {
            (name, kind): judged(test, score, state, kind) for name, score in scores.items() for kind in ("all", "new")
        }
        found["own products", "all"] = own_products(test, state)
        spark.stop()
    tried = {"two-tower": {"chosen": towers, **by_towers}, "ALS": {"chosen": peer, **by_peer}}
    write(chosen.out, list(claims_of(found, tried)))


def prepare(config: Config, spark: SparkSession) -> tuple[ProductState, dict[str, Judging]]:
    run_stages(config, ["clean", "features"], session=spark)
    run = Run(config, session=spark)
    state = ProductState.from_json(run.ledger.resolve("features").detail["state"])
    rows = run.lake.read(spark, CLEAN_ROWS.path, run.ledger.resolve("clean").outputs[CLEAN_ROWS.path])
    sales = filter_sales(rows).persist()
    return state, {name: judging(sales, state, window) for name, window in windows_of(config).items()}


def judging(sales: DataFrame, state: ProductState, window: Window) -> Judging:
    before = with_product(summarise_purchases(sales, window.start), state)
    numbered = before.withColumn("customer", F.dense_rank().over(Rows.orderBy("customer_id"))).persist()
    bought = with_product(summarise_window(sales, window), state)
    names = numbered.select("customer_id", "customer").distinct()
    tests = summarise_tests(bought, before).join(names, "customer_id").orderBy("customer").toArrow()
    places = {name: [_places(each) for each in tests[name].to_pylist()] for name in ("past", "favourites", "bought")}
    examples = train_rows(before, state, cutoff=window.start).select("row_id", "product", "x").toArrow()
    # Of the very rows that ALS and the towers learn from: the state's counts end with the train split.
    counts = numbered.groupBy("product").count().toArrow()
    popular = np.zeros(len(state.products))
    popular[counts["product"].to_numpy() - FIRST] = counts["count"].to_numpy()
    return Judging(**places, number=tests["customer"].to_pylist(), pairs=numbered, examples=examples, popular=popular)


def _places(ids: list[int]) -> Ints:
    return np.array(ids, np.int64) - FIRST


def search(
    space: Mapping[str, tuple[Any, ...]], seconds: float, trial: Callable[[Candidate], float]
) -> tuple[Candidate, dict[str, Any]]:
    """The best candidate; and how many were tried in which time."""
    everyone = [dict(zip(space, values, strict=True)) for values in product(*space.values())]
    random.Random(1).shuffle(everyone)
    began, tried = time.monotonic(), []
    for one in everyone:
        if tried and time.monotonic() - began > seconds:
            break
        tried.append((trial(one), one))
        print(f"{tried[-1][0]:.4f} {one}", flush=True)
    value, found = max(tried, key=lambda each: each[0])
    return found, {"tried": len(tried), "seconds": time.monotonic() - began, "validation_ndcg": value}


def trained(config: Config, state: ProductState, window: Judging, one: Candidate, folder: Path) -> Towers:
    """Both towers after all epochs of the candidate."""
    model = {"kind": "two_tower", "units": one["units"], "dropout": one["dropout"]}
    rest = {name: one[name] for name in ("learning_rate", "weight_decay", "epochs")}
    changes = {"model": model, "launcher": "local", "keep": "last", **rest}
    section = Train.model_validate(config.train.model_dump(mode="json") | changes)
    # Ranks need rows of each split; with keep: last they decide nothing.
    parts = {"train": window.examples, "validation": window.examples.slice(0, 100), "test": window.examples.slice(0, 1)}
    table = pa.concat_tables(
        [rows.append_column("split", pa.array([name] * len(rows))) for name, rows in parts.items()]
    )
    write_deltalake(str(folder / "table"), table, partition_by=["split"])
    x = Input("x", (state.length,), "int32", ids=state.ids)
    spec = TrainSpec(str(folder / "table"), 0, str(folder / "run"), section, 1, x.length, "bench", x=x)
    return Towers.load(train(spec, LocalLauncher()).folder / FROZEN)


def tower_trial(
    config: Config, state: ProductState, windows: Mapping[str, Judging], one: Candidate, home: Path
) -> float:
    with tempfile.TemporaryDirectory(dir=home) as folder:
        towers = trained(config, state, windows["validation"], one, Path(folder))
    return new_ndcg(windows["validation"], of_towers(towers, state, windows["validation"]), state)


def of_towers(towers: Towers, state: ProductState, window: Judging) -> Scores:
    return towers.log_chances(last_ids(window.past, state.history)).__getitem__


def new_ndcg(window: Judging, scores: Scores, state: ProductState) -> float:
    return float(judged(window, scores, state, "new").ndcg.mean())


def als_scores(state: ProductState, window: Judging, one: Candidate) -> Scores:
    """Implicit feedback: how many orders of a customer had the product."""
    als = ALS(**one, implicitPrefs=True, maxIter=10, seed=1, userCol="customer", itemCol="product", ratingCol="orders")
    model = als.fit(window.pairs.select("customer", "product", F.col("orders").cast("float").alias("orders")))
    products = np.zeros((len(state.products), one["rank"]))
    for row in model.itemFactors.collect():
        products[row["id"] - FIRST] = row["features"]
    customers = {row["id"]: np.array(row["features"]) for row in model.userFactors.collect()}
    return lambda place: products @ customers[window.number[place]]


def judged(window: Judging, scores: Scores, state: ProductState, kind: str) -> Judged:
    """Lists of ten; of new products for the customers who bought one."""
    lists, true = [], []
    for place, (past, bought) in enumerate(zip(window.past, window.bought, strict=True)):
        wanted = np.setdiff1d(bought, past) if kind == "new" else bought
        if len(wanted):
            lists.append(best(scores(place), 10, without=past if kind == "new" else None))
            true.append(wanted)
    return judge(lists, true, products=len(state.products))


def own_products(window: Judging, state: ProductState) -> Judged:
    lists = [own_first(favourites, window.popular, 10) for favourites in window.favourites]
    return judge(lists, window.bought, products=len(state.products))


def claims_of(found: Mapping[tuple[str, str], Judged], tried: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The towers' mean over customers less ALS', with the interval of the difference; all figures stand beside it."""
    for kind, name in product(("new", "all"), ("ndcg", "recall")):
        own, peer = (getattr(found[who, kind], name) for who in ("two-tower", "ALS"))
        difference = own - peer
        low, high = within([float(difference[chosen].mean()) for chosen in resamples(len(difference), seed=1)])
        peers = {who: judged_.to_json() for (who, of), judged_ in found.items() if of == kind}
        yield claim(
            f"recommend_{kind}_{name}_over_als",
            [float(difference.mean())],
            unit=f"mean over customers of {name}@10 of {kind} products, two towers less ALS",
            goal=0.0,
            better="higher",
            peers=peers,
            interval_95=[low, high],
            search=tried,
        )


if __name__ == "__main__":
    main()
