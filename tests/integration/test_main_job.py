"""The main job on real input and on a generated shop: its known figures, its laws in the ledger, and doing it twice."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from ringmill.config import load
from ringmill.lake.ledger import Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline.run import run_all

pytestmark = [pytest.mark.spark, pytest.mark.ring]
CONF = Path(__file__).parents[2] / "conf"
TABLES = ("clean/rows", "rfm/customers", "features/customers", "scores/customers")


def versions(warehouse):
    return {table: DeltaTable(f"{warehouse}/{table}").version() for table in TABLES}


@pytest.fixture(scope="module")
def real_job(spark, tmp_path_factory, online_retail):
    """Online Retail through all stages, once, in a barrier stage of two ranks: configuration and entries by stage."""
    data = online_retail / "online_retail.parquet"
    config = load(CONF / "online_retail.yaml", [f"raw.path={data}"], warehouse=str(tmp_path_factory.mktemp("real")))
    return config, {entry.stage: entry for entry in run_all(config, session=spark)}


def test_law_1_online_retails_lines_are_all_accounted_for(real_job):
    _, entries = real_job
    counts = entries["clean"].counts
    assert counts["raw"] == 541_909 == counts["clean"] + counts["rejected"] + counts["duplicate"] + counts["superseded"]
    assert counts["duplicate"] == 5_268
    assert entries["clean"].laws["law 1"]["raw"] == 541_909


def test_online_retails_sales_have_the_published_figures(real_job, spark):
    config, entries = real_job
    customers = spark.read.format("delta").load(f"{config.warehouse}/rfm/customers")
    row = customers.selectExpr("count(*) n", "sum(order_count) orders", "round(sum(spend_total), 2) spend").collect()[0]
    assert (row["n"], row["orders"], row["spend"]) == (4_338, 18_532, 8_887_208.89)
    rows = spark.read.format("delta").load(f"{config.warehouse}/clean/rows")
    sales = rows.where("status = 'clean' AND NOT is_cancellation AND quantity > 0 AND unit_price > 0")
    assert sales.count() == 392_692
    assert entries["rfm"].detail["cutoff"] == "2011-12-10"


def test_who_cancelled_a_great_order_within_minutes_is_no_champion(real_job, spark):
    config, _ = real_job
    customers = spark.read.format("delta").load(f"{config.warehouse}/rfm/customers")
    rows = customers.where("customer_id IN ('16446', '12346')").collect()
    found = {row["customer_id"]: row for row in rows}
    # 80,995 and 74,215 pieces, each taken back by a cancellation that is linked to its order.
    assert {customer: row["spend_total"] > 70_000 for customer, row in found.items()} == {"16446": True, "12346": True}
    assert all(row["spend_net"] < 100 and row["segment"] != "champions" for row in rows)


def test_law_2_the_repurchase_task_has_its_known_size_and_no_customer_in_two_splits(real_job, spark):
    config, entries = real_job
    features = spark.read.format("delta").load(f"{config.warehouse}/features/customers")
    row = features.selectExpr("count(*) n", "avg(label_buy) bought", "count(DISTINCT customer_id) people").collect()[0]
    assert (row["n"], row["people"], round(row["bought"], 3)) == (3_370, 3_370, 0.569)
    proof = entries["features"].laws["law 2"]
    assert (proof["kind"], proof["customers_in_two_splits"]) == ("group", 0)
    assert proof["2011-09-10"]["latest_event"] == "2011-09-09 14:53:00+00:00"


def test_laws_4_and_8_every_row_is_seen_once_an_epoch_and_none_is_copied(real_job):
    _, entries = real_job
    laws, rows = entries["train"].laws, entries["train"].counts
    assert laws["law 4"]["rows_seen_in_each_epoch"] == [rows["train"]] == [entries["features"].counts["train"]]
    assert laws["law 8"]["bytes_written_while_reading"] == 0


def test_every_customer_is_scored_those_first_seen_after_training_included(real_job, spark):
    config, _ = real_job
    scores = spark.read.format("delta").load(f"{config.warehouse}/scores/customers")
    customers = spark.read.format("delta").load(f"{config.warehouse}/rfm/customers")
    assert scores.count() == 4_338
    assert customers.join(scores, "customer_id", "left_anti").count() == 0
    bad = scores.where("buy_probability NOT BETWEEN 0 AND 1 OR expected_spend < 0 OR isnan(expected_spend)")
    assert bad.count() == 0


def test_bg_nbd_stands_beside_the_network_for_every_test_row_and_on_the_page(real_job):
    config, entries = real_job
    rows = pq.read_table(Path(config.warehouse) / entries["train"].detail["model"] / "evaluation.parquet")
    assert rows.num_rows == entries["features"].counts["test"]
    probability, spend, bought = (rows[name].to_numpy() for name in ("bgnbd_probability", "bgnbd_spend", "label_buy"))
    assert ((probability >= 0) & (probability <= 1)).all() and (spend >= 0).all()
    assert probability[bought == 1].mean() > 1.2 * probability[bought == 0].mean()
    assert "<td>BG/NBD</td>" in Path(entries["report"].detail["path"]).read_text(encoding="utf-8")


def test_the_report_stands_alone(real_job):
    _, entries = real_job
    page = Path(entries["report"].detail["path"]).read_text(encoding="utf-8")
    for heading in (
        "What came in",
        "Segments",
        "Training",
        "Who will buy again",
        "How much",
        "Customers at risk",
        "Cohorts",
        "Lifetime value",
    ):
        assert f">{heading}</h2>" in page
    head = page[: page.index("<script>")] + page[page.index("</script>") :]
    assert "src=" not in head
    assert "541,909" in page


def test_law_3_a_second_run_commits_to_no_table_and_says_unchanged(real_job):
    config, first = real_job
    before = versions(config.warehouse)
    again = {entry.stage: entry for entry in run_all(config)}  # no session: none may be needed
    assert {entry.outcome for entry in again.values()} == {"unchanged"}
    assert versions(config.warehouse) == before
    assert again["train"].outputs == first["train"].outputs
    ledger = Ledger(Lake(config.warehouse)).entries()
    # Six stages, and the promotion of the model, which is decided once.
    assert [entry.outcome for entry in ledger] == ["published"] * 7 + ["unchanged"] * 6
    assert [entry.stage for entry in ledger].count("promote") == 1


def test_law_3_a_setting_of_one_stage_runs_that_stage_and_what_follows_from_it(real_job, spark):
    config, _ = real_job
    before = versions(config.warehouse)
    changed = config.model_copy(update={"rfm": config.rfm.model_copy(update={"segments": config.rfm.segments[::-1]})})
    outcomes = {entry.stage: entry.outcome for entry in run_all(changed, session=spark)}
    assert {stage for stage, outcome in outcomes.items() if outcome == "published"} == {"rfm", "report"}
    assert {table for table, version in versions(config.warehouse).items() if version != before[table]} == {
        "rfm/customers"
    }
