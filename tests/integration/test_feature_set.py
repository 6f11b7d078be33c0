"""The stage features with a set and a split of its own: what it writes, what its manifest says, what the ledger proves.

One warehouse of made-up orders; the stage runs once for each configuration.
"""

from __future__ import annotations

import csv
import io
import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F
from rich.console import Console
from sklearn.feature_selection import f_classif

from ringmill.config import load
from ringmill.errors import ConfigError, InputError, LawError
from ringmill.features.apply import apply, tensors
from ringmill.features.fit import fit
from ringmill.features.selection.choice import Choice
from ringmill.features.state import State
from ringmill.handoff.contract import Contract, check_contract
from ringmill.handoff.manifest import pin
from ringmill.hashing import digest
from ringmill.lake.ledger import OPTIMIZE, Entry
from ringmill.pipeline.baselines import purchase_model_baseline
from ringmill.pipeline.clean import CLEAN
from ringmill.pipeline.features import FEATURES, readable, table_of
from ringmill.pipeline.progress import Progress
from ringmill.pipeline.rfm import RFM
from ringmill.pipeline.score import SCORE
from ringmill.pipeline.snapshots import with_snapshots
from ringmill.pipeline.split_proof import prove_split
from ringmill.pipeline.stage import Run, execute
from ringmill.pipeline.train import TRAIN, planned

pytestmark = pytest.mark.spark
CONF = """
pipeline: sets
warehouse: {folder}/warehouse
zone: Europe/London
raw:
  path: {folder}/raw.csv
  columns: {{order_id: order, product_id: product, quantity: pieces, unit_price: price, customer_id: customer,
    country: country, ordered_at: at}}
features:
  train_cutoffs: [2024-03-01, 2024-03-20]
  snapshots: [spend_net, days_since_last_order_net]
  horizon_days: 10
  windows_days: [30, 60]
  folds: 3
  last_orders: 4
  split: {split}
  set:
  - {{kind: zscore, columns: [days_since_last_order, order_count], log1p: true}}
  - {{kind: zscore, columns: [spend_net, days_since_last_order_net], log1p: true, name: "{{column}} scaled", "null": 0}}
  - {{kind: robust, columns: [gap_days_last, gap_days_std], name: "{{column}} robust", "null": 0}}
  - {{kind: ratio, columns: [spend_total_30d, spend_total_60d], name: spend trend, "null": 1}}
  - {{kind: boxcox, columns: [spend_mean], name: mean spend, "null": 0, keep: false}}
  - {{kind: quantile_bins, columns: [mean spend], bins: 4, name: band}}
  - {{kind: cross, columns: [country, band], most: 6}}
  - {{kind: target, columns: [country]}}
  - {{kind: calendar, columns: [cutoff], parts: [month], output: wave}}
  - {{kind: calendar, columns: [last_seen_at], parts: [hour]}}
  - {{kind: sequence, columns: [last_orders_gap_days, last_orders_spend], name: orders, length: 3, log1p: true,
    "null": 0}}
  - {{kind: token_ids, columns: [last_orders_product], name: products, length: 3, truncate: start}}
  - {{kind: tfidf, columns: [last_orders_product], name: bought, size: 2}}
  - {{kind: hashed_text, columns: [last_orders_product], name: hashed, buckets: 3}}
  - {{kind: holidays, columns: [cutoff], days: [2024-04-01], name: easter}}
  - {{kind: minmax, columns: [order_count], name: count in range}}
  - {{kind: log, columns: [spend_total], name: log spend}}
  - {{kind: log, columns: [spend_total], name: log spend again}}
  - {{kind: missing, columns: [gap_days_last]}}
  - {{kind: one_hot, columns: [country], name: land, most: 2}}
  - {{kind: ordinal, columns: [country], name: country place}}
  - {{kind: hashed, columns: [country], name: country bucket, buckets: 3}}
  - {{kind: frequency, columns: [country], name: country share}}
  - {{kind: difference, columns: [order_count, active_days], name: more than a day}}
  - {{kind: pca, columns: [log spend, count in range], components: 1, name: size}}
  - {{kind: lda, columns: [log spend, count in range], label: label_buy, name: away}}
  - {{kind: lifetime, columns: [active_days, tenure_days, days_since_last_order], least_repeat_customers: 20,
    name: "foreseen {{output}}"}}
  selection:
  - {{kind: anova, label: label_buy, keep: 1, features: [days_since_last_order, order_count]}}
  - {{kind: correlation, at_most: 0.9, features: [log spend, log spend again, size 1]}}
"""
BY_TIME = "{kind: time, validation_cutoffs: [2024-04-01], test_cutoffs: [2024-04-15]}"
BOTH = "{kind: both, validation_cutoffs: [2024-04-01], test_cutoffs: [2024-04-15], stratify: [country]}"


