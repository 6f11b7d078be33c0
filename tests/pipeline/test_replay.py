"""What keeps a run from being rebuilt is one error that names it; and what is another is told."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from deltalake import write_deltalake

from handoff.tables import features_table
from ringmill import cli
from ringmill.config import load
from ringmill.config.load import dump_whole, recorded
from ringmill.errors import InputError, LawError
from ringmill.lake.ledger import Entry, Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline.clean import CLEAN
from ringmill.pipeline.replay import Replayed, _before, checked, replay
from ringmill.pipeline.run import run_stages
from ringmill.pipeline.stage import Run

CONF = "pipeline: own\nwarehouse: {0}/warehouse\ntable: {{name: mine, path: {0}/table, shape: [3]}}\n"


@pytest.fixture
def trained(tmp_path: Path) -> Entry:
    """The row of a training on version 0 of a table that has a version 1; nothing else of it is there."""
    (tmp_path / "own.yaml").write_text(CONF.format(tmp_path))
    for _ in range(2):
        write_deltalake(str(tmp_path / "table"), features_table(20, seed=1), mode="append")
    config = dump_whole(load(tmp_path / "own.yaml"))
    inputs = {"table": str(tmp_path / "table"), "version": 0, "id": "x"}
    detail = {"model": "models/mine/one", "config": config}
    row = Entry("one", "own", "train", "published", "k", "c", {}, inputs, {"model": "one"}, detail=detail)
    ledger_of(tmp_path).append(row)
    return row


def ledger_of(folder: Path) -> Ledger:
    return Ledger(Lake(str(folder / "warehouse")))


def test_law_10_a_version_that_is_gone_is_named_and_the_warehouse_stays_as_it_was(
    tmp_path: Path, trained: Entry
) -> None:
    (tmp_path / "table" / "_delta_log" / f"{0:020}.json").unlink()
    with pytest.raises(InputError, match="no such version of a Delta table"):
        replay(ledger_of(tmp_path), "one")
    assert [row.run_id for row in ledger_of(tmp_path).entries()] == ["one"]


def test_nobody_is_told_of_a_replay_as_of_the_run_itself(tmp_path: Path, trained: Entry) -> None:
    from ringmill.pipeline.replay import _config_of

    told = {"openlineage": {"path": str(tmp_path / "events")}, "mlflow": {"uri": str(tmp_path / "mlruns")}}
    row = replace(trained, detail={**trained.detail, "config": {**trained.detail["config"], **told}})
    replayed = _config_of(row, tmp_path / "replays")
    assert (replayed.openlineage, replayed.mlflow) == (None, None)
    assert replayed.table.version == 0


@pytest.mark.parametrize(
    ("now", "says"),
    [
        ([], "no such file"),
        ([{"name": "a.csv", "sha256": "2"}], "other bytes"),
        ([{"name": "a.csv", "sha256": "1"}, {"name": "b.csv", "sha256": "1"}], r"raw, b\.csv[\s\S]*was not there"),
    ],
)
def test_law_10_a_raw_file_that_is_another_now_is_named(trained: Entry, now: list[dict[str, str]], says: str) -> None:
    from ringmill.pipeline.replay import _check_files

    row = replace(trained, inputs={"raw": [{"name": "a.csv", "sha256": "1"}], "clean/rows": 3})
    _check_files(row, {"raw": row.inputs["raw"], "clean/rows": 4})
    with pytest.raises(InputError, match=says):
        _check_files(row, {"raw": now})


def test_what_was_published_while_the_run_worked_is_not_what_it_read(tmp_path: Path, trained: Entry) -> None:
    ledger = Ledger(Lake(str(tmp_path / "other")))
    early, late = (replace(trained, run_id=name, stage="clean") for name in ("early", "late"))
    ledger.append(early)
    score = replace(trained, run_id="two", stage="score", seen=ledger.last_commit())
    for row in (late, score):
        ledger.append(row)
    assert _before(ledger.entries(), score) == [early]
    of_old = replace(score, run_id="old", seen=None)
    ledger.append(of_old)
    assert _before(ledger.entries(), of_old) == [early, late, score]


SHOP = """
pipeline: shop
warehouse: {0}/warehouse
raw:
  path: orders{1}
  bad_files: quarantine
  columns: {{order_id: order, product_id: product, quantity: pieces, unit_price: price, customer_id: customer,
    ordered_at: at}}
