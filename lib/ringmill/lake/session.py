"""One Spark session per run, with every setting that Ringmill relies on and its reason."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pyspark

from ringmill.config.models import DECISIVE, SparkSection
from ringmill.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DELTA_PACKAGE = "io.delta:delta-spark_4.2_2.13"
# All rules are one loop of generated code, longer than the 8,000 bytes of bytecode above which HotSpot leaves a method
# to its interpreter for good.
COMPILED = "-XX:-DontCompileHugeMethods"
# For a JVM that was started without that: Spark cuts such a loop into methods that are compiled.
INTERPRETED_ABOVE = {"spark.sql.codegen.hugeMethodLimit": "8000"}


def delta_jars() -> list[Path]:
    """Delta's JARs among Spark's own; empty where Spark has to resolve them at its start."""
    home = Path(os.environ.get("SPARK_HOME") or pyspark.__path__[0])
    return sorted(home.glob("jars/delta-*.jar"))


def settings(section: SparkSection, *, log: Path) -> dict[str, str]:
    """Every setting of the session, as Spark's names and values; the section's own `settings` come last."""
    chosen = {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        **DECISIVE,
        # INT96, Spark's default, is nanoseconds for every other reader and unordered in the statistics.
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        # 200 by default: hundreds of empty tasks on a laptop.
        "spark.sql.shuffle.partitions": str(section.shuffle_partitions),
        # 50 by default: every commit of a small table would run 50 tasks.
        "spark.databricks.delta.snapshotPartitions": "2",
        # Spark would infer filters from all combinations of equal columns: of staged values there are so many that
        # planning takes minutes and gigabytes.
        "spark.sql.constraintPropagation.enabled": "false",
        # 100 by default, which one stage exceeds: the next would have to compile Delta's own code, and its own, again.
        "spark.sql.codegen.cache.maxEntries": "500",
        "spark.ui.enabled": "false",
        # 1,000 by default: the drawn plans of old queries fill a small driver's memory, with or without a UI.
        "spark.sql.ui.retainedExecutions": "20",
        "spark.ui.retainedJobs": "100",
        "spark.ui.retainedStages": "200",
        "spark.ui.retainedTasks": "2000",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": section.driver_memory,
        # Short stages on few cores: the parallel collector needs fewer threads and less memory than G1.
        "spark.driver.extraJavaOptions": (
            f"-XX:+UseParallelGC -XX:-UsePerfData {COMPILED} -Dringmill.log={log} "
            f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties').as_uri()}"
        ),
        "spark.executor.extraJavaOptions": COMPILED,
        # A barrier stage takes all its slots or none: a retry of one rank alone can never join the ring.
        "spark.task.maxFailures": "1" if section.master.startswith("local") else "4",
        "spark.python.worker.faulthandler.enabled": "true",
    }
    if section.master.startswith("local"):
        # A laptop's host name may not resolve, and nothing outside has to reach this driver.
        chosen |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        # By default a sixteenth of a core's memory, 32 MB of these 1,536: each broadcast table, of two rows too, takes
        # one from the driver until the collector comes round, and twenty of them were all that there was.
        chosen["spark.buffer.pageSize"] = "4m"
    if not delta_jars():
        chosen["spark.jars.packages"] = f"{DELTA_PACKAGE}:{version('delta-spark')}"
    return chosen | section.settings


def open_session(section: SparkSection, *, name: str, log: Path) -> SparkSession:
    """The running session, or a new one; the JVM's own output goes to `log`, the terminal stays readable."""
    from pyspark.sql import SparkSession

    log.parent.mkdir(parents=True, exist_ok=True)
    # Workers import the same ringmill and the same packages as the driver.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    submitted = _submitted()
    builder = SparkSession.builder.appName(name).master(submitted.get("spark.master", section.master))
    section = section.model_copy(update={"master": submitted.get("spark.master", section.master)})
    chosen = settings(section, log=log)
    if submitted and COMPILED not in submitted.get("spark.driver.extraJavaOptions", ""):
        chosen = INTERPRETED_ABOVE | chosen
    if "spark.driver.host" in submitted:  # where others look for this driver it has to listen
        chosen.pop("spark.driver.bindAddress", None)
    if "delta-spark" in submitted.get("spark.jars", ""):
        chosen.pop("spark.jars.packages", None)
    for key, value in chosen.items():
        if key not in submitted:
            builder = builder.config(key, value)
    # PySpark and py4j log every failed call before they raise it; the terminal gets the error that is made of it.
    logging.basicConfig(filename=log.with_name("driver.log"))
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    with _stderr_to(log.with_suffix(".stderr")), _signals_held_back():
        spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    for key, value in DECISIVE.items():  # what was submitted has not won here
        spark.conf.set(key, value)
    return spark


def check_session(spark: SparkSession) -> SparkSession:
    """A session that somebody else made. Raises ConfigError where results would be others by one of its settings."""
    for key, value in DECISIVE.items():
        if (received := str(spark.conf.get(key))).lower() != value.lower():
            raise ConfigError.other_session(key, value, received)
    return spark


def _submitted() -> dict[str, str]:
    """What spark-submit was given; what a program sets would otherwise win over it. Empty where there was none."""
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        return {}
    from pyspark import SparkConf, SparkContext

    SparkContext._ensure_initialized()  # connects to the JVM that spark-submit started; SparkConf is blind before
    return dict(SparkConf().getAll())


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait: a JVM that is interrupted while it starts would be left behind by PySpark."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in handlers:
        signal.signal(number, lambda received, _: came.append(received))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if came:
            raise KeyboardInterrupt


@contextmanager
def _stderr_to(path: Path) -> Iterator[None]:
    """Point file descriptor 2 at `path`, so that a JVM started meanwhile keeps writing there."""
    sys.stderr.flush()
    saved = os.dup(2)
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.dup2(target, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(target)