def write_orders(path):
    draw = random.Random(4)
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["order", "product", "pieces", "price", "customer", "country", "at"])
        for customer in range(90):
            at, country = (
                datetime(2024, 1, 1) + timedelta(days=draw.random() * 40),
                draw.choice(["France", "Spain", "Malta"]),
            )
            number = 0
            while at < datetime(2024, 5, 15):
                number += 1
                pieces, price = draw.randint(1, 9), draw.choice(["1.25", "3.10"])
                lines.writerow([f"{customer}-{number}", "P", pieces, price, customer, country, f"{at:%F %T}"])
                at += timedelta(days=draw.expovariate(1 / 20))


@pytest.fixture(scope="module")
def warehouse(spark, tmp_path_factory):
    """A folder whose orders are cleaned, and a function from a split to a run whose features are published."""
    folder = tmp_path_factory.mktemp("sets")
    write_orders(folder / "raw.csv")
    runs = []

    def published(split):
        (folder / "conf.yaml").write_text(CONF.format(folder=folder, split=split), encoding="utf-8")
        console = Console(file=io.StringIO(), width=200)
        run = Run(load(folder / "conf.yaml"), progress=Progress(console), session=spark)
        runs.append(run)
        execute(CLEAN, run)
        execute(RFM, run)
        return run, execute(FEATURES, run)

    yield published
    for run in runs:
        run.close()


@pytest.fixture(scope="module")
def by_time(warehouse):
    return warehouse(BY_TIME)


def rows_of(run, entry: Entry):
    return run.lake.read(run.spark, "features/customers", entry.outputs["features/customers"])


def of_table(state, names):
    """The state of the features `names`, from columns of the table: the last instant seen is known to the stage alone,
    the table need not hold it for training."""
    parts = tuple(part for part in state.parts if part.reads != ("last_seen_at",))
    return State(tuple(each for each in state.inputs if each[0] != "last_seen_at"), parts, names, state.tensors)


def test_snapshots_of_rfm_stand_beside_the_measures_of_their_cutoffs(by_time):
    run, entry = by_time
    names = ("customer_id", "cutoff", "spend_net", "days_since_last_order_net")
    found = rows_of(run, entry).select(*names).collect()
    version = entry.inputs["rfm/customers"]
    known = {tuple(row) for row in run.lake.read(run.spark, "rfm/customers", version).select(*names).collect()}
    assert found and {tuple(row) for row in found} <= known
    assert "spend_net scaled" in State.from_json(entry.detail["state"]).names


def test_a_cutoff_without_a_snapshot_and_a_snapshot_of_other_lines_are_named(by_time):
    run, entry = by_time
    rows = rows_of(run, entry)
    with pytest.raises(ConfigError, match=r"rfm\.cutoffs[\s\S]*2024-03-02"):
        with_snapshots(run, rows, entry.inputs, [date(2024, 3, 1), date(2024, 3, 2)])
    with pytest.raises(InputError, match="clean/rows"):
        with_snapshots(run, rows, {**entry.inputs, "clean/rows": -1}, [date(2024, 3, 1)])


def test_law_2_a_split_by_time_is_proved_and_customers_may_recur(by_time):
    run, entry = by_time
    proof = entry.laws["law 2"]
    assert proof["kind"] == "time"
    assert proof["customers_in_two_splits"] > 0
    instants = proof["instants"]
    assert instants["train"]["last_instant"] < "2024-03-31 23:00:00+00:00" == instants["validation"]["first_cutoff"]
    assert instants["validation"]["last_instant"] < "2024-04-14 23:00:00+00:00" == instants["test"]["first_cutoff"]
    found = {tuple(row) for row in rows_of(run, entry).select("cutoff", "split").distinct().collect()}
    cutoffs = [date(2024, 3, 1), date(2024, 3, 20), date(2024, 4, 1), date(2024, 4, 15)]
    assert found == set(zip(cutoffs, ["train", "train", "validation", "test"], strict=True))


