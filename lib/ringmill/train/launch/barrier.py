"""Ranks inside Spark: one barrier stage, each of whose tasks runs one rank as a process beside its Python worker.

A rank's process is started before the tasks exchange their hosts, so that its imports overlap the exchange. The tasks
never raise for a rank that failed: Spark would run the whole stage again. They tell each other through task 0's
rendezvous server, end their ranks, and return how it went; the driver names the cause.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringmill.errors import TrainingError
from ringmill.train.launch.process import POLL_SECONDS, RankProcess
from ringmill.train.rank import PEER_ENDED
from ringmill.train.ranks import Rendezvous, check_horovod, rank_settings

if TYPE_CHECKING:
    from pyspark import BarrierTaskContext
    from pyspark.sql import SparkSession

PEER_POLL_SECONDS = 0.2
FAREWELL_SECONDS = 10.0


@dataclass(frozen=True)
class Outcome:
    """How one rank ended: `ended_by_peer` where its task ended it because another rank had failed."""

    rank: int
    status: int
    ended_by_peer: bool
    log: str
    tail: str


@dataclass(frozen=True)
class BarrierLauncher:
    """Starts rank i in task i of one barrier stage of `spark`. The run folder must be the same path on every host."""

    spark: SparkSession
    name: str = "barrier"

    def check(self, ranks: int) -> None:
        """Raises TrainingError where Horovod is missing, or Spark, with fewer slots than ranks, would only wait."""
        check_horovod()
        if (slots := self._slots()) < ranks:
            raise TrainingError.not_ready(
                f"{ranks} ranks need {ranks} task slots at once, and Spark has {slots}",
                f"set train.ranks to at most {slots}, or give Spark more cores (spark.master)",
            )

    def launch(self, spec: Path, *, folder: Path, ranks: int) -> None:
        """Run all ranks to their end. Raises TrainingError when one fails; none is left behind."""
        from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]

        stage = self.spark.sparkContext.parallelize(range(ranks), ranks).barrier()
        try:
            outcomes = [Outcome(**found) for found in stage.mapPartitions(_task(str(spec), str(folder))).collect()]
        except Py4JJavaError as error:
            raise TrainingError.lost(str(folder), str(error.java_exception.getMessage()).splitlines()[0]) from error
        if failed := [outcome for outcome in outcomes if outcome.status]:
            cause = min(failed, key=lambda one: (one.ended_by_peer, one.status == PEER_ENDED, one.rank))
            raise TrainingError.rank_failed(cause.rank, cause.log, cause.tail)

    def _slots(self) -> int:
        context = self.spark.sparkContext._jsc.sc()  # Spark has no public name for what its own check asks
        return int(context.maxNumConcurrentTasks(context.resourceProfileManager().defaultResourceProfile()))


def _task(spec: str, folder: str) -> Callable[[Iterable[int]], Iterable[dict[str, Any]]]:
    """The function of one barrier task; it runs in Spark's Python worker, which never imports TensorFlow."""

    def run(_: Iterable[int]) -> Iterable[dict[str, Any]]:
        from pyspark import BarrierTaskContext

        context = BarrierTaskContext.get()
        with ExitStack() as stack:
            yield asdict(_run_rank(context, Path(spec), Path(folder), stack))

    return run


def _run_rank(context: BarrierTaskContext, spec: Path, folder: Path, stack: ExitStack) -> Outcome:
    rank = context.partitionId()
    process = RankProcess.start(rank, spec, folder / f"rank-{rank}.log")
    stack.callback(process.end)
    server = stack.enter_context(Rendezvous()) if rank == 0 else None
    address = context.getTaskInfos()[rank].address.rsplit(":", 1)[0]
    mine = {"host": socket.gethostname(), "address": address, "port": server.port if server else 0}
    # The one exchange that needs all tasks: which ranks share a host, and where task 0's server listens.
    everyone = [json.loads(text) for text in context.allGather(json.dumps(mine))]
    settings = rank_settings(
        rank, [one["host"] for one in everyone], address=everyone[0]["address"], port=everyone[0]["port"]
    )
    process.tell(settings)
    board = Board(settings["HOROVOD_GLOO_RENDEZVOUS_ADDR"], everyone[0]["port"])
    outcome = _watch(process, board)
    if server:
        _wait_for_farewells(board, len(everyone))
    return outcome


def _watch(process: RankProcess, board: Board) -> Outcome:
    """Wait for the rank's end, or end it when another rank has failed; either way the others are told."""
    peer_failed, asked = False, time.monotonic()
    while process.status is None and not peer_failed:
        time.sleep(POLL_SECONDS)
        if time.monotonic() - asked > PEER_POLL_SECONDS:
            peer_failed, asked = board.read("failed") is not None, time.monotonic()
    status = process.status
    # A rank that has ended by now did so by itself, even if the news of another's end came first: it may be the cause.
    ended_by_peer = status is None
    if status is None:
        process.end()
    elif status:
        board.write("failed", str(process.rank))
    board.write(f"ended_{process.rank}", "")
    return Outcome(process.rank, process.status or 0, ended_by_peer, str(process.log), process.tail())


def _wait_for_farewells(board: Board, ranks: int) -> None:
    """Keep the server up until every task has seen what it had to see."""
    deadline = time.monotonic() + FAREWELL_SECONDS
    while time.monotonic() < deadline and any(board.read(f"ended_{rank}") is None for rank in range(ranks)):
        time.sleep(POLL_SECONDS)


@dataclass(frozen=True)
class Board:
    """A few words that all tasks can read, kept by task 0's rendezvous server; gone when task 0 is gone."""

    address: str
    port: int

    def write(self, key: str, text: str) -> None:
        self._ask("PUT", key, text.encode())

    def read(self, key: str) -> str | None:
        """The word, or None; without a server the word 'failed' stands: its task is gone, and the ring with it."""
        answer = self._ask("GET", key, None)
        if answer is None:
            return "" if key == "failed" else None
        status, body = answer
        return body.decode() if status == 200 else None

    def _ask(self, method: str, key: str, body: bytes | None) -> tuple[int, bytes] | None:
        connection = HTTPConnection(self.address, self.port, timeout=5)
        try:
            connection.request(method, f"/ringmill/{key}", body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException):
            return None
        finally:
            connection.close()
