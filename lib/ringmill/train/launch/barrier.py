"""Ranks inside Spark: one barrier stage, each of whose tasks runs one rank as a process beside its Python worker.

A rank's process is started before the tasks exchange what they find on their hosts, so that its imports overlap the
exchange. The tasks never raise for a rank that failed: Spark would kill the others, and what they know with them. They
tell each other through the driver's rendezvous server, end their ranks, and return how it went; the driver names the
cause. A driver that is gone takes the server with it, and the tasks end their ranks. A stage that loses an executor is
not run again by Spark, whose barrier stages with a result never are, but by who called for it.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ringmill.errors import RankLost, TrainingError
from ringmill.train.devices import gpu_environment
from ringmill.train.facts import Facts
from ringmill.train.launch.board import Board
from ringmill.train.launch.process import POLL_SECONDS, Ending, Launch, RankProcess, cause_of, wait_for_facts
from ringmill.train.peers import LOOPBACK, check_reachable, peers_of
from ringmill.train.placing import Placed, by_master
from ringmill.train.ranks import Rendezvous, check_horovod, rank_settings

if TYPE_CHECKING:
    from pyspark import BarrierTaskContext
    from pyspark.resource import ResourceInformation
    from pyspark.sql import SparkSession

PEER_POLL_SECONDS = 0.2
# So many ranks can ask the one server so often; more ask less often.
RANKS_PER_POLL = 32
# An executor registers seconds after its application began, and one that takes a lost one's place likewise.
SLOTS_SECONDS, NEW_SLOTS_SECONDS = 8.0, 60.0
FAILED = "failed"


@dataclass(frozen=True)
class BarrierLauncher:
    """Starts rank i in task i of one barrier stage of `spark`. The run folder must be the same path on every host."""

    spark: SparkSession
    name: str = "barrier"

    def check(self, ranks: int) -> None:
        """Raises TrainingError where Horovod is missing, or Spark, with fewer slots than ranks, would only wait."""
        check_horovod()
        check_allocation(dict(self.spark.sparkContext.getConf().getAll()))
        self._wait_for_slots(ranks, SLOTS_SECONDS)

    def placed(self, ranks: int) -> Placed:
        """As Spark's master says, if it can."""
        return by_master(ranks, str(self.spark.sparkContext.master))

    def launch(self, launch: Launch) -> None:
        """Run all ranks to their end. Raises TrainingError when one fails; none is left behind."""
        from py4j.protocol import Py4JError, Py4JJavaError  # type: ignore[import-untyped]

        self._wait_for_slots(launch.ranks, NEW_SLOTS_SECONDS)
        context, settings = self.spark.sparkContext, self.spark.sparkContext.getConf()
        driver = settings.get("spark.driver.host", LOOPBACK) or LOOPBACK
        # Spark's own: the address at which a driver listens, where another one, such as a router's, leads to it.
        listens = settings.get("spark.driver.bindAddress", driver) or driver
        with Rendezvous(socket.gethostbyname(listens)) as server:
            board = Board(socket.gethostbyname(driver), server.port)
            stage = context.parallelize(range(launch.ranks), launch.ranks).barrier()
            try:
                endings = stage.mapPartitions(_task(launch, board)).collect()
            except Py4JJavaError as error:
                said, *_ = str(error.java_exception.getMessage()).partition("Driver stacktrace:")
                raise RankLost.with_stage(str(launch.folder), " ".join(said.split())) from error
            except (Py4JError, ConnectionError) as error:  # nobody answers: the JVM is gone
                text = " ".join(str(error).split()) or type(error).__name__
                raise TrainingError.driver_lost(str(launch.folder), text) from error
        if cause := cause_of(endings):
            raise cause

    def _wait_for_slots(self, ranks: int, seconds: float) -> None:
        # The threads of a local session are all there from its start.
        wait = 0.0 if str(self.spark.sparkContext.master).startswith("local[") else seconds
        deadline = time.monotonic() + wait
        while (slots := self._slots()) < ranks:
            if time.monotonic() > deadline:
                raise TrainingError.not_ready(
                    f"{ranks} ranks need {ranks} task slots at once, and Spark has {slots}",
                    f"set train.ranks to at most {slots}, or give Spark more cores (spark.master)",
                    expected="a slot for each rank",
                )
            time.sleep(PEER_POLL_SECONDS)

    def _slots(self) -> int:
        context = self.spark.sparkContext._jsc.sc()  # Spark has no public name for what its own check asks
        return int(context.maxNumConcurrentTasks(context.resourceProfileManager().defaultResourceProfile()))


