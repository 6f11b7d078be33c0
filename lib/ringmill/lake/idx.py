"""idx files (LeCun, Cortes and Burges: the MNIST format): the header, checked against the file's bytes, and stretches.

The driver holds the header alone; rows are read where they are needed.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ringmill.errors import InputError
from ringmill.lake.paths import open_path

BLOCK = 2**20
UNSIGNED_BYTES = 8


@dataclass(frozen=True)
class IdxFile:
    """A whole idx file of unsigned bytes: `shape` is (rows, …), `path` as it was given."""

    path: str
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def rows(self) -> int:
        return self.shape[0]

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:])

    @property
    def header_bytes(self) -> int:
        return 4 + 4 * len(self.shape)

    @property
    def is_packed(self) -> bool:
        return self.path.lower().endswith(".gz")


def look_at_idx(path: str, *, dimensions: tuple[int, ...]) -> IdxFile:
    """Read the header and compare it with the file's size; a .gz is unpacked once, a block at a time.

    `dimensions` are the numbers of dimensions that it may have.

    Raises:
        InputError: there is no such file; it is no idx file of unsigned bytes with these dimensions; it is torn.
    """
    allowed = " or ".join(f"00 00 08 {count:02d}" for count in dimensions)
    try:
        with _opened(path) as stream:
            magic = stream.read(4)
            if len(magic) < 4 or magic[:3] != bytes([0, 0, UNSIGNED_BYTES]) or magic[3] not in dimensions:
                raise InputError.bad_idx(path, f"the first four bytes {allowed}", magic.hex(" ") or "an empty file")
            sizes = stream.read(4 * magic[3])
            if len(sizes) < 4 * magic[3]:
                raise InputError.bad_idx(path, f"a header of {4 + 4 * magic[3]} bytes", f"{4 + len(sizes)} bytes")
            shape = tuple(int.from_bytes(sizes[at : at + 4]) for at in range(0, len(sizes), 4))
            found = IdxFile(path, shape)
            received = found.header_bytes + _rest(stream, path)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError.bad_idx(path, "a whole file", str(error)) from error
    expected = found.header_bytes + int(math.prod(shape))
    if received != expected:
        raise InputError.bad_idx(path, f"{expected:,} bytes, as the header says: {shape}", f"{received:,} bytes")
    return found


def read_stretch(file: IdxFile, start: int, stop: int) -> Iterator[bytes]:
    """The bytes of each row from `start` to before `stop`; of a .gz all before them are unpacked and dropped.

    Raises:
        InputError: the file became shorter since it was looked at.
    """
    with _opened(file.path) as stream:
        stream.seek(file.header_bytes + start * file.row_bytes)
        for row in range(start, stop):
            found = stream.read(file.row_bytes)
            if len(found) < file.row_bytes:
                raise InputError.bad_idx(file.path, f"{file.row_bytes:,} bytes of row {row:,}", f"{len(found):,} bytes")
            yield found


def _rest(stream: Any, path: str) -> int:
    """How many bytes follow."""
    begin = int(stream.tell())
    if not path.lower().endswith(".gz"):
        return int(stream.seek(0, 2)) - begin
    while stream.read(BLOCK):
        pass
    return int(stream.tell()) - begin


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """A file to read and seek in; a .gz unpacked."""
    system, inner = open_path(path)
    with system.open_input_file(inner) as file:
        if path.lower().endswith(".gz"):
            with gzip.GzipFile(fileobj=file) as plain:
                yield plain
        else:
            yield file
