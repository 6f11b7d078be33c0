"""Incremental cleaning: each file a batch; any order, any splitting, any repetition gives the table of one run."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from ringmill.config import load
from ringmill.contracts import CLEAN_ROWS
from ringmill.errors import InputError
from ringmill.lake.ledger import Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline.run import run_stages

pytestmark = pytest.mark.spark
CONF = Path(__file__).parents[2] / "conf" / "online_retail.yaml"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
BY_FILE = ("raw.batches=files",)


def configured(tmp_path: Path, *settings: str) -> Any:
    return load(CONF, [f"raw.path={tmp_path / 'raw'}", *BY_FILE, *settings], warehouse=str(tmp_path / "lake"))


def clean(tmp_path: Path, spark: Any, *settings: str) -> Any:
    (entry,) = run_stages(configured(tmp_path, *settings), ["clean"], session=spark)
    return entry


def table(tmp_path: Path) -> list[str]:
    """The published rows, every column of them, in an order of their own."""
    version = Ledger(Lake(str(tmp_path / "lake"))).resolve("clean").outputs[CLEAN_ROWS.path]
    rows = DeltaTable(str(tmp_path / "lake" / CLEAN_ROWS.path), version=version).to_pyarrow_table()
    assert set(rows.column_names) == set(CLEAN_ROWS.names)
    return sorted(json.dumps(row, default=str, sort_keys=True) for row in rows.to_pylist())


def put(tmp_path: Path, name: str, lines: list[str]) -> None:
    (tmp_path / "raw").mkdir(exist_ok=True, parents=True)
    (tmp_path / "raw" / name).write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")


def mixture(seed: int, count: int) -> list[str]:
    """Lines that collide often: copies, shared keys, corrections, tears and unreadable values."""
    rng = random.Random(seed)
    lines = []
    for _ in range(count):
        order, product = rng.choice([*map(str, range(9)), "C4", ""]), rng.choice(["A", "a", "B", "C"])
        pieces, price = rng.choice(["1", "2", "2", "x", ""]), rng.choice(["1.5", "2", "3", "4"])
        day, customer = rng.choice(["2011-01-05 10:00:00", "2011-01-06 10:00:00"]), str(rng.randrange(100, 120))
        lines.append(f"{order},{product},thing,{pieces},{day},{price},{customer},France")
        if rng.random() < 0.05:
            lines.append("torn, line")
    return lines


RULES = (
    "clean.unreadable_at_most=1",
    "clean.key=[order_id, product_id]",
    "clean.rules=[{name: no_customer, column: customer_id, required: true},"
    " {name: bought_twice, action: flag, unique: [customer_id, product_id]},"
    " {name: one_a_moment, unique: [customer_id, ordered_at, unit_price]}]",
)


@pytest.mark.long  # tests/clean/test_fuzz.py has files in any order too, with rules and ways to keep by chance
@pytest.mark.parametrize(("seed", "keep"), [(1, "last"), (2, "first"), (3, "most_complete")])
def test_batches_in_any_order_give_the_table_of_one_run_over_all_of_them(
    tmp_path: Path, spark: Any, seed: int, keep: str
) -> None:
    rng = random.Random(seed)
    files = {f"{letter}.csv": mixture(seed * 10 + place, 25) for place, letter in enumerate("abcd")}
    files["e.csv"] = files["b.csv"]  # sent again
    rules = (*RULES, f"clean.keep={keep}")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for name, lines in files.items():
        put(whole, name, lines)
    clean(whole, spark, *rules)
    order = list(files)
    rng.shuffle(order)
    for names in (order[:2], order[2:3], order[3:]):
        for name in names:
            put(parts, name, files[name])
        entry = clean(parts, spark, *rules)
        assert entry.detail["new_batches"] == sorted(names)
    found, expected = table(parts), table(whole)
    assert (sorted(set(found) - set(expected)), sorted(set(expected) - set(found))) == ([], [])
    assert len(found) == len(expected)
    proof = entry.laws["law 1"]
    assert proof["raw"] == sum(len(lines) for lines in files.values())
    assert {name: counts["raw"] for name, counts in proof["batches"].items()} == {
        name: len(lines) for name, lines in files.items()
    }
    again = clean(parts, spark, *rules)
    assert (again.outcome, again.outputs) == ("unchanged", entry.outputs)


@pytest.mark.long
def test_the_nine_days_give_the_same_table_taken_in_any_order_as_at_once(
    tmp_path: Path, spark: Any, online_retail: Path
) -> None:
    days = sorted((online_retail / "by_day").iterdir())
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        (folder / "raw").mkdir(parents=True)
    for day in days:
        shutil.copy(day, whole / "raw" / day.name)
    assert clean(whole, spark).counts["raw"] == 28_979
    for names in (days[4:6], days[:4], days[6:]):
        for day in names:
            shutil.copy(day, parts / "raw" / day.name)
        clean(parts, spark)
    assert table(parts) == table(whole)


@pytest.fixture
def taken(tmp_path: Path, spark: Any) -> Path:
    put(tmp_path, "1.csv", ["1,A,thing,2,2011-01-05 10:00:00,1.5,7,France"])
    clean(tmp_path, spark)
    return tmp_path


def test_a_crash_before_publication_is_undone_by_the_next_run(taken: Path, spark: Any) -> None:
    put(taken, "2.csv", ["2,A,thing,2,2011-01-06 10:00:00,1.5,7,France"])
    clean(taken, spark)
    path = str(taken / "lake" / CLEAN_ROWS.path)
    expected = table(taken)
    # As if the run had died between the commit of its rows and its ledger row.
    ledger = Ledger(Lake(str(taken / "lake")))
    last = ledger.published("clean")
    assert last is not None
    DeltaTable(ledger.lake.path("ledger/runs")).delete(f"run_id = '{last.run_id}'")
    assert ledger.resolve("clean").outputs[CLEAN_ROWS.path] < DeltaTable(path).version()
    again = clean(taken, spark)
    assert table(taken) == expected
    # Nor is anything left of it where its file is gone by then.
    DeltaTable(ledger.lake.path("ledger/runs")).delete(f"run_id = '{again.run_id}'")
    (taken / "raw" / "2.csv").unlink()
    put(taken, "3.csv", ["3,A,thing,2,2011-01-07 10:00:00,1.5,7,France"])
    outputs = clean(taken, spark).outputs
    for name in ("quality/runs", "quality/rules"):
        assert set(ledger.lake.read_arrow(name, outputs[name])["source_batch"].to_pylist()) == {"1.csv", "3.csv"}


def test_a_file_that_changed_is_refused_or_passed_over_and_a_touched_one_is_neither(
    taken: Path, spark: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    os.utime(taken / "raw" / "1.csv", ns=(1, 1))
    assert clean(taken, spark).outcome == "unchanged"
    before = table(taken)
    put(taken, "1.csv", ["1,A,thing,99,2011-01-05 10:00:00,1.5,7,France"])
    with pytest.raises(InputError, match=r"(?s)other contents now.*1\.csv"):
        clean(taken, spark)
    alone = clean(taken, spark, "raw.changed_files=ignore")
    assert (alone.outcome, alone.detail["changed_files"], table(taken)) == ("published", ["1.csv"], before)
    assert "1.csv has other contents than when it was taken: passed over" in " ".join(capsys.readouterr().err.split())
    assert clean(taken, spark, "raw.changed_files=ignore").outcome == "unchanged"
    assert "1.csv has other contents" in " ".join(capsys.readouterr().err.split())
    put(taken, "2.csv", ["2,B,thing,1,2011-01-05 10:00:00,1.5,7,France"])
    entry = clean(taken, spark, "raw.changed_files=ignore")
    assert entry.detail["changed_files"] == ["1.csv"]
    assert set(before) < set(table(taken)) and len(table(taken)) == 2


def test_another_rule_cleans_all_batches_again_and_names_the_files_that_are_gone(taken: Path, spark: Any) -> None:
    put(taken, "2.csv", ["2,B,thing,1,2011-01-05 10:00:00,1.5,7,France"])
    rule = "clean.rules=[{name: two, action: flag, column: quantity, minimum: 2}]"
    entry = clean(taken, spark, rule)
    assert (entry.detail["new_batches"], entry.counts["flags"]["two"]) == (["1.csv", "2.csv"], 1)
    (taken / "raw" / "1.csv").unlink()
    put(taken, "3.csv", ["3,B,thing,1,2011-01-05 10:00:00,1.5,7,France"])
    assert clean(taken, spark, rule).counts["raw"] == 3  # what was taken may be archived
    with pytest.raises(InputError, match=r"(?s)1 files.*1\.csv is not there"):
        clean(taken, spark)


def test_quality_of_a_batch_is_the_same_in_any_order_and_gates_ask_for_no_file_again(
    tmp_path: Path, spark: Any
) -> None:
    settings = ("clean.key=[order_id, product_id]", "clean.match_cancellations=false")
    files = {
        "1.csv": [f"{order},A,thing,2,2011-01-05 10:00:00,1.5,7,France" for order in (1, 2)],
        "2.csv": ["1,A,thing,3,2011-01-06 10:00:00,1.5,7,France"],  # corrects one of them
    }

    def rules(folder: Path, names: list[str]) -> dict[tuple[str, str], dict[str, Any]]:
        for name in names:
            put(folder, name, files[name])
            outputs = clean(folder, spark, *settings).outputs
        found = Lake(str(folder / "lake")).read_arrow("quality/rules", outputs["quality/rules"]).to_pylist()
        return {(row["source_batch"], row["name"]): row for row in found}

    one, other = rules(tmp_path / "one", ["1.csv", "2.csv"]), rules(tmp_path / "other", ["2.csv", "1.csv"])
    assert one == other
    assert [one["1.csv", name]["failed"] for name in ("clean", "superseded")] == [1, 1]
    assert one["1.csv", "superseded_by_key"]["examples"]

    # Other gates judge what is there, and stop what comes: no row hangs on them, and the files may be archived.
    (tmp_path / "one" / "raw" / "1.csv").unlink()
    entry = clean(tmp_path / "one", spark, *settings, "clean.gates=[{metric: clean_share, at_least: 0.9}]")
    assert (entry.outcome, entry.detail["new_batches"]) == ("published", [])
    found = [(gate["batch"], gate["value"], gate["passed"]) for gate in entry.detail["gates"]]
    assert found == [("1.csv", 0.5, False), ("2.csv", 1.0, True)]


def test_files_that_cannot_be_read_are_named_and_the_rest_goes_on(tmp_path: Path, spark: Any) -> None:
    raw = tmp_path / "raw"
    names = HEADER.split(",")
    rows = {
        name: [["1", "A", "thing", "2", "2011-01-05 10:00:00", "1.5", "7", "France"][place]] * 5_000
        for place, name in enumerate(names)
    }
    raw.mkdir()
    for name in ("good", "torn", "cut", "later"):
        pq.write_table(pa.table(rows), raw / f"{name}.parquet", compression="none", use_dictionary=False)
    whole = (raw / "torn.parquet").read_bytes()
    (raw / "torn.parquet").write_bytes(whole[:1000] + b"\xff" * 3000 + whole[4000:])  # its footer is as it was
    for name in ("good", "cut", "later"):
        (raw / f"{name}.parquet").rename(raw / f"_{name}.parquet")  # names with _ are passed over
    with pytest.raises(InputError, match=r"(?s)No file of the raw input can be read.*none; the first"):
        clean(tmp_path, spark, "raw.bad_files=quarantine")
    for name in ("good", "cut", "later"):
        (raw / f"_{name}.parquet").rename(raw / f"{name}.parquet")
    (raw / "cut.parquet").write_bytes(whole[:-100])
    (raw / "empty.parquet").touch()
    (raw / "notes.docx").write_bytes(b"PK")
    with pytest.raises(InputError):
        clean(tmp_path, spark)
    entry = clean(tmp_path, spark, "raw.bad_files=quarantine")
    assert {each["name"] for each in entry.detail["quarantined"]} == {
        "torn.parquet",
        "cut.parquet",
        "empty.parquet",
        "notes.docx",
    }
    assert all(each["reason"] for each in entry.detail["quarantined"])
    assert sorted(entry.laws["law 1"]["batches"]) == ["good.parquet", "later.parquet"]
    # Sent again and whole, a file is taken like a new one.
    (raw / "torn.parquet").write_bytes(whole)
    entry = clean(tmp_path, spark, "raw.bad_files=quarantine")
    assert sorted(entry.laws["law 1"]["batches"]) == ["good.parquet", "later.parquet", "torn.parquet"]


def test_a_truncated_gzip_file_is_named(tmp_path: Path, spark: Any) -> None:
    put(tmp_path, "1.csv", ["1,A,thing,2,2011-01-05 10:00:00,1.5,7,France"])
    lines = [HEADER, *(f"{place},A,thing,2,2011-01-05 10:00:00,1.5,7,France" for place in range(5_000))]
    packed = gzip.compress("\n".join(lines).encode())
    (tmp_path / "raw" / "2.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match=r"2\.csv\.gz"):
        clean(tmp_path, spark)
    entry = clean(tmp_path, spark, "raw.bad_files=quarantine")
    assert [each["name"] for each in entry.detail["quarantined"]] == ["2.csv.gz"]
    assert entry.counts["raw"] == 1


def test_columns_that_change_are_reported_and_held_against_their_policy(taken: Path, spark: Any) -> None:
    line = "2,A,thing,2,2011-01-06 10:00:00,1.5,7,France,red"
    (taken / "raw" / "2.csv").write_text(f"{HEADER},Colour\n{line}\n")
    with pytest.raises(InputError, match=r"(?s)2\.csv.*new: Colour"):
        clean(taken, spark, "raw.drift.new=fail")
    entry = clean(taken, spark)
    assert entry.detail["drift"] == [{"file": "2.csv", "new": ["Colour"], "missing": [], "changed": {}}]
    (taken / "raw" / "3.csv").write_text(HEADER.replace(",Country", "") + "\n3,A,thing,2,2011-01-07 10:00:00,1.5,7\n")
    with pytest.raises(InputError, match="Country"):
        clean(taken, spark)
    entry = clean(taken, spark, "raw.drift.missing=ignore")
    assert entry.counts["clean"] == 3
    # A column of one's own that no file has is null, as one of ours would be.
    entry = clean(taken, spark, "raw.drift.missing=ignore", "raw.extras={size: {column: Size, type: bigint}}")
    assert entry.counts["clean"] == 3
