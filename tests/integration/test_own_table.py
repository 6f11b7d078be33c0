"""A pipeline that trains on a table of one's own, not partitioned by split: planned, scanned once, trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from deltalake import write_deltalake

from handoff.tables import features_table, write_table
from ringmill.config import Config, load
from ringmill.errors import ConfigError, InputError, PlanError
from ringmill.lake.ledger import Entry, Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline.replay import replay
from ringmill.pipeline.run import print_plan, stages_of
from ringmill.pipeline.stage import Run, execute
from ringmill.pipeline.train_table import TRAIN_TABLE, planned_table

CONF = """
pipeline: own
warehouse: {folder}/warehouse
table: {{name: mine, path: {folder}/{table}, shape: [3]}}
train:
  launcher: local
  ranks: {ranks}
  model: {{kind: mlp, hidden: [4]}}
  batch: 13
  epochs: 3
  order: {order}
  window_rows: 20
  dtype: float64
  memory_mb: 16
"""
ROWS = features_table(200, seed=9)


def configured(
    folder: Path, table: str, *settings: str, ranks: int = 1, order: str = "global", more: str = ""
) -> Config:
    path = folder / f"{table}.yaml"
    path.write_text(CONF.format(folder=folder, table=table, ranks=ranks, order=order) + more, encoding="utf-8")
    return load(path, settings)


def mix(folder: Path) -> None:
    for start in range(0, 200, 70):
        write_deltalake(str(folder / "mixed"), ROWS.slice(start, 70), mode="append")


def test_the_plan_says_what_the_scan_will_cost_and_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mix(tmp_path)
    print_plan(configured(tmp_path, "mixed"), "train")
    text = capsys.readouterr().err
    assert "200 in 3 files, of all splits together" in text
    assert "at most 1,600 bytes, 8 a row" in text
    assert not list(tmp_path.rglob("*.rows"))


@pytest.mark.parametrize(
    ("master", "words"),
    [
        ("local[3]", "which has all 3 ranks"),
        ("local-cluster[3,1,1024]", "which has all 3 ranks"),
        ("spark://host:7077", "assumed: one rank on each host, since spark://host:7077 places them"),
    ],
)
def test_the_plan_counts_the_ranks_of_a_host_by_sparks_master(tmp_path: Path, master: str, words: str) -> None:
    write_table(tmp_path / "apart", ROWS)
    config = configured(tmp_path, "apart", "train.launcher=barrier", f"spark.master={master}", ranks=3)
    assert planned_table(Run(config)).endswith(words)


def test_a_plan_that_fits_by_one_rank_alone_fails_where_spark_has_them_all_on_one_host(tmp_path: Path) -> None:
    write_table(tmp_path / "apart", ROWS)
    few = configured(tmp_path, "apart", "train.launcher=barrier", "spark.master=yarn", ranks=4_000)
    planned_table(Run(few))
    local = configured(tmp_path, "apart", "train.launcher=barrier", "spark.master=local[4000]", ranks=4_000)
    with pytest.raises(PlanError, match="1 decoded copies and 4000 ranks"):
        planned_table(Run(local))


def test_a_table_is_all_that_such_a_pipeline_reads(tmp_path: Path) -> None:
    config = configured(tmp_path, "none")
    assert list(stages_of(config)) == ["train"]
    with pytest.raises(InputError, match="no such version of a Delta table"):
        TRAIN_TABLE.inputs(Run(config))
    with pytest.raises(ConfigError, match="trained on as it is"):
        configured(tmp_path, "none", more="generate: {}\n")


@pytest.mark.ring
def test_laws_3_4_and_5_a_mixed_table_gives_the_bits_of_a_partitioned_one_and_is_scanned_once(tmp_path: Path) -> None:
    mix(tmp_path)
    write_table(tmp_path / "apart", ROWS)
    entries = {table: execute(TRAIN_TABLE, Run(configured(tmp_path, table))) for table in ("mixed", "apart")}
    mixed, apart = entries["mixed"], entries["apart"]
    assert mixed.laws["law 4"]["rows_seen_in_each_epoch"] == [mixed.counts["train"]]
    assert weights_of(tmp_path, mixed) == weights_of(tmp_path, apart)
    assert (mixed.counts, mixed.detail["metrics"]) == (apart.counts, apart.detail["metrics"])
    assert apart.detail["row_index_bytes"] == 0 < mixed.detail["row_index_bytes"] <= 4 * 200
    (index,) = (tmp_path / "warehouse" / "models" / "mine" / "row_index").iterdir()
    made = index.stat().st_mtime_ns

    # Another task, without labels, and another order, by two ranks of the same index.
    learnt = ("train.task={kind: reconstruction}", "train.model={kind: autoencoder, code: 2, hidden: [5]}")
    striped = configured(tmp_path, "mixed", *learnt, ranks=2, order="striped")
    text = planned_table(Run(striped))
    assert "order    striped" in text and "bytes say which rows are whose" in text
    entry = execute(TRAIN_TABLE, Run(striped))
    assert entry.laws["law 4"]["rows_seen_in_each_epoch"] == [mixed.counts["train"]]
    assert entry.detail["metrics"]["test"]["rows"] == mixed.counts["test"]
    assert execute(TRAIN_TABLE, Run(striped)).outcome == "unchanged"
    assert (index.stat().st_mtime_ns, list(index.parent.iterdir())) == (made, [index])

    # The run is rebuilt at its version, though the table has grown.
    write_deltalake(str(tmp_path / "mixed"), ROWS.slice(0, 7), mode="append")
    ledger = Ledger(Lake(str(tmp_path / "warehouse")))
    rows = ledger.entries()
    replayed = replay(ledger, mixed.run_id)
    assert (replayed.differences, replayed.otherwise) == ((), ())
    assert replayed.rows[0].outcome == "published"
    assert weights_of(replayed.warehouse.parent, mixed, replayed.warehouse.name) == weights_of(tmp_path, mixed)
    assert ledger.entries() == rows


def weights_of(folder: Path, entry: Entry, warehouse: str = "warehouse") -> str:
    manifest = json.loads((folder / warehouse / entry.detail["model"] / "manifest.json").read_text("utf-8"))
    found: str = manifest["final_weights_sha256"]
    return found
