"""Anonymous memory that several processes of one host map: no file on disk, gone when the last of them is gone.

It is a memfd, sealed to its size. Who made it offers the process and the descriptor; others open it by
/proc/PID/fd/N while that process holds it. Nobody has to tidy up: the kernel frees it with its last mapping, however
the processes end.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

NAME = "ringmill-rows"
# What TensorFlow asks of memory that it uses without a copy; a cache line besides.
ALIGNED = 64
_HEADER = 16  # a random mark by which others know that they have opened this memory and no other


@dataclass(frozen=True)
class Offer:
    """Where another process of the host finds a memory: process, descriptor there, and the mark in its first bytes."""

    pid: int
    descriptor: int
    mark: int

    def to_row(self) -> list[int]:
        return [self.pid, self.descriptor, self.mark]


class Memory:
    """`size` bytes, zero at first, beginning at a multiple of `ALIGNED`."""

    def __init__(self, size: int, pages: mmap.mmap) -> None:
        self.size, self._pages = size, pages

    @classmethod
    def private(cls, size: int) -> Self:
        """Memory of this process alone."""
        return cls(size, mmap.mmap(-1, ALIGNED + size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))

    @classmethod
    def shared(cls, size: int) -> tuple[Self, Offer]:
        """Memory that others may open. Raises OSError where the kernel has none."""
        descriptor = os.memfd_create(NAME, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, ALIGNED + size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        memory = cls(size, mmap.mmap(descriptor, ALIGNED + size))
        mark = int.from_bytes(os.urandom(_HEADER // 2), "little") >> 1
        memory._pages[:_HEADER] = mark.to_bytes(_HEADER, "little")
        return memory, Offer(os.getpid(), descriptor, mark)

    @classmethod
    def open(cls, size: int, offer: Offer) -> Self | None:
        """The memory of another process; None where this process may not open it, or finds another one in its place."""
        try:
            descriptor = os.open(f"/proc/{offer.pid}/fd/{offer.descriptor}", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            if os.fstat(descriptor).st_size != ALIGNED + size:
                return None
            memory = cls(size, mmap.mmap(descriptor, ALIGNED + size))
        except (OSError, ValueError):
            return None
        finally:
            os.close(descriptor)
        return memory if memory._pages[:_HEADER] == offer.mark.to_bytes(_HEADER, "little") else None

    def array(self, at: int, shape: Sequence[int], dtype: Any) -> NDArray[Any]:
        """The array that begins at byte `at`; it keeps the memory alive."""
        count = int(np.prod(shape, dtype=np.int64))
        return np.frombuffer(self._pages, dtype, count, ALIGNED + at).reshape(tuple(shape))


def aligned(size: int) -> int:
    """The next multiple of `ALIGNED`."""
    return -(-size // ALIGNED) * ALIGNED