def test_law_9_the_ledgers_state_makes_the_tables_x_from_its_columns_bit_for_bit(by_time):
    run, entry = by_time
    state = State.from_json(entry.detail["state"])
    assert (state.hash, state.names) == (entry.detail["state_hash"], entry.detail["names"])
    table = rows_of(run, entry).toArrow()
    names = tuple(name for name in state.names if name != "last_seen_at hour")
    again, beside = tensors(table.combine_chunks().to_batches()[0], of_table(state, names), fold="fold")
    written = np.array(table["x"].to_pylist(), np.float32)
    places = [state.names.index(name) for name in names]
    assert written.shape == (table.num_rows, len(state.names))
    assert written[:, places].tobytes() == again.tobytes()
    assert {name: table[name].to_pylist() for name in beside} == {
        name: array.to_pylist() for name, array in beside.items()
    }
    orders = pc.list_value_length(table["last_orders_spend"]).to_numpy()
    assert np.array_equal(np.array(table["orders_mask"].to_pylist()).sum(axis=1), np.minimum(orders, 3))
    assert set(orders) == {1, 2, 3, 4}
    hours = written[:, state.names.index("last_seen_at hour")]
    assert set(hours) <= set(range(24))
    assert len(set(hours)) > 5


def test_law_9_the_stage_fits_on_the_train_split_alone(by_time):
    run, entry = by_time
    state = State.from_json(entry.detail["state"])
    published = rows_of(run, entry).drop("x", *(made.name for made in state.beside))
    # The last instant seen is no column of the table, and nothing of it is fitted.
    asked = [each for each in run.config.features.set if each.columns != ("last_seen_at",)]
    kept = [part for part in state.parts if part.reads != ("last_seen_at",)]

    measures = entry.detail["measures"]
    columns = readable(table_of(run.config, measures), measures)

    def parts_of(rows):
        return list(fit(rows, asked, columns=columns, zone="Europe/London").parts)

    train = published.where("split = 'train'")
    assert parts_of(train) == kept
    assert 0 < train.count() < published.count()
    poison = F.when(F.col("split") == "train", F.col("spend_mean")).otherwise(F.lit(1e9))
    poisoned = published.withColumn("spend_mean", poison)
    assert parts_of(poisoned.where("split = 'train'")) == kept
    assert parts_of(poisoned.fillna(0, ["fold"])) != kept


def test_a_selection_is_printed_frozen_and_kept_in_the_ledger(by_time):
    run, entry = by_time
    step, second = (Choice.from_json(tree) for tree in entry.detail["selection"])
    printed = run.progress.console.file.getvalue()
    assert all(choice.table() in printed for choice in (step, second))
    assert all(line.feature in step.table() and line.reason in step.table() for line in step.judged)
    assert {*second.kept, *second.dropped} == {"size 1", "log spend", "log spend again"}
    assert "log spend again" in second.dropped
    assert not set(second.dropped) & set(entry.detail["names"])
    assert {*step.kept, *step.dropped} == {"days_since_last_order", "order_count"}
    assert len(step.dropped) == 1
    assert set(step.kept) <= set(entry.detail["names"])
    assert not set(step.dropped) & set(entry.detail["names"])
    # Judged on the train rows alone, as scikit-learn judges them.
    train = rows_of(run, entry).where("split = 'train'").toArrow()
    state = of_table(State.from_json(entry.detail["state"]), ("days_since_last_order", "order_count"))
    x = apply(train.combine_chunks().to_batches()[0], state, fold="fold")
    scores, _ = f_classif(x.astype(np.float64), train["label_buy"].to_numpy())
    judged = {line.feature: line.score for line in step.judged}
    assert [judged[name] for name in state.kept] == pytest.approx(list(scores), rel=1e-5)


def test_train_rows_have_folds_and_are_laid_out_by_split_and_fold(by_time):
    run, entry = by_time
    rows = rows_of(run, entry).groupBy("split", "fold").count().collect()
    assert {row["fold"] for row in rows if row["split"] == "train"} == {0, 1, 2}
    assert {row["fold"] for row in rows if row["split"] != "train"} == {None}
    partitions = run.spark.sql(f"DESCRIBE DETAIL delta.`{run.lake.path('features/customers')}`").collect()[0]
    assert partitions["partitionColumns"] == ["split", "fold"]


