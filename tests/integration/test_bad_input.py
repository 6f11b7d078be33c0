"""Bad input, each kind tried through the command: one message with what, where, expected, received, to do; status 2."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from deltalake import DeltaTable

from ringmill.config import load
from ringmill.errors import RaceLost, RingmillError
from ringmill.lake.ledger import Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline.run import run_stages

pytestmark = pytest.mark.spark
CONF = Path(__file__).parents[2] / "conf" / "online_retail.yaml"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
GOOD = [f"{i},A{i},thing,{i},2011-0{1 + i % 9}-05 10:00:00,2.5,{100 + i % 7},France" for i in range(1, 31)]


def configured(tmp_path, text, *settings):
    raw = tmp_path / "orders.csv"
    raw.write_text(text, encoding="utf-8")
    return load(CONF, [f"raw.path={raw}", *settings], warehouse=str(tmp_path / "lake"))


def fails(config, *stages, session):
    with pytest.raises(RingmillError) as caught:
        run_stages(config, stages, session=session)
    error = caught.value
    assert error.exit_status == 2
    for part in ("where:", "expected:", "received:", "to do:"):
        assert part in str(error)
    return error


@pytest.fixture(scope="module")
def folder(tmp_path_factory, spark):
    """A folder whose warehouse holds good tables: no failed run may change what is published there."""
    folder = tmp_path_factory.mktemp("shop")
    run_stages(configured(folder, "\n".join([HEADER, *GOOD])), ["clean", "rfm"], session=spark)
    return folder


@pytest.fixture
def published(folder):
    ledger = Ledger(Lake(str(folder / "lake")))
    return lambda: {stage: ledger.resolve(stage).outputs for stage in ("clean", "rfm")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no rows"),
        (HEADER + "\n", "holds no rows"),
        ("\n".join([HEADER.replace("Quantity", "Qty"), *GOOD]), "Columns are missing: Quantity"),
        ("\n".join([HEADER.replace(",Country", ""), *(line.rsplit(",", 1)[0] for line in GOOD)]), "Country"),
        ("\n".join([HEADER, *GOOD[:9], "31,B,torn in the mid"]), "1 of 10 lines cannot be read"),
        ("\n".join([HEADER, *(line.replace(",2.5,", ",cheap,") for line in GOOD)]), "unreadable_unit_price"),
        (
            "\n".join([HEADER, *(line.replace(",France", "").rsplit(",", 1)[0] + ",,France" for line in GOOD)]),
            "No customer",
        ),
    ],
    ids=["empty", "header only", "renamed column", "column missing", "torn line", "text for numbers", "no customer"],
)
def test_bad_files_are_refused_and_the_tables_stay_published_as_they_were(folder, spark, published, text, words):
    before = published()
    error = fails(configured(folder, text), "clean", session=spark)
    assert words in str(error)
    assert published() == before


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("clean.rules=[{name: bad, violated_when: 1 / (quantity - 7) > 2}]", "clean.rules.bad.violated_when"),
        ("clean.rules=[{name: bad, column: country, pattern: '['}]", "clean.rules.bad.pattern"),
        ("clean.cancellation=CAST(order_id AS int) / (quantity - 7) > 2", "clean.cancellation"),
        ("clean.non_product_pattern='*'", "clean.non_product_pattern"),
        ("raw.timestamp_formats=[yyyy-bb]", "yyyy-bb"),
    ],
    ids=["division by zero", "pattern", "cancellation", "codes", "date format"],
)
def test_a_rule_that_fails_when_it_runs_is_named_without_a_stack_trace(folder, spark, published, setting, words):
    before = published()
    error = str(fails(configured(folder, "\n".join([HEADER, *GOOD]), setting), "clean", session=spark))
    assert words in error
    assert "org.apache" not in error
    assert published() == before


def test_a_file_that_is_not_there_and_a_format_nobody_knows(tmp_path, spark):
    config = configured(tmp_path, HEADER)
    missing = config.model_copy(
        update={"raw_section": config.raw.model_copy(update={"path": str(tmp_path / "nowhere.csv")})}
    )
    assert "nowhere.csv" in str(fails(missing, "clean", session=spark))
    sheet = tmp_path / "orders.xlsx"
    sheet.write_bytes(b"PK")
    unknown = config.model_copy(update={"raw_section": config.raw.model_copy(update={"path": str(sheet)})})
    assert "raw.format" in str(fails(unknown, "clean", session=spark))


@pytest.mark.parametrize("cutoff", ["2010-01-01", "2012-01-01"])
def test_a_cutoff_outside_the_data_names_the_datas_range(folder, spark, published, cutoff):
    before = published()
    config = configured(folder, "\n".join([HEADER, *GOOD]), f"rfm.cutoff={cutoff}")
    error = fails(config, "rfm", session=spark)
    assert "2011-01-05" in str(error)
    assert "2011-09-05" in str(error)
    assert published() == before


def test_a_horizon_that_ends_after_the_data_is_refused(folder, spark):
    config = configured(folder, "\n".join([HEADER, *GOOD]), "features.train_cutoffs=[2011-08-01]")
    assert "features.train_cutoffs" in str(fails(config, "features", session=spark))


def test_a_warehouse_that_cannot_be_written(tmp_path, spark):
    blocked = tmp_path / "file"
    blocked.write_text("")
    config = load(CONF, ["raw.path=x"], warehouse=str(blocked / "lake"))
    assert "--warehouse" in str(fails(config, "clean", session=spark))


def test_a_failed_stage_leaves_a_row_that_says_why(folder, spark):
    config = configured(folder, "\n".join([HEADER, *GOOD]), "rfm.cutoff=2012-01-01")
    fails(config, "rfm", session=spark)
    last = Ledger(Lake(config.warehouse)).entries()[-1]
    assert (last.stage, last.outcome) == ("rfm", "failed")
    assert "2012-01-01" in last.detail["error"]


def test_a_stage_that_another_process_is_running_is_left_to_it(folder, spark, published):
    before = published()
    with (folder / "lake" / "locks" / "rfm").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RaceLost) as caught:
            run_stages(configured(folder, "\n".join([HEADER, *GOOD])), ["rfm"], session=spark)
    assert caught.value.exit_status == 5
    assert published() == before


@pytest.mark.parametrize(
    ("lines", "settings", "words"),
    [
        ([line.replace("2011-09-05", "9999-12-31") for line in GOOD], [], "end of the calendar"),
        (GOOD, ["raw.columns.known_at=Loaded"], "No customer has a sale that had happened, and was known"),
    ],
    ids=["a placeholder date", "all known later"],
)
def test_dates_that_leave_no_cutoff_are_named(tmp_path, spark, lines, settings, words):
    header = HEADER + ",Loaded"
    text = "\n".join([header, *(line + ",2012-03-01 00:00:00" for line in lines)])
    assert words in str(fails(configured(tmp_path, text, *settings), "clean", "rfm", session=spark))


def test_below_the_bound_an_unreadable_line_is_kept_as_a_rejected_row_with_its_text(tmp_path, spark):
    config = configured(tmp_path, "\n".join([HEADER, *GOOD, "31,B,torn in the mid"]))
    (entry,) = run_stages(config, ["clean"], session=spark)
    assert (entry.counts["rejected"], entry.counts["reasons"]) == (1, {"torn_line": 1})
    rows = DeltaTable(f"{config.warehouse}/clean/rows").to_pyarrow_table().to_pylist()
    (torn,) = [row for row in rows if row["status"] == "rejected"]
    assert dict(torn["raw"]) == {"_torn": "31,B,torn in the mid"}
