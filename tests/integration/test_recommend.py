"""conf/recommend.yaml on generated orders from end to end: purchases, two towers on two ranks, lists, the report."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ringmill.config import load
from ringmill.errors import ConfigError, InputError
from ringmill.features.products import ProductState
from ringmill.lake.tables import Lake
from ringmill.pipeline.purchases import PURCHASES, windows_of
from ringmill.pipeline.recommend import _customers, _learnt_within
from ringmill.pipeline.run import run_all
from ringmill.pipeline.stage import Run, execute
from ringmill.pipeline.train_purchases import planned_purchases

CONF = Path(__file__).resolve().parents[2] / "conf" / "recommend.yaml"
QUICK = [
    "train.launcher=local",
    "train.epochs=2",
    "train.batch=64",
    "train.learning_rate=0.01",
    "train.model={kind: two_tower, units: 8, dropout: 0.1}",
    "generate.customers=120",
    "generate.lines=4000",
    "recommend.history=6",
    "recommend.top=5",
]

pytestmark = [pytest.mark.spark, pytest.mark.ring]


@pytest.fixture(scope="module")
def ran(spark, tmp_path_factory):
    """The configuration and the entries of a run on 4,000 generated lines."""
    config = load(CONF, QUICK, warehouse=str(tmp_path_factory.mktemp("shop")))
    return config, {entry.stage: entry for entry in run_all(config, session=spark)}


def test_law_2_each_split_lies_behind_all_that_the_one_before_sees_and_learns(ran):
    config, entries = ran
    assert list(entries) == ["generate", "clean", "features", "train", "score", "report"]
    table = Lake(config.warehouse).read_arrow("features/purchases", entries["features"].outputs["features/purchases"])
    instants = defaultdict(list)
    for row in table.to_pylist():
        instants[row["split"]].append(row["bought_at"])
        assert len(row["x"]) == 7 and row["x"][0] == row["product"] > 0
        assert row["product"] not in row["x"][1:]
    # Midnights in London: an hour ahead of UTC in October, not in November.
    validation, test = datetime(2011, 10, 9, 23, tzinfo=UTC), datetime(2011, 11, 9, tzinfo=UTC)
    assert max(instants["train"]) < validation <= min(instants["validation"])
    assert max(instants["validation"]) < test <= min(instants["test"])
    assert entries["features"].laws["law 2"]["kind"] == "time"
    assert {split: len(found) for split, found in instants.items()} == {
        split: entries["features"].counts[split] for split in ("train", "validation", "test")
    }


def test_two_ranks_learn_one_model_and_leave_both_towers(ran):
    config, entries = ran
    assert entries["train"].laws["law 5"] == {"ranks_with_bit_equal_weights": 2}
    model = Path(config.warehouse) / entries["train"].detail["model"]
    towers, products = (json.loads((model / f"{name}.json").read_text()) for name in ("frozen", "products"))
    assert len(towers["products"]) == len(towers["past"]) - 1 == len(products["products"])
    assert entries["features"].counts["products"] == len(products["products"])


def test_every_customer_has_both_lists_and_nothing_bought_is_new(ran):
    config, entries = ran
    lake = Lake(config.warehouse)
    rows = lake.read_arrow("scores/recommendations", entries["score"].outputs["scores/recommendations"]).to_pylist()
    clean = lake.read_arrow("clean/rows", entries["clean"].outputs["clean/rows"]).to_pylist()
    bought = defaultdict(set)
    for line in clean:
        sells = line["status"] == "clean" and not line["is_cancellation"] and line["is_product"]
        if sells and line["quantity"] > 0 and line["unit_price"] > 0:
            bought[line["customer_id"]].add(line["product_id"])
    lists = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["place"]):
        lists[row["customer_id"], row["list"]].append((row["place"], row["product_id"], row["score"]))
    assert {customer for customer, kind in lists if kind == "all"} == set(bought)
    assert entries["score"].counts["customers"] == len(bought)
    for (customer, kind), found in lists.items():
        places, products, scores = zip(*found, strict=True)
        assert places == tuple(range(1, len(found) + 1)) and len(set(products)) == len(found) <= 5
        assert list(scores) == sorted(scores, reverse=True) and max(scores) < 0
        assert kind == "all" or not bought[customer].intersection(products)


def test_who_bought_no_known_product_has_a_list_too(spark, ran):
    config, entries = ran
    model = Path(config.warehouse) / entries["train"].detail["model"]
    state = ProductState.from_json(json.loads((model / "products.json").read_text()))
    sold = [("c1", state.products[0]), ("c1", "never seen"), ("c2", "never seen")]
    at = datetime(2011, 1, 5, tzinfo=UTC)
    sales = spark.createDataFrame(
        [(*each, "o1", at, at, None, "clean") for each in sold],
        "customer_id string, product_id string, order_id string, ordered_at timestamp, known_at timestamp, "
        "superseded_at timestamp, status string",
    )
    found = _customers(Run(config, session=spark), sales, state, date(2011, 2, 1)).collect()
    assert {row["customer_id"]: row["past"] for row in found} == {"c1": [1], "c2": []}


def test_law_2_lists_are_not_judged_by_purchases_that_the_model_learnt_from(spark, ran):
    config, entries = ran
    model = Path(config.warehouse) / entries["train"].detail["model"]
    run = Run(config, session=spark)
    windows = windows_of(config)
    assert _learnt_within(run, model, windows["test"]) is None
    # As if the cutoffs had moved to before the model's own since: its training saw that time.
    late = _learnt_within(run, model, windows["validation"])
    assert late is not None and late.astimezone(UTC) >= windows["validation"].start


def test_the_report_shows_what_was_judged(ran):
    _, entries = ran
    judged = entries["score"].detail["judged"]
    assert [(each["by"], each["list"]) for each in judged] == [
        ("two-tower", "all"),
        ("popularity", "all"),
        ("own products", "all"),
        ("two-tower", "new"),
        ("popularity", "new"),
    ]
    assert all(0 <= each[name] <= 1 for each in judged for name in ("recall", "ndcg", "coverage"))
    page = Path(entries["report"].detail["path"]).read_text(encoding="utf-8")
    for words in (
        f"{judged[0]['recall']:.1%}",
        "own products",
        "Of products new to the customer",
        "Lists of 5 products",
    ):
        assert words in page


def test_law_3_nothing_changed_means_no_stage_runs(spark, ran):
    config, _ = ran
    assert {entry.outcome for entry in run_all(config, session=spark)} == {"unchanged"}
    assert "rows" in planned_purchases(Run(config))


def test_a_window_that_the_orders_do_not_reach_is_refused(spark, ran):
    config, _ = ran
    settings = [*QUICK, "recommend.test_cutoff=2011-12-05"]
    with pytest.raises(InputError, match=r"recommend\.test_cutoff[\s\S]*2011-12-05"):
        execute(PURCHASES, Run(load(CONF, settings, warehouse=config.warehouse), session=spark))


def test_too_few_customers_of_any_product_are_refused(spark, ran):
    config, _ = ran
    settings = [*QUICK, "recommend.least_customers=1000"]
    with pytest.raises(InputError, match=r"at least 2 products that 1000 customers"):
        execute(PURCHASES, Run(load(CONF, settings, warehouse=config.warehouse), session=spark))


def test_cutoffs_that_overlap_and_other_tasks_are_refused(tmp_path):
    for setting, words in (
        ("recommend.test_cutoff=2011-11-08", "at least horizon_days behind"),
        ("train={task: {kind: purchase}}", "train.task of kind 'pairs'"),
        ("features={train_cutoffs: [2011-09-10]}", "no examples or features of another kind"),
    ):
        with pytest.raises(ConfigError, match=words):
            load(CONF, [setting], warehouse=str(tmp_path))
