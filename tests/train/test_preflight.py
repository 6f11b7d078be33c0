"""Pre-flight with real processes: what is in the way ends all ranks before they train."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from ringmill.errors import RankLost, TrainingError
from ringmill.train.launch.barrier import BarrierLauncher
from ringmill.train.launch.local import LocalLauncher
from ringmill.train.launch.process import Launch, RankProcess, wait_for_facts
from ringmill.train.run import Launcher
from train.runs import rank_processes

pytestmark = pytest.mark.ring
TOO_MUCH = r"2 ranks on host \S+ need [\d,]+ bytes of memory, and [\d,]+ are free"


def refused(launcher: Launcher, folder: Path, match: str, *, spec: bytes = b"{}", bytes_per_rank: int = 0) -> None:
    """Launch two ranks of a job that no rank comes to read; `spec` is what the launcher believes to lie in `folder`."""
    (folder / "spec.json").write_bytes(b"{}")
    digest = hashlib.sha256(spec).hexdigest()
    launch = Launch(folder / "spec.json", 2, spec_hash=digest, bytes_per_rank=bytes_per_rank, stall_seconds=300)
    with pytest.raises(TrainingError, match=match) as caught:
        launcher.launch(launch)
    assert caught.value.where == "pre-flight check"
    assert rank_processes(folder) == {}


def test_more_memory_than_there_is_is_refused(tmp_path: Path) -> None:
    refused(LocalLauncher(), tmp_path, TOO_MUCH, bytes_per_rank=2**60)


def test_a_folder_in_which_a_rank_sees_something_else_is_refused(tmp_path: Path) -> None:
    refused(LocalLauncher(), tmp_path, "rank 0 on host .*another spec lies in it", spec=b"other")


def test_a_rank_that_is_killed_before_it_tells_is_lost_and_one_that_ends_by_itself_is_not(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_bytes(b"{}")
    launch = Launch(tmp_path / "spec.json", 1, spec_hash="", bytes_per_rank=0, stall_seconds=300)
    for program, kind in (("import os; os.kill(os.getpid(), 9)", RankLost), ("exit(3)", TrainingError)):
        rank = RankProcess.start(0, launch, [sys.executable, "-c", program])
        with pytest.raises(TrainingError, match="Rank 0 of the training did not start") as caught:
            wait_for_facts([rank])
        rank.end()
        assert type(caught.value) is kind


@pytest.mark.spark
def test_a_run_folder_that_a_barrier_s_host_cannot_see_is_one_sentence_and_not_tried_again(spark, tmp_path) -> None:
    nowhere = Launch(tmp_path / "gone" / "spec.json", 2, spec_hash="", bytes_per_rank=0, stall_seconds=300)
    with pytest.raises(TrainingError, match=r"rank 0 on host \S+ cannot use the run folder") as caught:
        BarrierLauncher(spark).launch(nowhere)
    assert not isinstance(caught.value, RankLost)


@pytest.mark.spark
def test_the_tasks_of_a_barrier_stage_agree_not_to_start(spark, tmp_path: Path) -> None:
    refused(BarrierLauncher(spark), tmp_path, TOO_MUCH, bytes_per_rank=2**60)
