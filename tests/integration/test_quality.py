"""Quality through the command: kept by batch, merged without re-reading, and gates that stop a bad batch."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

import pytest
from deltalake import DeltaTable

from ringmill.config import load
from ringmill.errors import LawError
from ringmill.lake.ledger import Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline.quality import profile_of, quality_rows
from ringmill.pipeline.run import run_stages
from ringmill.pipeline.stage import Run
from ringmill.report.quality import quality

pytestmark = pytest.mark.spark
CONF = Path(__file__).parents[2] / "conf" / "online_retail.yaml"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
GATES = (
    "[{metric: rejected_share, at_most: 0.2}, {metric: rows, at_least: 0.5, of_median_of_last: 7},"
    " {metric: failed_share, rule: missing_customer, at_most: 0.3}]"
)


def day(lines, number, without=0):
    """Lines of one day; the first `without` have no customer."""
    rows = [
        f"{number}{i},A{i},thing,{i + 1},2011-01-0{number} 10:00:00,2.5,{'' if i < without else 7},France"
        for i in range(lines)
    ]
    return "\n".join([HEADER, *rows])


def test_batches_are_kept_merged_and_judged_and_a_failing_one_leaves_the_published_version(tmp_path, spark):
    raw, lake = tmp_path / "orders.csv", Lake(str(tmp_path / "lake"))

    def cleaned(text, batch, *settings):
        raw.write_text(text + "\n", encoding="utf-8")
        given = [f"raw.path={raw}", f"raw.batch={batch}", f"clean.gates={GATES}", *settings]
        config = load(CONF, given, warehouse=lake.root)
        return config, run_stages(config, ["clean"], session=spark)[0]

    _, first = cleaned(day(8, 1, without=1), "d1")
    assert [(gate["subject"], gate["passed"]) for gate in first.detail["gates"]] == [
        ("rejected_share", True),
        ("rows", True),
        ("failed_share of missing_customer", True),
    ]
    assert first.detail["gates"][1]["note"] == "no earlier batch to compare with"
    config, second = cleaned(day(4, 2), "d2")
    assert second.detail["gates"][1]["at_least"] == 4.0  # half of d1's 8 rows

    # One of two rows lacks its customer, and two are fewer than half of the median of 8 and 4.
    with pytest.raises(LawError) as caught:
        cleaned(day(2, 3, without=1), "d3")
    assert caught.value.exit_status == 3
    for figure in ("rejected_share 50.00%", "rows 2", "at least 3", "failed_share of missing_customer 50.00%"):
        assert figure in str(caught.value)
    assert "3 gates do not let the batch pass" in str(caught.value)
    ledger = Ledger(lake)
    assert ledger.resolve("clean").outputs == second.outputs
    assert ledger.entries()[-1].outcome == "failed"

    # A batch again, with other rules: its rows take the place of those it had, and the other batch keeps its own.
    before = {row["source_batch"]: row for row in rows_of(lake, "quality/runs") if row["name"] == "quantity"}
    _, again = cleaned(day(4, 2), "d2", "clean.late_after_days=1")
    after = [row for row in rows_of(lake, "quality/runs") if row["name"] == "quantity"]
    assert {row["source_batch"]: row for row in after} == before
    assert len(after) == 2

    example = next(row for row in rows_of(lake, "quality/rules") if row["name"] == "missing_customer" and row["failed"])
    assert (example["source_batch"], example["tried"], example["failed"], example["share"]) == ("d1", 8, 1, 0.125)
    assert example["examples"] == [{"source_file": "orders.csv", "shown": "customer_id: missing"}]

    # The report of both days is the merge of their states.
    both = mock.Mock(outputs=again.outputs, detail={"batches": ["d1", "d2"], "gates": again.detail["gates"]})
    run = Run(config, session=spark)
    try:
        merged = {row["name"]: row for row in profile_of(run, both)}
        batches, rules = quality_rows(run, both)
        page = quality(list(merged.values()), rules, both.detail["gates"], batches)
    finally:
        run.close()
    assert batches == ["d1", "d2"]
    pieces = merged["quantity"]
    assert (pieces["rows"], pieces["minimum"], pieces["maximum"], pieces["mean"]) == (12, 1.0, 8.0, 46 / 12)
    assert [block.title for block in page.blocks] == ["Columns", "Rules", "Gates", "Batch by batch"]


def rows_of(lake, table):
    return DeltaTable(lake.path(table)).to_pyarrow_table().to_pylist()


def test_a_gate_ends_the_command_with_status_3(tmp_path, spark):
    from ringmill import cli

    raw = tmp_path / "orders.csv"
    raw.write_text(day(3, 1) + "\n", encoding="utf-8")
    command = ["ringmill", "clean", str(CONF), "--raw", str(raw), "--warehouse", str(tmp_path / "lake")]
    gate = ["--set", "clean.gates=[{metric: rows, at_least: 4}]"]
    # The session of the tests is the running one; stopping it would end the others' too.
    with (
        mock.patch.object(sys, "argv", command + gate),
        mock.patch.object(type(spark), "stop", lambda _: None),
        pytest.raises(SystemExit) as ended,
    ):
        cli.main()
    assert ended.value.code == 3
