"""Pre-flight with real processes: what is in the way ends all ranks before they train."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ringmill.errors import TrainingError
from ringmill.train.launch.barrier import BarrierLauncher
from ringmill.train.launch.local import LocalLauncher
from ringmill.train.launch.process import Launch
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


@pytest.mark.spark
def test_the_tasks_of_a_barrier_stage_agree_not_to_start(spark, tmp_path: Path) -> None:
    refused(BarrierLauncher(spark), tmp_path, TOO_MUCH, bytes_per_rank=2**60)
