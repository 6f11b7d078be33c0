"""`ringmill plan clean`: what is printed before a run is what Spark then does, by its plans and its status store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from py4j.protocol import Py4JJavaError
from typer.testing import CliRunner

from ringmill.cli import app
from ringmill.config import load
from ringmill.lake import raw
from ringmill.lake.files import find_source
from ringmill.pipeline.cost import Cost, cost_of
from ringmill.pipeline.run import run_stages

CONF = Path(__file__).parents[2] / "conf" / "online_retail.yaml"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
UNIQUE = "{name: one_a_moment, action: flag, unique: [customer_id, ordered_at]}"
KEYED = ("raw.batches=files", "clean.key=[order_id, product_id]", f"clean.rules=[{UNIQUE}]")


def configured(tmp_path: Path, *settings: str) -> Any:
    return load(CONF, [f"raw.path={tmp_path / 'raw'}", *settings], warehouse=str(tmp_path / "lake"))


def put(tmp_path: Path, name: str, count: int, price: float = 1.5) -> int:
    """`count` lines, whatever the name: those of a second file share keys and moments with the first's."""
    rows = [
        f"{'C' if i % 20 == 0 else ''}{i // 3},{10_000 + i % 7},thing,{-1 if i % 20 == 0 else 1 + i % 5},"
        f"2011-01-05 10:{i % 60:02d}:00,{price},{12_000 + i % 9},France"
        for i in range(count)
    ]
    file = tmp_path / "raw" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return file.stat().st_size


def executed(spark: Any, after: int) -> Iterator[tuple[int, int, list[tuple[str, dict[str, str]]], int]]:
    """Of each of Spark's executions behind number `after`: its own and its root's number, the nodes of its final plan
    with their metrics, and the bytes that its stages read."""
    plans, stages = spark._jsparkSession.sharedState().statusStore(), spark.sparkContext._jsc.sc().statusStore()
    spark.sparkContext._jsc.sc().listenerBus().waitUntilEmpty()
    found = plans.executionsList()
    for execution in (found.apply(place) for place in range(found.size())):
        if execution.executionId() <= after:
            continue
        values = plans.executionMetrics(execution.executionId())
        graph = plans.planGraph(execution.executionId()).allNodes()
        nodes = []
        for node in (graph.apply(place) for place in range(graph.size())):
            metrics = [node.metrics().apply(place) for place in range(node.metrics().size())]
            known = [metric for metric in metrics if values.contains(metric.accumulatorId())]
            nodes.append((node.name().strip(), {each.name(): values.apply(each.accumulatorId()) for each in known}))
        read, numbers = 0, execution.stages().iterator()
        while numbers.hasNext():
            read += input_bytes(stages, numbers.next())
        yield execution.executionId(), execution.rootExecutionId(), nodes, read


def input_bytes(stages: Any, number: int) -> int:
    """What the last attempt of stage `number` read. When its store is full Spark forgets skipped stages first, which
    read nothing; a forgotten one that did read would leave the sum of bytes short, and the test would fail."""
    try:
        stage = stages.lastStageAttempt(number)
    except Py4JJavaError as error:
        if error.java_exception.getClass().getSimpleName() != "NoSuchElementException":
            raise
        return 0
    # Of a cached frame each block counts as one record.
    return int(stage.inputBytes()) if str(stage.status()) == "COMPLETE" and stage.inputRecords() > 1 else 0


def last_number(spark: Any) -> int:
    # Stages of older executions may be forgotten already: only their numbers are asked for.
    found = spark._jsparkSession.sharedState().statusStore().executionsList()
    return max((found.apply(place).executionId() for place in range(found.size())), default=-1)


def check(spark: Any, after: int, cost: Cost, *, lines: int, beside: int = 0) -> None:
    """Hold every query of `cost` against what Spark executed behind number `after`: scans, shuffles of all `lines` and
    bytes of the raw input; `beside` are bytes of other CSV files."""
    queries: dict[int, dict[str, int]] = defaultdict(lambda: {"raw": 0, "rows": 0, "shuffles": 0})
    raw_bytes = 0
    for _, root, nodes, read in executed(spark, after):
        # A cached scan stands in the plans of those that use the cache, and reads nothing there.
        scans = [(name, float(of.get("number of output rows", "0").replace(",", ""))) for name, of in nodes]
        texts = [rows for name, rows in scans if name == "Scan csv" and rows]
        tables = [rows for name, rows in scans if name == "Scan parquet" and rows]
        if not texts and not tables and root not in queries:
            continue
        query = queries[root]
        query["raw"] += len([rows for rows in texts if rows > 10])  # the other table of a referential rule is smaller
        query["rows"] += len(tables)
        written = [of.get("shuffle records written", "").replace(",", "") for name, of in nodes if name == "Exchange"]
        query["shuffles"] += written.count(str(lines))
        raw_bytes += read if texts else 0
    expected = [{"raw": of.raw, "rows": of.rows, "shuffles": len(of.shuffles)} for of in cost.queries]
    assert [queries[root] for root in sorted(queries)] == expected
    assert raw_bytes == cost.raw_bytes + beside


