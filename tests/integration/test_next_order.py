"""conf/next_order.yaml on generated orders from end to end: sequences, three heads on two ranks, scores, the report."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ringmill.config import load
from ringmill.errors import InputError
from ringmill.lake.ledger import Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline.run import run_all, run_stages
from ringmill.pipeline.sequences import SEQUENCES
from ringmill.pipeline.stage import Run, execute
from ringmill.pipeline.train_sequences import planned_sequences

CONF = Path(__file__).resolve().parents[2] / "conf" / "next_order.yaml"
QUICK = [
    "train.launcher=local",
    "train.epochs=2",
    "train.batch=64",
    "train.model={kind: sequence, reader: attention, units: 8, heads: 2, dropout: 0.1}",
    "generate.customers=120",
    "generate.lines=4000",
    "sequences.train_cutoffs=[2011-08-11, 2011-09-10]",
    "sequences.history=4",
    "sequences.categories=5",
]

pytestmark = [pytest.mark.spark, pytest.mark.ring]


@pytest.fixture(scope="module")
def ran(spark, tmp_path_factory):
    """The configuration and the entries of a run on 4,000 generated lines."""
    config = load(CONF, QUICK, warehouse=str(tmp_path_factory.mktemp("shop")))
    return config, {entry.stage: entry for entry in run_all(config, session=spark)}


def table(config, entry, path):
    return Lake(config.warehouse).read_arrow(path, entry.outputs[path]).to_pylist()


def test_law_2_each_split_lies_behind_all_that_the_one_before_sees_and_learns(ran):
    config, entries = ran
    assert list(entries) == ["generate", "clean", "features", "train", "score", "report"]
    rows = table(config, entries["features"], "features/orders")
    # Midnights in London: an hour ahead of UTC until the end of October.
    begins = {
        "train": datetime(2011, 8, 10, 23, tzinfo=UTC),
        "validation": datetime(2011, 10, 9, 23, tzinfo=UTC),
        "test": datetime(2011, 11, 9, tzinfo=UTC),
    }
    last = {split: max(row["last_label_at"] or row["last_seen_at"] for row in of(rows, split)) for split in begins}
    assert last["train"] < begins["validation"] and last["validation"] < begins["test"]
    assert all(row["last_seen_at"] < begins["test"] <= row["first_label_at"] for row in of(rows, "test") if row["days"])
    law = entries["features"].laws["law 2"]
    assert law["kind"] == "time" and set(law["instants"]) == set(begins)
    counts = entries["features"].counts
    assert {split: len(of(rows, split)) for split in begins} == {split: counts[split] for split in begins}


def of(rows, split):
    return [row for row in rows if row["split"] == split]


def test_who_has_no_order_within_the_horizon_lacks_two_labels(ran):
    config, entries = ran
    rows = table(config, entries["features"], "features/orders")
    assert {row["comes"] for row in rows} == {"yes", "no"}
    for row in rows:
        assert len(row["x"]) == 4 * 5
        labels = (row["days"], row["category"], row["first_label_at"])
        assert labels == (None, None, None) if row["comes"] == "no" else 0 <= row["days"] < 30
    assert entries["features"].counts["next_orders"] == sum(row["comes"] == "yes" for row in rows)


def test_two_ranks_learn_one_model_of_three_heads(ran):
    _, entries = ran
    assert entries["train"].laws["law 5"] == {"ranks_with_bit_equal_weights": 2}
    heads = entries["train"].detail["metrics"]["test"]["heads"]
    assert set(heads) == {"comes", "category", "days"}
    judged = entries["train"].detail["judged"]
    assert heads["category"]["weight"] == judged["category"][0]["rows"] <= judged["comes"][0]["rows"]
    assert judged["category"][0]["accuracy"] == pytest.approx(heads["category"]["accuracy"], abs=1e-12)


def test_every_customer_with_an_order_is_scored_once(ran):
    config, entries = ran
    scores = table(config, entries["score"], "scores/next_orders")
    bought = {
        line["customer_id"]
        for line in table(config, entries["clean"], "clean/rows")
        if line["status"] == "clean" and not line["is_cancellation"] and line["is_product"] and line["unit_price"] > 0
        if line["quantity"] > 0
    }
    assert sorted(row["customer_id"] for row in scores) == sorted(bought)
    assert {row["cutoff"] for row in scores} == {date(2011, 12, 10)}
    for row in scores:
        assert row["probabilities"][row["categories"].index(row["category"])] == row["category_probability"]
        assert row["category_probability"] == max(row["probabilities"])
        assert sum(row["probabilities"]) == pytest.approx(1.0) and 0 < row["order_probability"] < 1
        assert 0 <= row["expected_days"] <= 29


def test_the_report_shows_the_baselines(ran):
    _, entries = ran
    page = Path(entries["report"].detail["path"]).read_text(encoding="utf-8")
    for words in ("own last category", "own mean gap, else the median", "most frequent category", "When they order"):
        assert words in page


def test_law_3_nothing_changed_means_no_stage_runs(spark, ran):
    config, _ = ran
    assert {entry.outcome for entry in run_all(config, session=spark)} == {"unchanged"}
    assert "rows" in planned_sequences(Run(config))


def test_law_9_orders_are_read_as_the_model_learnt_them_whatever_is_configured_now(spark, ran):
    config, entries = ran
    other = ["sequences.code_characters=2", "sequences.history=2", "score.cutoff=2011-12-10"]
    (again,) = run_stages(load(CONF, [*QUICK, *other], warehouse=config.warehouse), ["score"], session=spark)
    assert again.outcome == "published" and again.detail["horizon_days"] == 30
    before, after = (
        sorted(table(config, entry, "scores/next_orders"), key=lambda row: row["customer_id"])
        for entry in (entries["score"], again)
    )
    assert before == after


def test_a_later_model_is_judged_by_all_of_its_heads(spark, ran):
    config, entries = ran
    run_stages(load(CONF, [*QUICK, "train.epochs=1"], warehouse=config.warehouse), ["train"], session=spark)
    ledger = Ledger(Lake(config.warehouse))
    first, later = (entry.detail["gate"] for entry in ledger.entries() if entry.stage == "promote")
    assert first is None
    assert later["metric"] == "comes log_loss + category log_loss + days squared_error"
    assert later["rows"] == entries["features"].counts["test"] == later["groups"]
    # The current model's figure is its validation loss' own sum, of the test split.
    heads = entries["train"].detail["metrics"]["test"]["heads"]
    expected = heads["comes"]["log_loss"] + heads["category"]["log_loss"] + 0.01 * heads["days"]["mse"]
    assert later["current"] == pytest.approx(expected, abs=1e-9)


def test_a_horizon_that_the_orders_do_not_reach_is_refused(spark, ran):
    config, _ = ran
    settings = [*QUICK, "sequences.test_cutoff=2011-12-05"]
    with pytest.raises(InputError, match=r"sequences\.test_cutoff[\s\S]*2011-12-05"):
        execute(SEQUENCES, Run(load(CONF, settings, warehouse=config.warehouse), session=spark))
