"""Will a customer buy again? Out-of-fold AUC of the network and of logistic regression, and the spend forecast.

    scripts/bench/repurchase.py --raw PATH/online_retail.parquet

Every customer is scored by models that never saw him: five folds by a hash of the customer; in each, features are
fitted and both models trained on the other four (the network keeps 15 % of them for early stopping, the regression
uses all). The network is trained with three seeds on two ranks; its AUC is the mean of the three seeds' AUCs.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from common import arguments, claim, write
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.config import Config, load
from ringmill.contracts import CLEAN_ROWS
from ringmill.features.apply import encoder
from ringmill.features.default import default_set
from ringmill.features.events import measure_names, summarise_measures, with_row_id
from ringmill.features.fit import fit
from ringmill.features.splits import split_of
from ringmill.pipeline.clean import CLEAN
from ringmill.pipeline.features import table_of, with_x
from ringmill.pipeline.stage import Run, execute
from ringmill.report.evaluate import Floats, bootstrap, compare_spend, spend_deciles
from ringmill.score.baselines import with_logistic_probability
from ringmill.train.launch.local import LocalLauncher
from ringmill.train.metrics import auc
from ringmill.train.run import train
from ringmill.train.spec import TrainSpec

CONF = Path(__file__).parents[2] / "conf" / "online_retail.yaml"
FOLDS, SEEDS = 5, (1, 2, 3)
TOLERANCE = 0.005


@dataclass
class OutOfFold:
    """Predictions by row id, filled fold by fold."""

    network: dict[int, dict[int, tuple[float, float]]]  # seed → row id → (probability, expected spend)
    logistic: dict[int, float]
    rows: dict[int, dict[str, Any]]


def fold_of(customer: Column) -> Column:
    """0–4, by a hash of the customer that has nothing to do with the pipeline's own split."""
    head = F.substring(F.sha2(F.concat(F.lit("fold:"), customer), 256), 1, 15)
    return (F.conv(head, 16, 10).cast("bigint") % FOLDS).cast("int")


def measured(run: Run) -> DataFrame:
    """One row per customer at the configured cutoff, with labels and fold."""
    section = run.config.features
    version = execute(CLEAN, run).outputs[CLEAN_ROWS.path]
    rows = run.lake.read(run.spark, CLEAN_ROWS.path, version)
    customers = summarise_measures(
        rows,
        section.train_cutoffs,
        windows_days=section.windows_days,
        horizon_days=section.horizon_days,
        zone=run.config.zone,
    )
    return customers.transform(with_row_id).withColumn("fold", fold_of(F.col("customer_id"))).persist()


def run_fold(run: Run, customers: DataFrame, fold: int, found: OutOfFold, seeds: tuple[int, ...]) -> None:
    """Fit, encode and write one fold's table; train and score both models on it."""
    config = run.config
    inner = split_of(F.col("customer_id"), (0.85, 0.1, 0.05), seed=fold)
    split = F.when(F.col("fold") == fold, "test").otherwise(F.when(inner == "train", "train").otherwise("validation"))
    rows = customers.withColumn("split", split).drop("fold")
    measures = measure_names(config.features.windows_days)
    entries = default_set(measures, top_countries=config.features.top_countries)
    state = fit(rows.where("split = 'train'"), entries, columns=(*measures, "country"))
    named = config.model_copy(update={"features_section": config.features.model_copy(update={"name": f"fold_{fold}"})})
    table = table_of(named, measures)
    version = run.lake.write(rows.mapInArrow(encoder(state), with_x(rows, state)), table, run_id=run.run_id)
    features = run.lake.read(run.spark, table.path, version)
    scored = with_logistic_probability(features, fitted_on=("train", "validation"))
    for row in scored.collect():
        found.logistic[row["row_id"]] = row["logistic_probability"]
        found.rows[row["row_id"]] = {
            "buy": row["label_buy"],
            "spend": row["label_spend"],
            "recent": row["spend_total_90d"],
            "days": row["days_since_last_order"],
        }
    training_mean = features.where("split <> 'test'").agg(F.avg("label_spend")).collect()[0][0]
    for row_id in (row["row_id"] for row in features.where("split = 'test'").select("row_id").collect()):
        found.rows[row_id]["training_mean"] = training_mean
    for seed in seeds:
        train_one(run, table.path, version, len(state.names), fold, seed, found)