@pytest.mark.spark
def test_the_plain_configuration_reads_the_raw_input_once_and_shuffles_it_once(tmp_path: Path, spark: Any) -> None:
    size, config = put(tmp_path, "a.csv", 300), configured(tmp_path)
    cost, before = cost_of(config, find_source(config.raw)), last_number(spark)
    assert (cost.bytes, cost.raw_passes, cost.row_passes) == (size, 1, 4)
    run_stages(config, ["clean"], session=spark)
    check(spark, before, cost, lines=300)


@pytest.mark.spark
def test_statistics_are_one_more_pass_and_a_unique_rule_one_more_shuffle(
    tmp_path: Path, spark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = put(tmp_path, "a.csv", 300)
    countries = tmp_path / "countries.csv"
    countries.write_text("name\nFrance\nSpain\n", encoding="utf-8")
    rules = (
        "{name: far_off, action: flag, column: quantity, outlier: {by: iqr}, group: [product_id]}",
        f"{{name: no_country, column: country, references: {{path: {countries}, column: name}}}}",
        UNIQUE,
    )
    config = configured(tmp_path, f"clean.rules=[{', '.join(rules)}]", "clean.match_cancellations=false")
    cost, before = cost_of(config, find_source(config.raw), fits=["far_off"]), last_number(spark)
    assert (cost.bytes, cost.raw_passes, cost.row_passes) == (size, 2, 2)
    # Each frame looks at its files: one for both passes, one for the other table.
    framed, read = list[str](), raw.read_raw
    monkeypatch.setattr(raw, "read_raw", lambda spark, source: framed.append(source.path) or read(spark, source))
    run_stages(config, ["clean"], session=spark)
    assert framed == [config.raw.path, str(countries)]
    check(spark, before, cost, lines=300, beside=countries.stat().st_size)


@pytest.mark.spark
def test_a_second_batch_is_read_alone_and_published_rows_are_read_to_find_those_that_it_touches(
    tmp_path: Path, spark: Any
) -> None:
    put(tmp_path, "a.csv", 300)
    config = configured(tmp_path, *KEYED, "clean.match_cancellations=false")
    run_stages(config, ["clean"], session=spark)
    size = put(tmp_path, "b.csv", 200, price=2.5)
    new, before = find_source(config.raw).only(["b.csv"]), last_number(spark)
    cost = cost_of(config, new, adds=True)
    assert (cost.bytes, cost.raw_passes, cost.row_passes) == (size, 1, 7)
    run_stages(config, ["clean"], session=spark)
    check(spark, before, cost, lines=500)


def test_the_command_tells_the_cost_and_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = put(tmp_path, "a.csv", 30)
    monkeypatch.setattr("ringmill.lake.session.open_session", pytest.fail)
    command = ["plan", "clean", str(CONF), "--raw", str(tmp_path / "raw"), "--warehouse", str(tmp_path / "lake")]
    said = CliRunner().invoke(app, [*command, *(word for setting in KEYED for word in ("--set", setting))])
    assert said.exit_code == 0, said.output
    assert f"clean: 1 new csv input(s), {size:,} bytes; clean/rows is written anew" in said.output
    assert "shuffle of all rows by order_id, product_id: exact duplicates and the key's" in said.output
    assert "shuffle of all rows by customer_id, ordered_at: rule one_a_moment" in said.output


@pytest.mark.parametrize("words", [["features", str(CONF)], ["clean", str(CONF), str(CONF)]])
def test_a_stage_that_has_no_plan_is_a_usage_error(words: list[str]) -> None:
    said = CliRunner().invoke(app, ["plan", *words])
    assert said.exit_code == 2
    assert "expected 'clean' or 'train'" in said.output
