"""What the session of a laptop is set to, asked of the JVM."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from ringmill.config import load
from ringmill.config.models import DECISIVE, SparkSection
from ringmill.errors import ConfigError
from ringmill.lake import session
from ringmill.pipeline.stage import Run

CONF = Path(__file__).parents[2] / "conf" / "default.yaml"
ELSEWHERE = {
    "spark.sql.session.timeZone": "America/New_York",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.legacy.timeParserPolicy": "LEGACY",
    "spark.sql.caseSensitive": "true",
}


@pytest.fixture
def elsewhere(spark: SparkSession) -> Iterator[SparkSession]:
    """The session as a cluster's own settings would make it."""
    for key, value in ELSEWHERE.items():
        spark.conf.set(key, value)
    yield spark
    for key, value in DECISIVE.items():
        spark.conf.set(key, value)


@pytest.mark.spark
def test_what_was_submitted_wins_but_for_what_decides_results(
    elsewhere: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = "SELECT CAST(TIMESTAMP'2024-01-01 12:00:00Z' AS STRING), CAST(to_timestamp('2024') AS LONG)"
    assert elsewhere.sql("SELECT CAST(TIMESTAMP'2024-01-01 12:00:00Z' AS STRING)").first()[0] != "2024-01-01 12:00:00"
    # The session of all tests: what it has is what was submitted, and stays.
    partitions = elsewhere.conf.get("spark.sql.shuffle.partitions")
    submitted = {
        **ELSEWHERE,
        "spark.sql.shuffle.partitions": partitions,
        "spark.driver.extraJavaOptions": session.COMPILED,
    }
    monkeypatch.setattr(session, "_submitted", lambda: submitted)
    found = session.open_session(
        SparkSection(shuffle_partitions=int(partitions) + 1), name="tests", log=tmp_path / "spark.log"
    )
    assert {key: found.conf.get(key) for key in DECISIVE} == DECISIVE
    assert found.conf.get("spark.sql.shuffle.partitions") == partitions
    assert found.sql(asked).first()[:] == ("2024-01-01 12:00:00", 1704067200)


@pytest.mark.spark
def test_a_session_that_is_handed_in_with_another_zone_is_refused(elsewhere: SparkSession, tmp_path: Path) -> None:
    run = Run(load(CONF, warehouse=str(tmp_path)), session=elsewhere)
    with pytest.raises(ConfigError, match=r"timeZone[\s\S]*expected: UTC[\s\S]*received: America/New_York"):
        _ = run.spark
    for key, value in DECISIVE.items():
        elsewhere.conf.set(key, value)
    # What nobody has set is as Spark has it by default: all but the zone are as they have to be.
    for key in DECISIVE:
        if key != "spark.sql.session.timeZone":
            elsewhere.conf.unset(key)
    assert run.spark is elsewhere
    run.close()


@pytest.mark.parametrize("key", DECISIVE)
def test_a_setting_that_decides_results_is_refused_before_anything_starts(key: str, tmp_path: Path) -> None:
    same = load(CONF, [f"spark.settings={{{key}: '{DECISIVE[key]}'}}"], warehouse=str(tmp_path))
    assert same.spark.settings == {key: DECISIVE[key]}
    with pytest.raises(ConfigError, match=rf"{key} is {DECISIVE[key]}"):
        load(CONF, [f"spark.settings={{{key}: '{ELSEWHERE[key]}'}}"], warehouse=str(tmp_path))


@pytest.mark.spark
def test_a_broadcast_of_a_few_rows_does_not_take_a_sixteenth_of_a_cores_memory(spark: SparkSession) -> None:
    memory = spark._jvm.org.apache.spark.SparkEnv.get().memoryManager()
    assert memory.pageSizeBytes() == 4 * 2**20


@pytest.mark.spark
def test_code_of_more_queries_than_spark_keeps_by_default_is_compiled_once(spark: SparkSession) -> None:
    compilations = spark._jvm.org.apache.spark.metrics.source.CodegenMetrics.METRIC_COMPILATION_TIME()

    def compiled() -> int:
        """How many classes Spark has compiled for 110 queries; it keeps 100 unless it is told otherwise."""
        before = int(compilations.getCount())
        for number in range(110):
            assert spark.range(1).selectExpr(f"id + {number}").head() == (number,)
        return int(compilations.getCount()) - before

    assert compiled() >= 110
    assert compiled() == 0
