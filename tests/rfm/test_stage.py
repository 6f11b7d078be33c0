"""The stage rfm on a small warehouse: one snapshot per cutoff, kept, replaced alone, and read by what follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from pyspark.sql import functions as F

from ringmill.config import load
from ringmill.contracts import CLEAN_CANCELLATIONS
from ringmill.errors import ConfigError, InputError
from ringmill.lake.ledger import Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline.clean import CLEAN
from ringmill.pipeline.lines import in_one_currency, line_inputs, priced_lines
from ringmill.pipeline.report import customer_sections
from ringmill.pipeline.rfm import RFM
from ringmill.pipeline.stage import Run, execute
from rows import clean_rows

pytestmark = pytest.mark.spark
CONF = """
pipeline: tiny
warehouse: {folder}/warehouse
zone: Europe/London
raw:
  path: {folder}/orders.csv
  columns: {{order_id: order, product_id: product, quantity: pieces, unit_price: price, customer_id: customer,
    ordered_at: at}}
features: {{train_cutoffs: [2024-02-01]}}
"""
ORDERS = """order,product,pieces,price,customer,at
1,A,1,10.00,ann,2024-01-05 10:00:00
2,A,2,10.00,bob,2024-01-20 10:00:00
3,A,3,10.00,ann,2024-02-10 10:00:00
4,A,4,10.00,cid,2024-03-31 23:30:00
"""


@pytest.fixture
def warehouse(tmp_path):
    (tmp_path / "orders.csv").write_text(ORDERS, encoding="utf-8")
    (tmp_path / "conf.yaml").write_text(CONF.format(folder=tmp_path), encoding="utf-8")
    return tmp_path


def run_rfm(spark, folder, *settings):
    run = Run(load(folder / "conf.yaml", settings), session=spark)
    try:
        execute(CLEAN, run)
        return execute(RFM, run)
    finally:
        run.close()


def snapshots(spark, folder, entry):
    rows = spark.read.format("delta").option("versionAsOf", entry.outputs["rfm/customers"])
    found = rows.load(f"{folder}/warehouse/rfm/customers").select("cutoff", "customer_id", "spend_total").collect()
    kept = {}
    for row in found:
        kept.setdefault(str(row["cutoff"]), {})[row["customer_id"]] = row["spend_total"]
    return kept


JANUARY = {"ann": 10.0, "bob": 20.0}
FEBRUARY = {"ann": 40.0, "bob": 20.0}


def test_month_ends_are_snapshots_beside_the_cutoffs_and_the_default(spark, warehouse):
    months = "rfm.month_ends={first: 2024-01-15, last: 2024-02-01}"
    entry = run_rfm(spark, warehouse, months, "rfm.cutoffs=[2024-02-11]")
    assert snapshots(spark, warehouse, entry) == {
        "2024-02-01": JANUARY,
        "2024-02-11": FEBRUARY,
        "2024-03-01": FEBRUARY,
        "2024-04-01": FEBRUARY | {"cid": 40.0},  # summer time began that morning: 23:30 is 22:30 UTC
    }
    assert entry.detail["cutoff"] == "2024-04-01"
    assert entry.detail["snapshots"] == {"2024-02-01": 2, "2024-02-11": 2, "2024-03-01": 2, "2024-04-01": 3}
    assert entry.laws["law 2"]["2024-04-01"] == {
        "latest_event": "2024-03-31 22:30:00+00:00",
        "latest_known": "2024-03-31 22:30:00+00:00",
        "cutoff_instant": "2024-03-31 23:00:00+00:00",
    }


def test_a_snapshot_replaces_that_of_its_cutoff_alone(spark, warehouse):
    run_rfm(spark, warehouse, "rfm.cutoff=2024-02-01")
    run_rfm(spark, warehouse, "rfm.cutoff=2024-03-01")
    (warehouse / "orders.csv").write_text(ORDERS + "5,A,5,10.00,bob,2024-01-21 10:00:00\n", encoding="utf-8")
    entry = run_rfm(spark, warehouse, "rfm.cutoff=2024-03-01")
    assert snapshots(spark, warehouse, entry) == {"2024-02-01": JANUARY, "2024-03-01": {"ann": 40.0, "bob": 70.0}}
    assert entry.detail["snapshots"] == {"2024-02-01": 2, "2024-03-01": 2}


def test_segments_with_a_gap_end_the_stage_before_anything_is_published(spark, warehouse):
    gap = "rfm.segments=[{name: some, r: 2-5}, {name: others, r: '1', f: 1-4}]"
    with pytest.raises(ConfigError, match=r"rfm\.segments[\s\S]*none for r=1, f=5, m=1"):
        run_rfm(spark, warehouse, gap)
    assert not (warehouse / "warehouse" / "rfm").exists()


@pytest.mark.long
def test_what_a_failed_run_committed_is_not_built_upon(spark, warehouse):
    run_rfm(spark, warehouse, "rfm.cutoff=2024-02-01")
    with pytest.raises(InputError, match=r"No customer[\s\S]*rfm\.cutoffs"):
        # The first event lies on 5 January, so that a cutoff may stand on the 6th; what is known of it came later.
        known = ORDERS.replace(",at\n", ",at,known\n").replace(":00\n", ":00,2024-02-15 00:00:00\n")
        (warehouse / "orders.csv").write_text(known, encoding="utf-8")
        run_rfm(
            spark,
            warehouse,
            "rfm.cutoffs=[2024-01-06,2024-02-20]",
            "rfm.cutoff=2024-03-01",
            "raw.columns.known_at=known",
        )
    (warehouse / "orders.csv").write_text(ORDERS, encoding="utf-8")
    entry = run_rfm(spark, warehouse, "rfm.cutoff=2024-03-01")
    assert snapshots(spark, warehouse, entry) == {"2024-02-01": JANUARY, "2024-03-01": FEBRUARY}


def test_links_that_clean_publishes_leave_a_cancelled_bulk_buyer_no_champion(spark, warehouse):
    bulk = "8,A,80995,2.08,bulk,2024-03-30 10:00:00\nC9,A,-80995,2.08,bulk,2024-03-30 10:12:00\n"
    (warehouse / "orders.csv").write_text(ORDERS + bulk, encoding="utf-8")
    link = {
        "customer_id": "bulk",
        "product_id": "A",
        "cancellation_id": "C9",
        "cancelled_at": "2024-03-30 10:12:00",
        "order_id": "8",
        "ordered_at": "2024-03-30 10:00:00",
        "order_price": 2.08,
        "pieces": 80_995,
        "known_at": "2024-03-30 10:12:00",
    }
    run = Run(load(warehouse / "conf.yaml"), session=spark)
    try:
        clean = execute(CLEAN, run)
        links = spark.range(1).select(*(F.lit(link.get(c.name)).alias(c.name) for c in CLEAN_CANCELLATIONS.columns))
        outputs = {**clean.outputs, CLEAN_CANCELLATIONS.path: run.lake.write(links, CLEAN_CANCELLATIONS, run_id="x")}
        run.ledger.append(replace(clean, outputs=outputs, started_at=datetime.now(UTC)))
        entry = execute(RFM, run)
        rows = run.lake.read(spark, "rfm/customers", entry.outputs["rfm/customers"]).collect()
    finally:
        run.close()
    found = {row["customer_id"]: row for row in rows}
    bought = found["bulk"]
    assert (bought["spend_total"], bought["spend_net"], bought["order_count_net"]) == (168_469.6, 0.0, 0)
    assert (bought["segment"], bought["cluster"]) == ("lost", None)
    assert (found["ann"]["order_count_net"], found["ann"]["spend_net"]) == (2, 40.0)
    assert CLEAN_CANCELLATIONS.path in entry.inputs


def test_law_3_the_same_snapshots_again_commit_to_no_table(spark, warehouse):
    first = run_rfm(spark, warehouse, "rfm.cutoffs=[2024-02-01]")
    again = run_rfm(spark, warehouse, "rfm.cutoffs=[2024-02-01]")
    assert (first.outcome, again.outcome) == ("published", "unchanged")
    assert first.outputs == again.outputs


@pytest.mark.long
def test_thresholds_are_kept_from_the_first_run_until_refitted_or_fixed(spark, warehouse):
    first = run_rfm(spark, warehouse, "rfm.cutoff=2024-02-01")
    later = run_rfm(spark, warehouse, "rfm.cutoff=2024-03-01")
    refitted = run_rfm(spark, warehouse, "rfm.cutoff=2024-03-01", "rfm.scores.refit=true")
    assert first.detail["thresholds"]["m"] == pytest.approx([12, 14, 16, 18])
    assert later.detail["thresholds"] == first.detail["thresholds"]
    assert refitted.detail["thresholds"]["m"] == pytest.approx([24, 28, 32, 36])
    fixed = "rfm.scores.thresholds={r: [1, 2, 3, 4], f: [1, 2, 3, 4], m: [1, 2, 3, 4]}"
    assert run_rfm(spark, warehouse, fixed).detail["thresholds"]["m"] == (1, 2, 3, 4)


def lines_in(spark, *codes):
    rows = clean_rows(spark, *({"order_id": code} for code in codes))
    return rows.withColumn("currency", F.col("order_id"))


def test_amounts_are_converted_where_rates_are_configured_and_several_currencies_without_are_an_error(spark, warehouse):
    (warehouse / "rates.csv").write_text("currency,valid_from,rate\nEUR,2024-01-01,0.5\n", encoding="utf-8")
    rates = f"rfm.currency={{into: GBP, rates: {warehouse / 'rates.csv'}}}"
    counted = "rfm.free_orders=count"
    plain, rated, giving = (
        Run(load(warehouse / "conf.yaml", more), session=spark) for more in ([], [rates], [rates, counted])
    )
    both, one = lines_in(spark, "GBP", "EUR"), lines_in(spark, "EUR", "EUR")
    converted = {row["order_id"]: row["line_total"] for row in in_one_currency(rated, both).collect()}
    assert converted == {"GBP": 10.0, "EUR": 5.0}
    assert in_one_currency(plain, one) is one
    with pytest.raises(InputError, match=r"several currencies[\s\S]*EUR and GBP"):
        in_one_currency(plain, both)
    with pytest.raises(InputError, match="no rate for the currency USD"):
        in_one_currency(rated, lines_in(spark, "GBP", "USD"))
    with pytest.raises(ConfigError, match="lines without it"):
        in_one_currency(rated, clean_rows(spark, {}))
    gift = lines_in(spark, "GBP", "USD").withColumn(
        "unit_price", F.when(F.col("currency") == "USD", 0.0).otherwise(1.0)
    )
    assert in_one_currency(rated, gift).count() == 2
    with pytest.raises(InputError, match="no rate for the currency USD"):
        in_one_currency(giving, gift)
    for run in (plain, rated, giving):
        run.close()


SHOPS = """order,product,pieces,price,customer,at,code,shop
1,A,10,10.00,ann,2024-01-05 10:00:00,EUR,north
1,B,1,7.00,ann,2024-01-05 11:00:00,GBP,south
C1,A,-4,10.00,ann,2024-01-06 10:00:00,EUR,north
2,A,2,10.00,bob,2024-01-20 10:00:00,GBP,north
C2,A,-2,10.00,bob,2024-01-21 10:00:00,EUR,north
3,A,3,10.00,ann,2024-02-10 10:00:00,EUR,north
4,A,4,10.00,cid,2024-03-31 23:30:00,GBP,north
"""


def test_currencies_and_stores_from_raw_files_to_net_spend_and_features(spark, warehouse):
    (warehouse / "orders.csv").write_text(SHOPS, encoding="utf-8")
    days = "currency,valid_from,rate\nEUR,2024-01-01,0.5\nEUR,2024-01-06,0.25\n"
    (warehouse / "rates.csv").write_text(days, encoding="utf-8")
    settings = [
        "raw.extras={currency: {column: code, type: string}, store_id: {column: shop, type: string}}",
        "clean.cancellation=\"order_id LIKE 'C%'\"",
        f"rfm.currency={{into: GBP, rates: {warehouse / 'rates.csv'}}}",
        "rfm.cutoff=2024-02-01",
    ]
    run = Run(load(warehouse / "conf.yaml", settings), session=spark)
    try:
        execute(CLEAN, run)
        entry = execute(RFM, run)
        rows = {
            row["customer_id"]: row
            for row in run.lake.read(spark, "rfm/customers", entry.outputs["rfm/customers"]).collect()
        }
        measures = {row["customer_id"]: row for row in summarise(run).collect()}
    finally:
        run.close()
    ann, bob = rows["ann"], rows["bob"]
    # 10 pieces at half of 10, one at 7, in two stores: two orders; 4 pieces are taken back at their own day's rate.
    assert (ann["spend_total"], ann["order_count"], ann["spend_net"]) == (57.0, 2, 37.0)
    # What was taken back in euros was not bought in pounds.
    assert (bob["spend_total"], bob["spend_net"], bob["order_count_net"]) == (20.0, 20.0, 1)
    assert [one["name"] for one in entry.inputs["rates"]] == ["rates.csv"]
    assert entry.laws["law 2"]["2024-02-01"]["latest_known"] == "2024-01-21 10:00:00+00:00"
    assert (measures["ann"]["spend_total"], measures["ann"]["order_count"], measures["ann"]["label_spend"]) == (
        57.0,
        2.0,
        7.5,
    )


def summarise(run):
    """The measures of the stage features, from the lines that it reads."""
    from ringmill.features.events import summarise_measures

    lines = priced_lines(run, line_inputs(run)["clean/rows"])
    return summarise_measures(lines, [date(2024, 2, 1)], windows_days=[30], horizon_days=30, zone=run.config.zone)


def test_a_cutoff_before_the_data_is_an_error_that_names_its_key(spark, warehouse):
    with pytest.raises(InputError, match=r"rfm\.cutoffs"):
        run_rfm(spark, warehouse, "rfm.cutoffs=[2023-01-01]")


def write_three_kinds(folder):
    """Eight customers who came often and lately, eight who came now and then, eight who came once, long ago."""
    days = {"often": range(1, 80, 3), "now and then": range(10, 60, 20), "once": (2,)}
    lines = [
        f"{kind}-{who}-{day},A,{1 + who % 3},10.00,{kind} {who},{date(2024, 1, 1) + timedelta(days=day)} 10:00:00"
        for kind, its in days.items()
        for who in range(8)
        for day in its
    ]
    (folder / "orders.csv").write_text("\n".join([ORDERS.splitlines()[0], *lines]) + "\n", encoding="utf-8")


def test_clusters_keep_the_names_of_the_last_run_that_was_published(spark, warehouse):
    write_three_kinds(warehouse)

    def names_of(entry):
        rows = spark.read.format("delta").option("versionAsOf", entry.outputs["rfm/customers"])
        found = rows.load(f"{warehouse}/warehouse/rfm/customers").where(F.col("cutoff") == entry.detail["cutoff"])
        return {row["customer_id"].rsplit(" ", 1)[0]: row["cluster"] for row in found.collect()}

    first = run_rfm(spark, warehouse, "rfm.clusters.k=3", "rfm.cutoff=2024-03-05")
    names = names_of(first)
    assert len(set(names.values())) == 3 and set(names.values()) == set(first.detail["clusters"]["names"])
    # As if a person had called them so: nothing but the last run can know these names.
    given = {name: f"given {place}" for place, name in enumerate(first.detail["clusters"]["names"])}
    detail = {**first.detail, "clusters": {**first.detail["clusters"], "names": list(given.values())}}
    ledger = Ledger(Lake(f"{warehouse}/warehouse"))
    ledger.append(replace(first, detail=detail, run_id="x", started_at=datetime.now(UTC)))
    later = run_rfm(spark, warehouse, "rfm.clusters.k=3", "rfm.cutoff=2024-03-08")
    assert later.detail["cutoff"] == "2024-03-08"
    assert names_of(later) == {kind: given[name] for kind, name in names.items()}


def test_the_report_holds_the_newest_snapshot_against_the_one_before_it(spark, warehouse):
    run = Run(load(warehouse / "conf.yaml", ("rfm.cutoffs=[2024-02-01,2024-03-01]",)), session=spark)
    try:
        execute(CLEAN, run)
        entry = execute(RFM, run)
        assert sorted(entry.detail["snapshots"]) == ["2024-02-01", "2024-03-01", "2024-04-01"]
        shown = [("cutoff", "=", date(2024, 4, 1))]
        customers = run.lake.read_arrow("rfm/customers", entry.outputs["rfm/customers"], where=shown)
        segments, *_ = customer_sections(run, entry, customers)
    finally:
        run.close()
    texts = [block.text for block in segments.blocks]
    assert any("customers who came and left since 2024-03-01" in text for text in texts)
    assert any(block.title == "Movement" and "since 2024-03-01" in block.text for block in segments.blocks)
    assert not any("2024-02-01" in text for text in texts)
