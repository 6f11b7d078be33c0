"""Law 2 through the whole pipeline: what is put into raw at or after the cutoff, or becomes known then, moves nothing.

One warehouse is fed with honest lines in one file; the other with the same lines in other files and another order, and
with poison among them.
"""

from __future__ import annotations

import csv
import random
from datetime import date, datetime, timedelta

import pytest
from pyspark.sql import functions as F

from ringmill.config import load
from ringmill.pipeline.clean import CLEAN
from ringmill.pipeline.features import FEATURES
from ringmill.pipeline.rfm import RFM
from ringmill.pipeline.stage import Run, execute

pytestmark = pytest.mark.spark
CUTOFF, MIDNIGHT = date(2024, 3, 31), datetime(2024, 3, 31)  # summer time begins an hour after that midnight
KINDS = ("late", "new", "then", "back", "gone")
TABLES = ("rows", "cancellations")
NAMES = ["line", "order", "product", "pieces", "price", "customer", "country", "at", "known"]
CONF = """
pipeline: leak
warehouse: {folder}/warehouse
zone: Europe/London
raw:
  path: {folder}/raw
  columns: {{line_id: line, order_id: order, product_id: product, quantity: pieces, unit_price: price,
    customer_id: customer, country: country, ordered_at: at, known_at: known}}
clean: {{key: [line_id], keep: last}}
rfm: {{cutoff: 2024-03-31, cutoffs: [2024-02-15], lifetime: {{least_repeat_customers: 10}}}}
features:
  train_cutoffs: [2024-03-31]
  horizon_days: 30
  last_orders: 3
  snapshots: [spend_net, order_count_net]
  folds: 2
  set:
  - {{kind: zscore, columns: [spend_total, order_count, days_since_last_order], log1p: true}}
  - {{kind: robust, columns: [spend_net], name: net, "null": 0}}
  - {{kind: quantile_bins, columns: [order_count_net], bins: 3, name: net orders, "null": 0}}
  - {{kind: frequency, columns: [country], name: share of country}}
  - {{kind: sequence, columns: [last_orders_gap_days, last_orders_spend], name: orders, length: 3, "null": 0}}
  - {{kind: token_ids, columns: [last_orders_product], name: products, length: 3}}
  - {{kind: pca, columns: [spend_total, order_count], components: 1, name: size}}
  - {{kind: lifetime, columns: [active_days, tenure_days, days_since_last_order], least_repeat_customers: 10,
    name: "foreseen {{output}}"}}
"""


def honest_lines():
    """Orders of 60 customers from January to a month after the cutoff, some taken back; all known as they happened."""
    draw = random.Random(11)
    for customer in range(60):
        at = datetime(2024, 1, 1) + timedelta(days=draw.random() * 40)
        number = 0
        while at < datetime(2024, 5, 15):
            number += 1
            for product in range(draw.randint(1, 3)):
                order = f"{customer}-{number}"
                price, country = draw.choice(["1.25", "3.10", "7.45"]), draw.choice(["France", "Spain"])
                pieces = draw.randint(1, 9)
                yield [f"{order}-{product}", order, f"P{product}", pieces, price, customer, country, at, at]
                if number % 3 == 0:
                    back, then = [f"C{order}", f"P{product}", -draw.randint(1, pieces)], at + timedelta(days=2)
                    yield [f"{order}-{product}-back", *back, price, customer, country, then, then]
            at += timedelta(days=draw.expovariate(1 / 25))


def lines_before(lines):
    """Sales before the cutoff."""
    return [line for line in lines if line[7] < MIDNIGHT and line[3] > 0]


def poison(lines):
    """Late lines, lines at the cutoff's midnight and after, cancellations and corrections; all of them huge."""
    for number, line in enumerate(lines_before(lines)[::5]):
        late = [f"late-{number}", f"L{number}", "P0", 5_000, "99.00", line[5], "Mars", line[7], MIDNIGHT]
        yield late
        yield [f"new-{number}", f"N{number}", "P0", 5_000, "99.00", 1_000 + number, "Mars", line[7], MIDNIGHT]
        yield [f"then-{number}", f"T{number}", "P9", 5_000, "99.00", line[5], "Mars", MIDNIGHT, MIDNIGHT]
        yield [f"back-{number}", f"C{number}", line[2], -line[3], line[4], line[5], "Mars", MIDNIGHT, MIDNIGHT]
        # taken back before the cutoff, which nobody knew then
        yield [f"gone-{number}", f"CG{number}", line[2], -line[3], line[4], line[5], "Mars", line[7], MIDNIGHT]
        # the same line sent again, with other pieces: what was known at the cutoff stands
        yield [*line[:3], 7_000, "99.00", line[5], "Mars", line[7], MIDNIGHT + timedelta(days=2)]


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([NAMES, *lines])


def through(spark, folder):
    (folder / "conf.yaml").write_text(CONF.format(folder=folder), encoding="utf-8")
    run = Run(load(folder / "conf.yaml"), session=spark)
    try:
        execute(CLEAN, run)
        entries = [execute(RFM, run), execute(FEATURES, run)]
    finally:
        run.close()
    tables = {path: version for entry in entries for path, version in entry.outputs.items()}
    found = {}
    for path, version in tables.items():
        rows = run.lake.read(spark, path, version).drop("label_buy", "label_spend")
        found[path] = sorted(repr(row) for row in rows.collect())
    return found, entries


def test_law_2_poison_in_raw_at_or_after_the_cutoff_or_late_moves_no_feature(spark, tmp_path):
    lines = list(honest_lines())
    write(tmp_path / "honest" / "raw" / "orders.csv", lines)
    mixed = [*lines, *poison(lines)]
    random.Random(2).shuffle(mixed)
    for number, part in enumerate((mixed[::3], mixed[1::3], mixed[2::3])):
        write(tmp_path / "poisoned" / "raw" / f"part-{number}.csv", part)
    honest, entries = through(spark, tmp_path / "honest")
    poisoned, others = through(spark, tmp_path / "poisoned")
    assert set(honest) == {"rfm/customers", "rfm/lifetime", "rfm/cohorts", "features/customers"}
    for path, rows in honest.items():
        assert len(rows) > 2, path
        assert rows == poisoned[path], path
    for one, other in zip(entries, others, strict=True):
        kept = ("thresholds", "clusters", "lifetime", "state")
        assert [one.detail.get(name) for name in kept] == [other.detail.get(name) for name in kept]
    assert entries[0].detail["lifetime"]["purchases"] is not None
    assert len(entries[1].detail["names"]) > 10
    # All of it was taken in, and of the honest orders some pieces had been taken back.
    rows, links = (spark.read.format("delta").load(f"{tmp_path}/poisoned/warehouse/clean/{name}") for name in TABLES)
    taken = rows.where("country = 'Mars' AND status = 'clean'")
    kinds = {row[0]: row[1] for row in taken.groupBy(F.substring_index("line_id", "-", 1)).count().collect()}
    count = len(lines_before(lines)[::5])
    assert {kind: kinds[kind] for kind in KINDS} == dict.fromkeys(KINDS, count)
    assert rows.where("status = 'superseded'").count() == rows.where("quantity = 7000").count() == count
    assert links.where("cancellation_id LIKE 'CG%' AND order_id IS NOT NULL").count() > 0
    customers = spark.read.format("delta").load(f"{tmp_path}/honest/warehouse/rfm/customers")
    assert customers.where("order_count_net < order_count").count() > 0
