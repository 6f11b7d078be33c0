"""A folder of checkpoints: the last few states of one training, each in a file that proves to be whole when read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from ringmill.train.checkpoint import State
from ringmill.train.files import remove_drafts, write_whole

SUFFIX = ".checkpoint"
FORMAT = b"ringmill checkpoint 1\n"
DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True)
class Unused:
    """A checkpoint that cannot be resumed from, and why."""

    path: Path
    why: str


@dataclass
class CheckpointFolder:
    """Files 000001.checkpoint, 000002.checkpoint, … of which the last `keep` stay; one process at a time writes.

    A file is a line that names its format, the SHA-256 of all that follows, and `State.to_bytes`.
    """

    path: Path
    keep: int
    unused: list[Unused] = field(default_factory=list)

    def newest(self, fingerprint: str) -> tuple[Path, bytes] | None:
        """The last file that is whole and belongs to `fingerprint`, and its state as bytes; None where there is none.

        Newer ones that are passed over stand in `unused` afterwards.
        """
        remove_drafts(self.path)
        self.unused = []
        for path in reversed(self._files()):
            try:
                blob = read_whole(path)
            except ValueError as error:
                self.unused.append(Unused(path, str(error)))
                continue
            if State.from_bytes(blob)[1] == fingerprint:
                return path, blob
            self.unused.append(Unused(path, "belongs to other data or another configuration"))
        return None

    def write(self, state: State, fingerprint: str) -> Path:
        """Add `state`; only once it is there are older ones removed, and what could not be used with them.

        Raises:
            TrainingError: it could not be written; the files that were there stay.
        """
        files = self._files()
        number = int(files[-1].stem) + 1 if files else 1
        path = self.path / f"{number:06}{SUFFIX}"
        blob = state.to_bytes(fingerprint)
        where = f"The checkpoint after epoch {state.epoch}" + (f" and {state.step} steps" if state.step else "")
        write_whole(path, FORMAT + hashlib.sha256(blob).digest() + blob, where)
        passed_over = {unused.path for unused in self.unused}
        usable = [file for file in files if file not in passed_over]
        for old in (*passed_over, *usable[: max(len(usable) + 1 - self.keep, 0)]):
            old.unlink(missing_ok=True)
        self.unused = []
        return path

    def _files(self) -> list[Path]:
        """In the order in which they were written."""
        found = [path for path in self.path.glob(f"*{SUFFIX}") if path.stem.isdigit()]
        return sorted(found, key=lambda path: int(path.stem))


def read_whole(path: Path) -> bytes:
    """The state in the file, as bytes.

    Raises:
        ValueError: the file is torn or altered, is no checkpoint, or cannot be read; its text is the reason.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    head, blob = content[: len(FORMAT) + DIGEST], content[len(FORMAT) + DIGEST :]
    if not head.startswith(FORMAT):
        raise ValueError(f"is torn, or no checkpoint: its {len(content):,} bytes do not begin as one")
    if head[len(FORMAT) :] != hashlib.sha256(blob).digest():
        raise ValueError(f"is torn or altered: its {len(content):,} bytes do not match their checksum")
    return blob
