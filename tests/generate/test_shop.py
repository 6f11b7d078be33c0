"""The made-up shop: exact counts, the same bytes every time, customers who can be predicted, planted defects."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from ringmill.clean import clean_rows
from ringmill.clean.detection import summarise_detection
from ringmill.config import load
from ringmill.config.models import Generate
from ringmill.generate import is_written, orders_path, planted_path, write_shop
from ringmill.generate.catalogue import countries
from ringmill.generate.customers import draw_customers, draw_orders, rate_scale
from ringmill.generate.defects import KINDS, NONE, choose_kinds, swap_day_and_month, swappable
from ringmill.generate.lines import DAY, blocks_of, draw_lines
from ringmill.generate.shop import make_block
from ringmill.generate.text import HEADER, csv_lines, planted_lines
from ringmill.lake.files import find_source, fingerprint
from ringmill.lake.raw import read_raw

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONF = Path(__file__).resolve().parents[2] / "conf" / "default.yaml"
HARD = ("near_duplicate_key", "plausible_outlier", "day_month_swapped")


def seconds(text: str) -> int:
    return int(np.datetime64(text, "s").astype(np.int64))


@pytest.mark.parametrize(
    ("customers", "lines", "per_block"),
    [(1, 1, 50), (7, 3, 1), (5_000, 200_000, 50_000), (10, 101, 20), (3, 1_000, 10)],
)
def test_blocks_hold_all_customers_and_lines_exactly_once(customers: int, lines: int, per_block: int) -> None:
    blocks = blocks_of(customers, lines, lines_per_block=per_block)
    assert sum(block.customers for block in blocks) == customers
    assert sum(block.lines for block in blocks) == lines
    assert all(block.customers > 0 and block.lines > 0 for block in blocks)
    ends = [(block.first_customer + block.customers, block.first_line + block.lines) for block in blocks]
    assert [(block.first_customer, block.first_line) for block in blocks] == [(0, 0), *ends[:-1]]


@pytest.mark.parametrize(("customers", "lines"), [(1, 1), (500, 30), (30, 5_000)])
def test_a_block_has_exactly_the_lines_it_was_asked_for_within_the_period(customers: int, lines: int) -> None:
    (block,) = blocks_of(customers, lines, lines_per_block=lines)
    scale = rate_scale(3, customers=customers, lines=lines, days=10)
    drawn = draw_lines(np.random.default_rng(3), block, days=10, scale=scale, start=20_000)
    assert drawn.line.tolist() == list(range(lines))
    assert (drawn.ordered // DAY).min() >= 20_000
    assert (drawn.ordered // DAY).max() < 20_010
    assert (drawn.quantity >= 1).all()
    assert (drawn.known > drawn.ordered).all()
    hours = drawn.ordered % DAY // 3_600
    assert hours.min() >= 8
    assert hours.max() < 19
    assert len(set(zip(drawn.order, drawn.customer, drawn.ordered, strict=True))) == len(set(drawn.order))


def test_who_comes_back_can_be_learned_from_recency() -> None:
    scale = rate_scale(1, customers=5_000, lines=200_000, days=540)
    customers = draw_customers(np.random.default_rng(1), 5_000, 540, countries()[1])
    orders = draw_orders(np.random.default_rng(2), customers, scale, at_most=10**9)
    assert 4.5 < len(orders.customer) / 5_000 < 5.5  # eight lines each make 200,000
    before, after = orders.moment < 450, orders.moment >= 450
    last = np.full(5_000, -np.inf)
    np.maximum.at(last, orders.customer[before], orders.moment[before])
    active, again = last >= 0, np.isin(np.arange(5_000), orders.customer[after])
    assert 0.3 < again[active].mean() < 0.6
    assert 0.72 < roc_auc_score(again[active], last[active]) < 0.85


def test_day_and_month_swap_to_a_date_that_exists_and_back() -> None:
    dates = ["2024-01-02 10:00:00", "2024-12-12 10:00:00", "2024-02-29 23:59:59", "2023-03-12 00:00:00"]
    given = np.array([seconds(date) for date in dates])
    assert swappable(given).tolist() == [True, False, False, True]
    swapped = swap_day_and_month(given)
    assert swapped.tolist() == [
        seconds(date) for date in ["2024-02-01 10:00:00", dates[1], dates[2], "2023-12-03 00:00:00"]
    ]
    assert swap_day_and_month(swapped).tolist() == given.tolist()


def test_each_kind_gets_its_share_and_a_line_has_at_most_one() -> None:
    (block,) = blocks_of(200, 20_000, lines_per_block=20_000)
    drawn = draw_lines(np.random.default_rng(1), block, days=365, scale=0.01, start=19_723)
    accented = np.arange(20_000) % 5 == 0
    kind = choose_kinds(np.random.default_rng(1), drawn, share=0.01, accented=accented)
    assert Counter(kind.tolist()) == dict.fromkeys(range(len(KINDS)), 200) | {NONE: 20_000 - 200 * len(KINDS)}
    assert accented[kind == KINDS.index("mixed_encoding")].all()
    none = choose_kinds(np.random.default_rng(1), drawn, share=0.0, accented=accented)
    assert (none == NONE).all()


def test_the_text_of_a_block_is_csv_whose_planted_lines_show_their_defects() -> None:
    generate = Generate(customers=200, lines=5_000, defect_share=0.02)
    (block,) = blocks_of(200, 5_000, lines_per_block=5_000)
    rng, rows = make_block(generate, 1, 0.01, block)
    raw = csv_lines(rng, rows).to_pylist()
    assert len(raw) == len(rows.kind) > 5_000
    texts = []
    for line in raw:
        try:
            texts.append(line.decode())
        except UnicodeDecodeError:
            texts.append(line.decode("cp1252"))
    lines = [dict(zip([name.decode() for name in HEADER], cells, strict=True)) for cells in csv.reader(texts)]
    by_id = {line["line_id"]: line for line in lines}
    planted: dict[str, list[str]] = {}
    for row in planted_lines(rows).to_pylist():
        planted.setdefault(row["kind"], []).append(row["line_id"])
    assert {kind: len(ids) for kind, ids in planted.items()} == dict.fromkeys(KINDS, 100) | {"missing_customer": 200}
    assert all(by_id[line]["customer_id"] == "" for line in planted["missing_customer"])
    assert all(
        by_id[line]["order_id"][0] == "C" and int(by_id[line]["quantity"]) < 0 for line in planted["cancellation"]
    )
    assert all(by_id[line]["unit_price"] == "0.00" for line in planted["write_off"])
    assert all(int(by_id[line]["quantity"]) >= 10_000 for line in planted["outlier"])
    copies = Counter(raw)
    listed = {
        row["line_id"]: row["copies"] for row in planted_lines(rows).to_pylist() if row["kind"] == "exact_duplicate"
    }
    assert {texts[raw.index(line)].split(",")[0]: count - 1 for line, count in copies.items() if count > 1} == listed
    assert sum(not is_utf8(line) for line in raw) == 100
    late = [by_id[line] for line in planted["late_arrival"]]
    assert all(datetime.fromisoformat(x["known_at"]) > datetime.fromisoformat(x["ordered_at"]) for x in late)


def test_another_seed_or_block_gives_other_lines_and_the_same_ones_give_the_same() -> None:
    generate = Generate(customers=40, lines=200)
    first, second = blocks_of(40, 200, lines_per_block=100)
    made = [
        csv_lines(*make_block(generate, seed, 0.01, block)) for seed, block in ((1, first), (2, first), (1, second))
    ]
    again = csv_lines(*make_block(generate, 1, 0.01, first))
    assert again.equals(made[0])
    assert not made[0].equals(made[1])
    assert not made[0].equals(made[2])


def is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.spark
def test_law_3_a_shop_is_the_same_bytes_for_the_same_arguments_and_written_once(
    spark: SparkSession, tmp_path: Path
) -> None:
    generate = Generate(customers=60, lines=600, days=90)
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    assert write_shop(spark, generate, seed=1, folder=one)
    assert is_written(generate, seed=1, folder=one)
    assert not is_written(generate, seed=2, folder=one)
    assert not write_shop(spark, generate, seed=1, folder=one)
    assert write_shop(spark, generate, seed=1, folder=two)
    raw = load(CONF).raw
    entries = [fingerprint(find_source(raw.model_copy(update={"path": orders_path(folder)}))) for folder in (one, two)]
    assert entries[0] == entries[1]
    text = Path(orders_path(two), "part-00000.csv").read_bytes()
    assert text.startswith(b",".join(HEADER) + b"\n")
    rows = list(csv.reader(io.StringIO(text.decode("utf-8", errors="replace"))))
    planted = pq.read_table(planted_path(two)).to_pylist()
    added = sum(
        row["copies"]
        for row in planted
        if row["kind"] in ("exact_duplicate", "key_duplicate", "near_duplicate_key", "cancellation")
    )
    assert len(rows) - 1 == 600 + added


@pytest.mark.spark
def test_what_cleaning_finds_is_all_of_the_easy_kinds_and_not_of_the_hard_ones(
    spark: SparkSession, tmp_path: Path
) -> None:
    config = load(CONF, ["generate.customers=300", "generate.lines=12000", f"raw.path={tmp_path}/orders"])
    assert config.generate is not None
    write_shop(spark, config.generate, seed=config.seed, folder=str(tmp_path))
    lines = read_raw(spark, find_source(config.raw))
    rows = clean_rows(lines, raw=config.raw, clean=config.clean, zone=config.zone, batch="b")
    planted = spark.read.parquet(planted_path(str(tmp_path)))
    found = {row.kind: row for row in summarise_detection(rows, planted).collect()}
    assert set(found) == set(KINDS)
    for kind, row in found.items():
        assert row.planted >= 100, kind
        if kind in HARD:
            assert 0.1 < row.recall < 1, row
            assert 0.1 < row.precision < 1, row
        else:
            assert row.recall > 0.95, row
            assert row.precision > 0.95 or kind == "late_arrival", row
