"""Files that are there whole or not at all, whenever their writer dies; a disk that takes no more is named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ringmill.errors import TrainingError

DRAFTS = ".draft-"


@contextmanager
def whole(path: Path, what: str) -> Iterator[Path]:
    """A path of the same name to write to, in a folder of drafts beside `path`, where it goes if the block ends well.

    A reader of `path` sees the old file or the new one, never a part. A draft is left behind only by a writer that is
    killed: see `remove_drafts`.

    Raises:
        TrainingError: the system refuses to write `what`, for example because the disk is full.
    """
    folder = path.parent / f"{DRAFTS}{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / path.name
        yield draft
        _to_disk(draft)
        draft.replace(path)
        _to_disk(path.parent)
    except OSError as error:
        raise TrainingError.not_written(what, str(path), error.strerror or str(error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_whole(path: Path, blob: bytes, what: str) -> None:
    """`blob` as the file `path`; see `whole`."""
    with whole(path, what) as draft:
        draft.write_bytes(blob)


def remove_drafts(folder: Path) -> None:
    """Remove what killed writers left in `folder`; nobody may be writing there."""
    for drafts in folder.glob(f"{DRAFTS}*"):
        shutil.rmtree(drafts, ignore_errors=True)


def _to_disk(path: Path) -> None:
    """A rename that outlives a loss of power before what it renames would leave an empty file."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
