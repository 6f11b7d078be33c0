"""The default job: undisturbed, and killed again and again; law 3 says that the tables are the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pyarrow as pa
import pytest

from ringmill.config import load
from ringmill.lake.ledger import Entry, Ledger
from ringmill.lake.promotions import Promotions
from ringmill.lake.tables import Lake
from ringmill.pipeline.run import run_all

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.ring]
CONF = Path(__file__).parents[2] / "conf" / "default.yaml"
SETTINGS = [
    "generate.customers=700",
    "generate.lines=20000",
    "generate.days=420",
    "features.train_cutoffs=[2024-10-01]",
    "train.epochs=4",
    "train.launcher=local",
]
# One after the other: each run goes on from where the one before it was killed.
POINTS = (
    "before ledger generate",
    "after clean/rows",
    "before ledger clean",
    "after rfm/customers",
    "after features/customers",
    "epoch 2",
    "before ledger train",
    "before ledger promote",
    "after scores/customers",
    "before ledger report",
)
KILLS_PER_STAGE = 10
# What tells one run from another, and nothing of the data.
OF_THE_RUN = {"model_run", "run_id", "seconds", "started_at"}
# Of sketches with random choices of their own, and of sums in the order in which partitions were done.
ESTIMATES = {
    "quality/runs": {
        *("middle_known_at", "distinct", "mean", "deviation", "quantiles", "edges", "shares", "m2"),
        *("distinct_state", "quantile_state", "top_state"),
    }
}


@pytest.fixture(scope="module")
def undisturbed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    folder = str(tmp_path_factory.mktemp("undisturbed"))
    run_all(load(CONF, SETTINGS, warehouse=folder), session=spark)
    return Ledger(Lake(folder))


def runs_and_dies(point: str, warehouse: Path, *, jvm: SparkSession | None = None) -> bool:
    """Run the job until `point`; nobody is left of it. False where it was done before it came there.

    With `jvm` its driver works in that session's, which outlives it: a JVM of its own costs half a minute to warm up.
    """
    env = dict(os.environ)
    if jvm is not None:
        gateway = jvm.sparkContext._gateway.gateway_parameters
        env |= {"PYSPARK_GATEWAY_PORT": str(gateway.port), "PYSPARK_GATEWAY_SECRET": gateway.auth_token}
    program = [sys.executable, str(Path(__file__).with_name("killed.py")), point, str(CONF), str(warehouse)]
    with (warehouse / "said").open("w+") as said:
        process = subprocess.Popen([*program, *SETTINGS], stdout=said, stderr=said, cwd=warehouse, env=env)
        everyone: set[psutil.Process] = set()
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                everyone |= set(psutil.Process(process.pid).children(recursive=True))
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
        _, alive = psutil.wait_procs(everyone, timeout=120)
        for left in alive:
            with suppress(psutil.NoSuchProcess):
                left.kill()
        said.seek(0)
        assert process.returncode in (0, -signal.SIGKILL), f"it did not come to '{point}': {said.read()[-2000:]}"
    assert not alive, f"left behind after '{point}': {alive}"
    return process.returncode == -signal.SIGKILL


def finished(warehouse: Path, spark: SparkSession) -> Mapping[str, Entry]:
    return {entry.stage: entry for entry in run_all(load(CONF, SETTINGS, warehouse=str(warehouse)), session=spark)}


def rows_of(ledger: Ledger, stage: str, table: str) -> pa.Table:
    """The published rows without what is the run's own, in an order of their own."""
    found = ledger.lake.read_arrow(table, ledger.resolve(stage).outputs[table])
    names = [name for name in found.column_names if name not in OF_THE_RUN and name not in ESTIMATES.get(table, ())]
    plain = [name for name in names if not pa.types.is_nested(found.schema.field(name).type)]
    return found.select(names).sort_by([(name, "ascending") for name in plain]).combine_chunks()


def check_same(one: Ledger, other: Ledger) -> None:
    """Every published table of both holds the same rows, to the last bit; one model is current."""
    compared = 0
    for stage in ("clean", "rfm", "features", "score"):
        rows = one.resolve(stage)
        assert rows.counts == other.resolve(stage).counts, stage
        for table in (name for name, version in rows.outputs.items() if isinstance(version, int)):
            left, right = (rows_of(ledger, stage, table) for ledger in (one, other))
            assert left.equals(right), f"{table} differs"
            compared += 1
    assert compared >= 7
    trained = one.resolve("train")
    assert trained.detail["metrics"] == other.resolve("train").detail["metrics"]
    for ledger in (one, other):
        models = Promotions.of(ledger, ledger.resolve("train").detail["model"])
        assert models.line() == [ledger.resolve("train").run_id]


def test_law_3_ten_kills_at_least_one_a_stage_and_the_tables_are_those_of_an_undisturbed_run(
    spark: SparkSession, undisturbed: Ledger, tmp_path: Path
) -> None:
    for point in POINTS:
        assert runs_and_dies(point, tmp_path, jvm=spark), point
    entries = finished(tmp_path, spark)
    assert entries["report"].outcome == "published"
    check_same(undisturbed, Ledger(Lake(str(tmp_path))))


@pytest.mark.long
def test_law_3_ten_kills_in_every_stage_spread_over_its_time(
    spark: SparkSession, undisturbed: Ledger, tmp_path: Path
) -> None:
    # What becomes of a trained model is decided within its stage's time.
    lengths = {entry.stage: entry.seconds for entry in undisturbed.entries() if entry.stage != "promote"}
    assert len(lengths) == 7
    for stage, seconds in lengths.items():
        for turn in range(KILLS_PER_STAGE):
            delay = seconds * (turn + 0.5) / KILLS_PER_STAGE
            # The stage may be done sooner than beside other tests: the kill then meets the next one, if there is one.
            while not runs_and_dies(f"{stage} {delay:.3f}", tmp_path):
                delay /= 2
                assert delay > 0.01, stage
                for page in tmp_path.glob("reports/**/*.html"):
                    page.unlink()
    finished(tmp_path, spark)
    check_same(undisturbed, Ledger(Lake(str(tmp_path))))


def test_the_default_job_finds_planted_defects_and_misses_some_of_the_three_hard_kinds(undisturbed: Ledger) -> None:
    found = {row["kind"]: row for row in undisturbed.resolve("clean").detail["detection"]}
    for kind in ("missing_customer", "exact_duplicate", "unreadable_date", "unreadable_number", "mixed_encoding"):
        assert (found[kind]["precision"], found[kind]["recall"]) == (1.0, 1.0), found[kind]
        assert found[kind]["planted"] > 0
    for kind in ("near_duplicate_key", "plausible_outlier", "day_month_swapped"):
        assert 0 < found[kind]["recall"] < 1, found[kind]
    assert found["plausible_outlier"]["precision"] < 1


def test_a_report_that_someone_removed_is_made_again_and_nothing_else(undisturbed: Ledger) -> None:
    config = load(CONF, SETTINGS, warehouse=undisturbed.lake.root)
    report = Path(undisturbed.resolve("report").detail["path"])
    assert ">Planted defects</h2>" in report.read_text(encoding="utf-8")
    assert {entry.outcome for entry in run_all(config)} == {"unchanged"}
    report.unlink()
    again = {entry.stage: entry.outcome for entry in run_all(config)}
    assert again.pop("report") == "published"
    assert set(again.values()) == {"unchanged"}