def check_allocation(settings: Mapping[str, str]) -> None:
    """Raises TrainingError where Spark's `settings` let it take executors away: it runs no barrier stage then."""
    if settings.get("spark.dynamicAllocation.enabled", "false").lower() == "true":
        raise TrainingError.not_ready(
            "spark.dynamicAllocation.enabled is true, and Spark runs no barrier stage then",
            "set spark.dynamicAllocation.enabled to false and state spark.executor.instances, or train.launcher: local",
            expected="executors that stay",
        )


def _task(launch: Launch, board: Board) -> Callable[[Iterable[int]], Iterable[Ending]]:
    """The function of one barrier task; it runs in Spark's Python worker, which never imports TensorFlow."""

    def run(_: Iterable[int]) -> Iterable[Ending]:
        from pyspark import BarrierTaskContext

        with ExitStack() as stack:
            yield _run_rank(BarrierTaskContext.get(), launch, board, stack)

    return run


def _run_rank(context: BarrierTaskContext, launch: Launch, board: Board, stack: ExitStack) -> Ending:
    rank, process = context.partitionId(), None
    try:
        process = RankProcess.start(rank, launch, environment=task_environment(context.resources()))
        stack.callback(process.end)
        found = _look_around(process, board)
    except OSError as error:  # the folder of its log is not there
        found = _refused(TrainingError.no_folder(rank, socket.gethostname(), str(launch.folder), str(error)))
    # The one exchange that needs all tasks: which ranks share a host, and whether all may start.
    everyone = [json.loads(text) for text in context.allGather(json.dumps(found))]
    refusal = _refusal(everyone, launch)
    if process is None or refusal:
        return Ending(rank, 0, str(launch.log(rank)), "", launch.stall_seconds, **(refusal or found))
    facts = [Facts(**one["facts"]) for one in everyone]
    hosts = [fact.host for fact in facts]
    settings = rank_settings(process.rank, hosts, address=board.address, port=board.port)
    # Ranks that share one host need not share it with the driver.
    reached = {"HOROVOD_GLOO_RENDEZVOUS_ADDR": board.address}
    process.tell(settings | launch.settings | reached, peers_of(process.rank, facts))
    return _watch(process, board, launch)


def task_environment(resources: Mapping[str, ResourceInformation]) -> dict[str, str]:
    """What shows a rank the GPUs that Spark gave its task (spark.task.resource.gpu.amount), and no others."""
    if (gpus := resources.get("gpu")) is None:
        return {}
    return gpu_environment(gpus.addresses)


def _look_around(process: RankProcess, board: Board) -> dict[str, Any]:
    try:
        check_reachable(board.address, board.port, host=socket.gethostname())
        return {"facts": asdict(wait_for_facts([process])[0])}
    except TrainingError as error:
        return _refused(error)


def _refused(error: TrainingError) -> dict[str, Any]:
    """What an `Ending` says of a start that `error` is in the way of."""
    return {"refusal": error.parts(), "again": isinstance(error, RankLost)}


def _refusal(everyone: Iterable[Mapping[str, Any]], launch: Launch) -> Mapping[str, Any] | None:
    """Why nothing is started: the same on every task, since all see the same."""
    answers = list(everyone)
    if refusals := [one for one in answers if "refusal" in one]:
        return refusals[0]
    try:
        launch.check([Facts(**one["facts"]) for one in answers])
    except TrainingError as error:
        return _refused(error)
    return None


def _watch(process: RankProcess, board: Board, launch: Launch) -> Ending:
    """Wait for the rank's end, or end it when it stalls or another one has failed; the others are told."""
    pause = PEER_POLL_SECONDS * max(1.0, launch.ranks / RANKS_PER_POLL)
    peer_failed, asked = False, time.monotonic()
    while process.status is None and not process.watch.stall() and not peer_failed:
        time.sleep(POLL_SECONDS)
        process.listen()
        if time.monotonic() - asked > pause:
            peer_failed, asked = _peer_failed(board), time.monotonic()
    # A rank that has ended by now did so by itself, even if the news of another's end came first: it may be the cause.
    ending = process.ending(limit=launch.stall_seconds)
    if ending.failed and not ending.by_launcher:
        board.write(FAILED, str(process.rank))
    return ending


def _peer_failed(board: Board) -> bool:
    try:
        return board.read(FAILED) is not None
    except ConnectionError:
        return True