def test_the_manifest_says_what_training_and_scoring_read_and_training_is_planned_against_it(by_time):
    run, entry = by_time
    contract = Contract.from_json(entry.detail["manifest"])
    assert contract.table == "features/customers"
    assert [(tensor.name, tensor.shape, tensor.dtype) for tensor in contract.tensors] == [
        ("row_id", (), "int64"),
        ("x", (len(entry.detail["names"]),), "float32"),
        ("label_buy", (), "float64"),
        ("label_spend", (), "float64"),
        ("orders", (3, 2), "float32"),
        ("orders_mask", (3,), "int8"),
        ("products", (3,), "int32"),
    ]
    inputs = {promise.name: (promise.type, promise.nulls) for promise in contract.inputs}
    assert inputs["gap_days_last"] == ("double", True)
    assert inputs["order_count"] == ("double", False)
    assert inputs["last_seen_at"] == ("timestamp[us, tz=UTC]", False)
    of = {part.name: part for part in State.from_json(entry.detail["state"]).parts if hasattr(part, "name")}
    assert contract.vocabularies == {
        "country × band (one_hot)": digest(of["country × band"].values),
        "country target (target)": digest(of["country target"].values),
        "land (one_hot)": digest(of["land"].values),
        "country place (ordinal)": digest(of["country place"].values),
        "country share (frequency)": digest(of["country share"].values),
        "products (token_ids)": digest(of["products"].values),
        "bought (tfidf)": digest(of["bought"].values),
    }
    assert of["products"].values == ("P",)
    columns = {promise.name: (promise.type, promise.nulls) for promise in contract.columns}
    assert columns["customer_id"] == ("string", False)
    assert columns["gap_days_last"] == columns["days_since_last_order_net"] == ("double", True)
    assert columns["spend_net"] == columns["label_buy"] == ("double", False)
    assert columns["x"] == columns["orders"] == ("array<float>", False)
    assert columns["fold"] == ("int", True)
    fields = DeltaTable(run.lake.path(contract.table), version=entry.outputs[contract.table]).schema().fields
    assert [field.name for field in fields] == [promise.name for promise in contract.columns]
    assert "x alone, and none of orders, orders_mask, products" in planned(run)
    assert contract.state == entry.detail["state_hash"]
    assert f"{entry.counts['train']:,} train" in planned(run)


def test_law_9_a_table_that_breaks_its_manifest_stops_training_before_it_starts(by_time):
    run, entry = by_time
    path, version = run.lake.path("features/customers"), entry.outputs["features/customers"]
    run.spark.sql(f"UPDATE delta.`{path}` SET label_spend = double('NaN') WHERE split = 'test'")
    broken = DeltaTable(path).version()
    assert broken == version + 1
    manifests = [pin(path, broken, split=split) for split in ("train", "validation", "test")]
    tests, rows = entry.counts["test"], sum(entry.counts.values())
    words = f"'label_spend'[\\s\\S]*customers, version {broken}[\\s\\S]*{tests:,} of {rows:,} rows"
    with pytest.raises(InputError, match=words):
        check_contract(Contract.from_json(entry.detail["manifest"]), path, broken, manifests)
    assert planned(run)  # the published version is as it was
    without = rows_of(run, entry).drop("spend_mean").write.format("delta").partitionBy("split", "fold")
    without.mode("overwrite").option("overwriteSchema", True).save(path)
    gone = f"'spend_mean'[\\s\\S]*customers, version {broken + 1}[\\s\\S]*a column of that name[\\s\\S]*{rows:,} rows"
    rows_as_text = rows_of(run, entry).withColumn("spend_mean", F.col("spend_mean").cast("string"))
    rows_as_text.write.format("delta").partitionBy("split", "fold").mode("overwrite").option(
        "overwriteSchema", True
    ).save(path)
    other = (
        f"'spend_mean'[\\s\\S]*customers, version {broken + 2}[\\s\\S]*type double[\\s\\S]*type string; {rows:,} rows"
    )
    for found, told in ((broken, words), (broken + 1, gone), (broken + 2, other)):
        outputs = {"features/customers": found}
        run.ledger.append(replace(entry, run_id=f"{found}", outputs=outputs, started_at=datetime.now(UTC)))
        with pytest.raises(InputError, match=told):
            execute(TRAIN, run)
    assert not list(Path(run.lake.path("models")).rglob("spec.json"))  # no rank was started
    run.spark.sql(f"RESTORE TABLE delta.`{path}` TO VERSION AS OF {version}")
    run.ledger.append(replace(entry, run_id="again", started_at=datetime.now(UTC)))
    assert planned(run)