def train_one(run: Run, table: str, version: int, features: int, fold: int, seed: int, found: OutOfFold) -> None:
    folder = run.lake.path(f"models/fold_{fold}/{seed}")
    spec = TrainSpec(
        table=run.lake.path(table),
        version=version,
        folder=folder,
        train=run.config.train,
        seed=seed,
        features=features,
        run_id=f"{fold}-{seed}",
    )
    trained = train(spec, LocalLauncher())
    print(f"fold {fold}, seed {seed}: AUC {trained.manifest['metrics']['test']['auc']:.4f}", flush=True)
    predictions = pq.read_table(Path(folder) / "predictions.parquet").to_pylist()
    for row in predictions:
        found.network.setdefault(seed, {})[row["row_id"]] = (row["buy_probability"], row["expected_spend"])


def compared(found: OutOfFold) -> list[dict[str, Any]]:
    """The claims."""
    ids = sorted(found.rows)
    buy, spend, recent, mean, days = (
        np.array([found.rows[i][name] for i in ids]) for name in ("buy", "spend", "recent", "training_mean", "days")
    )
    logistic = np.array([found.logistic[i] for i in ids])
    network = {seed: np.array([by_row[i][0] for i in ids]) for seed, by_row in found.network.items()}
    expected = np.mean([[by_row[i][1] for i in ids] for by_row in found.network.values()], axis=0)

    def area(score: Floats, rows: Any = slice(None)) -> float:
        return auc(score[rows], buy[rows], np.ones(len(buy[rows]))) or float("nan")

    def difference(rows: Any) -> float:
        return fmean(area(score, rows) for score in network.values()) - area(logistic, rows)

    paired = bootstrap(difference, len(ids), seed=1)
    forecasts = compare_spend({"network": expected, "same as the last 90 days": recent, "training mean": mean}, spend)
    total = bootstrap(lambda rows: float(spend[rows].sum()), len(ids), seed=1)
    aucs = [area(score) for score in network.values()]
    return [
        claim(
            "repurchase_auc_over_logistic",
            [paired.value],
            unit="AUC difference",
            goal=-TOLERANCE,
            better="higher",
            peers={"logistic regression": area(logistic), "days since last order": area(-days)},
            interval=[paired.low, paired.high],
            auc=fmean(aucs),
            auc_by_seed=aucs,
            customers=len(ids),
            bought=float(buy.mean()),
        ),
        claim(
            "spend_mean_absolute_error",
            [forecasts[0].mean_absolute_error],
            unit="currency",
            goal=min(f.mean_absolute_error for f in forecasts[1:]),
            better="lower",
            peers={f.name: f.mean_absolute_error for f in forecasts[1:]},
            deciles=[vars(decile) for decile in spend_deciles(expected, spend)],
        ),
        claim(
            "spend_total_off_actual",
            [abs(float(expected.sum() / spend.sum()) - 1)],
            unit="share of the actual total",
            goal=min(total.high / total.value - 1, 1 - total.low / total.value),
            better="lower",
            peers={f.name: abs(f.total / total.value - 1) for f in forecasts[1:]},
            predicted_over_actual=float(expected.sum() / spend.sum()),
            actual_interval=[total.low / total.value, total.high / total.value],
            within_interval=bool(total.low <= expected.sum() <= total.high),
        ),
    ]


def main() -> None:
    parser = arguments("repurchase", __doc__ or "")
    parser.add_argument("--raw", required=True, help="Online Retail as Parquet")
    parser.add_argument("--set", action="append", default=[], help="section.key=value over conf/online_retail.yaml")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config: Config = load(CONF, [f"raw.path={options.raw}", *options.set], warehouse=folder)
        run = Run(config)
        try:
            customers = measured(run)
            found = OutOfFold({}, {}, {})
            for fold in range(FOLDS):
                run_fold(run, customers, fold, found, SEEDS[:1] if options.quick else SEEDS)
        finally:
            run.close()
    write(options.out, compared(found))


if __name__ == "__main__":
    main()
