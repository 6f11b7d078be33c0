"""The folder of checkpoints: what is kept, what is passed over, and a disk that takes no more."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ringmill.errors import TrainingError
from ringmill.train.checkpoint import State
from ringmill.train.checkpoints import CheckpointFolder
from ringmill.train.files import write_whole


def state(epoch: int) -> State:
    weights = (np.full((20, 30), float(epoch)),)
    return State(epoch, weights, (np.array(epoch),), weights)


def filled(path: Path, *epochs: int, keep: int = 2) -> CheckpointFolder:
    folder = CheckpointFolder(path, keep)
    for epoch in epochs:
        folder.write(state(epoch), "mine")
    return folder


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


def epoch_of(folder: CheckpointFolder, fingerprint: str = "mine") -> int | None:
    found = folder.newest(fingerprint)
    return State.from_bytes(found[1])[0].epoch if found else None


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """What the system refuses to write in this process: more than `size` bytes of a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_last_k_are_kept_and_the_newest_is_found(tmp_path: Path) -> None:
    folder = filled(tmp_path, 1, 2, 3, 4, keep=3)
    assert names(tmp_path) == ["000002.checkpoint", "000003.checkpoint", "000004.checkpoint"]
    assert epoch_of(folder) == 4
    assert folder.unused == []


def test_an_empty_or_missing_folder_has_none(tmp_path: Path) -> None:
    assert CheckpointFolder(tmp_path / "nothing", 2).newest("mine") is None


@pytest.mark.parametrize("length", [0, 10, 22, 50, 54, 5000])
def test_a_torn_file_is_named_and_the_one_before_is_used(length: int, tmp_path: Path) -> None:
    folder = filled(tmp_path, 1, 2)
    torn = tmp_path / "000002.checkpoint"
    torn.write_bytes(torn.read_bytes()[:length])
    assert epoch_of(folder) == 1
    assert [unused.path for unused in folder.unused] == [torn]
    assert folder.unused[0].why.startswith("is torn")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_seen(place: float, bit: int, tmp_path: Path) -> None:
    path = tmp_path / str(len(names(tmp_path)))
    folder = filled(path, 1, 2)
    altered = path / "000002.checkpoint"
    content = bytearray(altered.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    altered.write_bytes(content)
    assert epoch_of(folder) == 1
    assert [unused.path for unused in folder.unused] == [altered]


def test_two_good_ones_stay_when_a_torn_one_is_followed_by_a_new_one(tmp_path: Path) -> None:
    folder = filled(tmp_path, 1, 2, 3)
    (tmp_path / "000003.checkpoint").write_bytes(b"")
    assert epoch_of(folder) == 2
    folder.write(state(3), "mine")
    assert names(tmp_path) == ["000002.checkpoint", "000004.checkpoint"]
    assert epoch_of(folder) == 3


def test_one_of_another_configuration_is_passed_over_and_named(tmp_path: Path) -> None:
    folder = filled(tmp_path, 1)
    folder.write(state(9), "other")
    assert epoch_of(folder) == 1
    assert "another configuration" in folder.unused[0].why
    assert epoch_of(folder, "third") is None
    assert len(folder.unused) == 2


def test_a_disk_that_takes_no_more_keeps_what_was_there_and_names_path_and_cause(tmp_path: Path) -> None:
    folder = filled(tmp_path, 1, 2)
    with files_of_at_most(1000), pytest.raises(TrainingError, match="after epoch 3") as caught:
        folder.write(state(3), "mine")
    assert caught.value.where == str(tmp_path / "000003.checkpoint")
    assert caught.value.received == "File too large"
    assert names(tmp_path) == ["000001.checkpoint", "000002.checkpoint"]
    assert epoch_of(folder) == 2


def test_a_writer_that_fails_leaves_the_old_file_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new folder" / "history.json"
    write_whole(path, b"old", "The history")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(TrainingError, match="The history cannot be written"):
        write_whole(path, b"new", "The history")
    assert names(path.parent) == ["history.json"]
    assert path.read_bytes() == b"old"


def test_a_draft_of_a_killed_writer_is_no_checkpoint_and_is_removed(tmp_path: Path) -> None:
    folder = filled(tmp_path, 1)
    (tmp_path / ".draft-1").mkdir()
    (tmp_path / ".draft-1" / "000002.checkpoint").write_bytes(b"half")
    assert epoch_of(folder) == 1
    assert names(tmp_path) == ["000001.checkpoint"]