def test_law_2_the_purchase_models_beside_the_network_are_fitted_on_the_train_split_alone(by_time):
    run, entry = by_time
    rows = rows_of(run, entry)

    def told(features):
        table = purchase_model_baseline(run, features, entry)
        return {row["row_id"]: (row["bgnbd_probability"], row["bgnbd_spend"]) for row in table.to_pylist()}

    every = told(rows)
    assert set(every) == {row["row_id"] for row in rows.where("split = 'test'").select("row_id").collect()}
    fewer = told(rows.where("split = 'train' OR (split = 'test' AND row_id % 2 = 0)"))
    assert 10 < len(fewer) < len(every)
    assert fewer == {row_id: every[row_id] for row_id in fewer}
    other = told(rows.where("split <> 'train' OR customer_id < '5'"))
    assert not set(other.items()) & set(every.items())


@pytest.mark.ring
def test_law_9_the_stage_score_says_of_the_test_split_what_training_said_of_it(by_time):
    run, _ = by_time
    quick = ["train.launcher=local", "train.ranks=2", "train.epochs=3", "train.batch=32", "score.cutoff=2024-04-15"]
    again = Run(load(Path(run.config.warehouse).parent / "conf.yaml", quick), session=run.spark)
    try:
        trained, scored = (execute(stage, again) for stage in (TRAIN, SCORE))
        version = scored.outputs["scores/customers"]
        scores = {row["customer_id"]: row for row in again.lake.read_arrow("scores/customers", version).to_pylist()}
    finally:
        again.close()
    told = pq.read_table(Path(again.lake.path(trained.detail["model"])) / "predictions.parquet").to_pylist()
    predicted = {row["row_id"]: row for row in told}
    tested = rows_of(run, by_time[1]).where("split = 'test'").select("row_id", "customer_id", "cutoff").collect()
    assert {str(row["cutoff"]) for row in tested} == {"2024-04-15"}
    assert len(tested) > 80
    for row in tested:
        ours, theirs = predicted[row["row_id"]], scores[row["customer_id"]]
        assert ours["buy_probability"] == pytest.approx(theirs["buy_probability"], rel=1e-6)
        assert ours["expected_spend"] == pytest.approx(theirs["expected_spend"], rel=1e-6)
    assert len({round(row["buy_probability"], 6) for row in scores.values()}) > 40


def test_law_2_a_proof_that_does_not_hold_stops_the_stage(by_time):
    run, entry = by_time
    last = date(2024, 4, 15)
    is_last = F.col("cutoff") == last
    sound = rows_of(run, entry).withColumns(
        {
            "last_seen_at": F.lit(datetime(2024, 2, 1, tzinfo=UTC)),
            "first_label_at": F.lit(None).cast("timestamp"),
            "last_label_at": F.when(is_last, F.lit(datetime(2024, 4, 20, tzinfo=UTC))),
        }
    )
    assert prove_split(run, sound)["instants"]["test"]["last_instant"] == "2024-04-20 00:00:00+00:00"
    mixed = sound.withColumn("split", F.when(is_last, "train").otherwise(F.col("split")))
    with pytest.raises(LawError, match="every instant of train before validation's first cutoff"):
        prove_split(run, mixed)
    unseen = sound.withColumn("last_seen_at", F.lit(datetime(2024, 3, 25, tzinfo=UTC)))
    with pytest.raises(LawError, match="events before"):
        prove_split(run, unseen)


def test_law_2_by_both_no_customer_and_no_instant_is_in_two_splits_and_the_rest_is_counted(warehouse):
    run, entry = warehouse(BOTH)
    proof = entry.laws["law 2"]
    assert (proof["kind"], proof["customers_in_two_splits"]) == ("both", 0)
    assert proof["rows_left_out"] > 0
    assert set(proof["instants"]) == {"train", "validation", "test"}
    rows = rows_of(run, entry)
    assert rows.count() == sum(entry.counts.values())
    assert rows.groupBy("customer_id").agg(F.count_distinct("split").alias("n")).where("n > 1").count() == 0


def test_snapshots_of_lines_that_were_laid_out_anew_are_of_the_same_lines(by_time):
    # The last of these tests: its ledger says of lines that they lie in a version that nobody wrote.
    run, entry = by_time
    version = entry.inputs["clean/rows"]
    laid_out = {"inputs": {"clean/rows": version}, "outputs": {"clean/rows": version + 1}}
    run.ledger.append(replace(entry, stage=OPTIMIZE, run_id="o", started_at=datetime.now(UTC), **laid_out))
    rows = with_snapshots(run, rows_of(run, entry), {**entry.inputs, "clean/rows": version + 1}, [date(2024, 3, 1)])
    assert rows.columns.count("spend_net") == 2
