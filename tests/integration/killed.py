"""Runs a whole pipeline and kills its own process at one point: killed.py POINT CONF WAREHOUSE [SECTION.KEY=VALUE …].

POINT is `before NAME` or `after NAME`, NAME a table that is written, or `ledger STAGE` for a stage's row; `epoch N`, as
the driver hears of it; or `STAGE SECONDS`, so long after the stage began. It starts a JVM of its own, or works in
the one that PYSPARK_GATEWAY_PORT names, which outlives it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from ringmill.lake.ledger import Ledger
from ringmill.lake.tables import Lake
from ringmill.pipeline import run, train
from ringmill.pipeline.run import configured, run_all

WRITES = ("write", "replace", "merge", "replace_arrow", "append_arrow")


def main() -> None:
    point, conf, warehouse, *settings = sys.argv[1:]
    first, _, rest = point.partition(" ")
    if first in ("before", "after"):
        for name in WRITES:
            setattr(Lake, name, _dying(getattr(Lake, name), first, rest, lambda words: _path(words)))
        ledger = _dying(Ledger.append, first, rest, lambda words: f"ledger {words[1].stage}")
        Ledger.append = ledger  # type: ignore[method-assign]
    elif first == "epoch":
        _die_at_epoch(int(rest))
    else:
        _die_in(first, float(rest))
    session = _session_there() if "PYSPARK_GATEWAY_PORT" in os.environ else None
    run_all(configured(Path(conf), raw=None, warehouse=warehouse, settings=settings), session=session)


def _session_there() -> SparkSession:
    """A session with settings of its own in a JVM that another process started."""
    gateway = launch_gateway()
    jvm: Any = gateway.jvm
    spark = jvm.org.apache.spark
    context = spark.api.java.JavaSparkContext.fromSparkContext(spark.SparkContext.getOrCreate())
    python = SparkContext(gateway=gateway, jsc=context, conf=SparkConf(_jconf=context.getConf()))
    of_this = spark.sql.classic.SparkSession.builder().getOrCreate().newSession()
    return SparkSession(python, of_this)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _path(words: tuple[Any, ...]) -> str:
    """Of the table among a write's arguments."""
    return next(
        str(getattr(word, "path", word)) for word in words[1:] if isinstance(word, str) or hasattr(word, "grain")
    )


def _dying(
    effect: Callable[..., Any], when: str, name: str, name_of: Callable[[tuple[Any, ...]], str]
) -> Callable[..., Any]:
    def call(*words: Any, **more: Any) -> Any:
        met = name_of(words) == name
        if met and when == "before":
            die()
        result = effect(*words, **more)
        if met:
            die()
        return result

    return call


def _die_at_epoch(epoch: int) -> None:
    say = train.say

    def listen(step: Any, line: Any) -> None:
        if line["event"] == "epoch" and line["epoch"] == epoch:
            die()
        say(step, line)

    train.say = listen


def _die_in(name: str, seconds: float) -> None:
    execute = run.execute

    def begin(stage: Any, of: Any) -> Any:
        if stage.name == name:
            timer = threading.Timer(seconds, die)
            timer.daemon = True
            timer.start()
        return execute(stage, of)

    run.execute = begin


if __name__ == "__main__":
    main()