features: {{train_cutoffs: [2024-02-01]}}
"""
ORDERS = "order,product,pieces,price,customer,at\n{0},A,1,10.00,ann,2024-01-05 10:00:00\n"


def orders(folder: Path, name: str) -> Path:
    file = folder / "orders" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(ORDERS.format(name[0]))
    return file


@pytest.mark.parametrize("below", ["", "/*/*.csv"])
@pytest.mark.parametrize("batches", ["whole", "files"])
def test_law_10_a_replay_looks_at_the_recorded_files_alone_wherever_its_caller_stands(
    tmp_path: Path, monkeypatch, below: str, batches: str
) -> None:
    from ringmill.pipeline.replay import _check_files, _config_of, _pinned

    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.yaml").write_text(SHOP.format(tmp_path, below))
    for name in ("may/a.csv", "may/b.csv"):
        orders(tmp_path, name)
    (tmp_path / "orders" / "may" / "torn.csv").write_text("")
    run = Run(load(tmp_path / "shop.yaml", [f"raw.batches={batches}"]))
    inputs, config = CLEAN.inputs(run), recorded(run.config)
    assert [file["name"] for file in inputs["quarantined"]] == ["may/torn.csv"]
    row = Entry("one", "shop", "clean", "published", "k", "c", {}, inputs, {}, detail={"config": config})
    orders(tmp_path, "june/c.csv")

    monkeypatch.chdir("/")
    again = Run(_pinned(_config_of(row, tmp_path / "again"), [row], tmp_path / "again" / "raw"))
    _check_files(row, CLEAN.inputs(again))
    changed = orders(tmp_path, "may/b.csv")
    changed.write_text(changed.read_text() * 2)
    with pytest.raises(InputError, match=r"may/b\.csv[\s\S]*other bytes"):
        _check_files(row, CLEAN.inputs(again))
    changed.unlink()
    last = Run(_pinned(_config_of(row, tmp_path / "last"), [row], tmp_path / "last" / "raw"))
    with pytest.raises(InputError, match=r"may/b\.csv[\s\S]*no such file"):
        _check_files(row, CLEAN.inputs(last))
    for one in (run, again, last):
        one.close()


@pytest.mark.spark
def test_law_10_days_are_replayed_after_a_newer_file_came(spark, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.yaml").write_text(SHOP.format(tmp_path, ""))
    config = load(tmp_path / "shop.yaml", ["raw.batches=files"])
    for name in ("a.csv", "b.csv", "c.csv"):
        orders(tmp_path, name)
        if name != "c.csv":
            (entry,) = run_stages(config, ["clean"], session=spark)
    monkeypatch.chdir("/")
    replayed = replay(ledger_of(tmp_path), entry.run_id, session=spark)
    assert replayed.differences == ()
    assert [file["name"] for file in replayed.rows[0].inputs["raw"]] == ["a.csv", "b.csv"]


def test_a_table_or_a_model_that_the_run_read_and_that_is_gone_is_named(tmp_path: Path, trained: Entry) -> None:
    ledger = ledger_of(tmp_path)
    score = replace(trained, run_id="two", stage="score", inputs={**trained.inputs, "model": "models/mine/one"})
    score = replace(score, outputs={"scores/x": 0}, detail={"config": trained.detail["config"]}, seen=None)
    ledger.append(replace(score, started_at=score.started_at.replace(year=2100)))
    with pytest.raises(InputError, match=r"models/mine/one[\s\S]*no such folder"):
        replay(ledger, "two")
    third = replace(score, run_id="three", started_at=score.started_at.replace(year=2101))
    ledger.append(third)
    with pytest.raises(InputError, match="scores/x, version 0"):
        replay(ledger, "three")


def test_a_run_that_published_nothing_names_the_one_that_did(tmp_path: Path, trained: Entry) -> None:
    ledger = ledger_of(tmp_path)
    later = trained.started_at.replace(year=2100)
    ledger.append(replace(trained, run_id="two", outcome="unchanged", started_at=later))
    with pytest.raises(InputError, match="had been made by one"):
        replay(ledger, "two")
    ledger.append(replace(trained, run_id="old", detail={}, started_at=later))
    with pytest.raises(InputError, match="without the whole configuration"):
        replay(ledger, "old")


def test_other_results_end_with_status_3_and_say_whether_the_code_is_another(tmp_path, monkeypatch, capsys) -> None:
    found = Replayed(tmp_path, (), ("train: the code is another: a then, b now",), ("train: counts.x was 1, and is 2",))
    with pytest.raises(LawError, match=r"the code is another.*counts\.x was 1, and is 2"):
        checked(found)
    checked(replace(found, differences=()))
    monkeypatch.setattr("ringmill.pipeline.replay.replay", lambda ledger, run: found)
    Ledger(Lake(str(tmp_path))).append(Entry("one", "own", "train", "published", "k", "c", {}, {}))
    monkeypatch.setattr(sys, "argv", ["ringmill", "replay", "one", "--warehouse", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 3
    assert "counts.x was 1, and is 2" in capsys.readouterr().out
