"""Ranks and launchers that die: one clear error, nobody left behind, and law 7 afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from handoff.tables import features_table, write_table
from ringmill.errors import TrainingError
from ringmill.train.launch.barrier import BarrierLauncher
from ringmill.train.spec import TrainSpec
from train.runs import final_state, killer, rank_processes, run, shared_memory, spec_of

pytestmark = pytest.mark.ring


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_table(tmp_path_factory.mktemp("faults") / "table", features_table(260, seed=5))


@pytest.fixture(scope="module")
def uninterrupted(table: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """SHA-256 of the weights after the last epoch of a run that nothing disturbed."""
    return run(spec_of(table, tmp_path_factory.mktemp("whole"), ranks=2)).manifest["final_weights_sha256"]


def killed(spec: TrainSpec, launcher: object = None) -> TrainingError:
    """The error of a run whose rank 1 is ended by SIGKILL after epoch 3."""
    with pytest.raises(TrainingError) as caught:
        run(spec, launcher, killer(Path(spec.folder), rank=1, epoch=3))
    return caught.value


def test_law_7_a_killed_rank_is_named_and_the_resumed_run_ends_with_the_same_bits(
    table: str, uninterrupted: str, tmp_path: Path
) -> None:
    spec = spec_of(table, tmp_path / "run", ranks=2)
    error = killed(spec)
    assert (error.what, error.where) == ("Rank 1 of the training failed.", str(tmp_path / "run" / "rank-1.log"))
    assert "killed by signal 9" in error.received
    assert rank_processes(tmp_path / "run") == {}
    assert not (tmp_path / "run" / "manifest.json").exists()
    stopped_after = final_state(tmp_path / "run").epoch
    assert 3 <= stopped_after < 40
    events = []
    resumed = run(spec, on_progress=events.append)
    assert (events[1]["event"], events[1]["epoch"], events[1]["step"]) == ("resumed", stopped_after, 0)
    assert Path(events[1]["path"]).parent == tmp_path / "run" / "checkpoints"
    assert resumed.manifest["final_weights_sha256"] == uninterrupted


def test_law_7_a_rank_killed_within_an_epoch_resumes_there_and_from_the_checkpoint_before_a_torn_one(
    table: str, uninterrupted: str, tmp_path: Path
) -> None:
    spec = spec_of(table, tmp_path / "run", ranks=2, checkpoint_steps=2)

    def follow(line: Mapping[str, Any]) -> None:
        if line["event"] == "step" and (line["epoch"], line["step"]) == (3, 4):
            rank_processes(tmp_path / "run")[0].kill()

    with pytest.raises(TrainingError, match="Rank 0"):
        run(spec, on_progress=follow)
    # A rank that dies between writing one and taking the oldest away leaves three.
    *_, before, torn = sorted((tmp_path / "run" / "checkpoints").glob("*.checkpoint"))
    torn.write_bytes(torn.read_bytes()[:-7])
    events = []
    resumed = run(spec, on_progress=events.append)
    assert [line["event"] for line in events[1:3]] == ["checkpoint_not_used", "resumed"]
    assert (events[1]["path"], events[2]["path"]) == (str(torn), str(before))
    assert (events[2]["epoch"], events[2]["step"]) >= (2, 2)
    assert resumed.manifest["final_weights_sha256"] == uninterrupted


@pytest.mark.long
def test_law_7_two_networks_whose_rank_is_killed_within_an_epoch_end_with_the_same_bits(
    table: str, tmp_path: Path
) -> None:
    gan: dict[str, Any] = {
        "task": {"kind": "adversarial"},
        "model": {"kind": "gan", "latent": 4, "hidden": (6,), "dropout": 0.3},
        "optimizer": {"kind": "adam"},
        "keep": "last",
        "checkpoint_steps": 2,
        "retries": 1,
    }
    whole = run(spec_of(table, tmp_path / "whole", ranks=2, **gan))
    events: list[Mapping[str, Any]] = []

    def follow(line: Mapping[str, Any]) -> None:
        events.append(line)
        if line["event"] == "step" and (line["epoch"], line["step"]) == (3, 4) and not retried():
            rank_processes(tmp_path / "killed")[1].kill()

    def retried() -> bool:
        return any(line["event"] == "retry" for line in events)

    killed = run(spec_of(table, tmp_path / "killed", ranks=2, **gan), on_progress=follow)
    resumed = next(line for line in events if line["event"] == "resumed")
    assert retried() and (resumed["epoch"], resumed["step"]) >= (2, 4)
    assert killed.manifest["final_weights_sha256"] == whole.manifest["final_weights_sha256"]


def test_a_rank_that_raises_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    table = write_table(tmp_path / "table", features_table(60, seed=1))
    broken = next(Path(table).glob("split=train/*.parquet"))
    pq.write_table(pq.read_table(broken, partitioning=None).drop_columns("label_spend"), broken)
    with pytest.raises(TrainingError, match="Column 'label_spend'") as caught:
        run(spec_of(table, tmp_path / "run", ranks=2))
    assert caught.value.where.endswith(".log")
    assert rank_processes(tmp_path / "run") == {}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; the test is skipped where this user may mount none."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a file system: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_ends_the_run_with_path_and_cause_and_keeps_the_last_good_checkpoint(
    table: str, small_disk: Path, tmp_path: Path
) -> None:
    spec = spec_of(table, small_disk / "run", ranks=1, epochs=5000, patience=5000)

    def fill(line: Mapping[str, Any]) -> None:
        if line["event"] == "epoch" and line["epoch"] == 3:
            with suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
                while ballast.write(bytes(4096)):
                    pass

    with pytest.raises(TrainingError, match="cannot be written") as caught:
        run(spec, on_progress=fill)
    assert "No space left on device" in caught.value.received
    assert str(small_disk / "run") in caught.value.received
    assert final_state(small_disk / "run").epoch >= 3
    assert not [path for path in (small_disk / "run").rglob("*") if "draft" in path.name]
    assert not (small_disk / "run" / "model.keras").exists()


def test_ranks_end_when_their_launcher_is_killed(table: str, tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from train.runs import run, spec_of
run(spec_of(sys.argv[1], Path(sys.argv[2]), ranks=2), on_progress=lambda line: print(line["event"], flush=True))
"""
    launcher = subprocess.Popen(
        [sys.executable, "-c", program, table, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == b"ready\n"
    ranks = rank_processes(tmp_path / "run")
    assert sorted(ranks) == [0, 1]
    shared = [shared_memory(process.pid) for process in ranks.values()]
    assert shared[0] == shared[1] and len(shared[0]) == 1
    ranks[1].suspend()  # one that is stopped cannot see that its pipe has ended
    launcher.kill()
    launcher.wait()
    _, alive = psutil.wait_procs(ranks.values(), timeout=60)
    assert alive == []


def test_an_interrupt_of_the_launcher_leaves_no_rank(table: str, tmp_path: Path) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def interrupt(line: object) -> None:
        if line["event"] == "ready":  # type: ignore[index]
            signal.pthread_kill(main, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(spec_of(table, tmp_path / "run", ranks=2), on_progress=interrupt)
    assert rank_processes(tmp_path / "run") == {}


@pytest.mark.spark
def test_a_barrier_stage_trains_to_the_bits_of_local_processes(
    spark, table: str, uninterrupted: str, tmp_path: Path
) -> None:
    events = []
    result = run(spec_of(table, tmp_path / "run", ranks=2), BarrierLauncher(spark), events.append)
    assert result.manifest["final_weights_sha256"] == uninterrupted
    assert [line["event"] for line in events] == ["ready", *["epoch"] * 40, "done"]


@pytest.mark.spark
def test_law_7_a_rank_killed_in_a_barrier_stage_is_named_and_resumes(
    spark, table: str, uninterrupted: str, tmp_path: Path
) -> None:
    spec = spec_of(table, tmp_path / "run", ranks=2)
    error = killed(spec, BarrierLauncher(spark))
    assert (error.what, error.where) == ("Rank 1 of the training failed.", str(tmp_path / "run" / "rank-1.log"))
    assert rank_processes(tmp_path / "run") == {}
    assert run(spec, BarrierLauncher(spark)).manifest["final_weights_sha256"] == uninterrupted


@pytest.mark.spark
def test_more_ranks_than_slots_fail_before_anything_is_started(spark, table: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="3 ranks need 3 task slots at once, and Spark has 2"):
        run(spec_of(table, tmp_path / "run", ranks=3), BarrierLauncher(spark))
    assert not (tmp_path / "run").exists()
