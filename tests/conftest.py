"""Fixtures shared by all tests: one lazy Spark session for the whole run."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from ringmill.config.models import SparkSection

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # Who runs the tests in the background has Ctrl-C ignored, and what is ignored is inherited by all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Nearly all that a test runs is planning, and code that Spark generates for one query: to compile it fully as early as
# by default costs more than it saves (tests/integration/test_leak.py took 223 CPU seconds so, and takes 171).
LATE = (
    "-XX:Tier4InvocationThreshold=25000 -XX:Tier4MinInvocationThreshold=3000 "
    "-XX:Tier4CompileThreshold=75000 -XX:Tier4BackEdgeThreshold=200000"
)
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """local[2], UTC, UI off, two shuffle partitions, the default memory, warehouse and logs under pytest's tmp."""
    from ringmill.lake.session import open_session
    from ringmill.lake.session import settings as settings_of

    folder = tmp_path_factory.mktemp("spark")
    ours = settings_of(SparkSection(), log=folder / "spark.log")["spark.driver.extraJavaOptions"]
    settings = {
        "spark.driver.extraJavaOptions": f"{ours} {LATE}",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        # One run of a stage asks more than 20 queries, Delta's own included, and what they did is looked up.
        "spark.sql.ui.retainedExecutions": "100",
        "spark.ui.retainedJobs": "1000",
        "spark.ui.retainedStages": "2000",
    }
    section = SparkSection(shuffle_partitions=2, settings=settings)
    session = open_session(section, name="tests", log=folder / "spark.log")
    # What is imported by now stays; the collector, which alone lets go of the JVM's plans, comes sooner to the rest.
    gc.freeze()
    yield session
    session.stop()


def at_hand(name: str) -> Path:
    """The file or folder of a real data set; a test that needs it is skipped where it is not there."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs the data in {path}")
    return path


@pytest.fixture(scope="session")
def adult() -> Path:
    """The folder of UCI Adult."""
    return at_hand("adult")


@pytest.fixture(scope="session")
def sms_spam() -> list[tuple[str, str]]:
    """Label and text of each message of the SMS Spam Collection."""
    file = at_hand("sms_spam/SMSSpamCollection")
    # Quotes are part of the texts, and some hold characters that `splitlines` takes for ends of lines.
    lines = file.read_text(encoding="utf-8").split("\n")
    return [tuple(line.split("\t", 1)) for line in lines if line]


@pytest.fixture(scope="session")
def online_retail() -> Path:
    """The folder of UCI Online Retail."""
    return at_hand("online_retail")


@pytest.fixture(scope="session")
def fashion_mnist() -> Path:
    """The folder of Fashion-MNIST's idx files."""
    return at_hand("fashion_mnist")


@pytest.fixture
def received(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each action brought to the driver; what would bring a table fails."""
    found: list[int] = []
    kind = type(spark.range(1))
    collect = kind.collect

    def counted(frame: DataFrame) -> list[Row]:
        rows = collect(frame)
        found.append(len(rows))
        return rows

    def refused(frame: DataFrame) -> NoReturn:
        raise AssertionError("a table came to the driver")

    monkeypatch.setattr(kind, "collect", counted)
    monkeypatch.setattr(kind, "toArrow", refused)
    return found
