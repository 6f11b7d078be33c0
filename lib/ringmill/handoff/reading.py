"""What an epoch of the order 'striped' reads of the training files, as arithmetic over their footers.

Each row group of a rank's stretch is read by itself. A small file is read whole for it; of a larger one its footer, and
the group's chunks of the columns that are wanted. A group that is cut between ranks is read by each of them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ringmill.handoff.budget import HandOff
from ringmill.handoff.manifest import Manifest
from ringmill.handoff.read import BUFFER_BYTES, WHOLE_BYTES, groups_of
from ringmill.handoff.stripes import Stripes, row_groups

# Arrow looks for a footer in so many bytes at a file's end, and reads it again where it is longer.
FOOTER_BYTES, FOOTER_END = 2**16, 8
# An epoch that reads more than so many times the table's bytes is warned of.
MOST = 1.1
# Footers of more files are not looked at for a plan: the ranks share that work, and a plan is one process.
FILES_LOOKED_AT, AT_ONCE = 10_000, 16


@dataclass(frozen=True)
class Reading:
    """Bytes that all ranks read in the epoch that reads most, and those of the training files.

    `again` are those of groups that a second rank reads. `exact`: else a rank may stop within a column's chunk that is
    larger than the reader's buffer, and read less.
    """

    bytes: int
    again: int
    table_bytes: int
    exact: bool

    @property
    def ratio(self) -> float:
        return self.bytes / self.table_bytes

    def lines(self) -> list[str]:
        """What the plan says of it, with one warning where it is more than it should be."""
        most = "" if self.exact else "at most "
        said = f"read     {most}{self.bytes:,} bytes of training rows in an epoch, "
        said += f"{self.ratio:.2f} times the {self.table_bytes:,} of their files"
        if self.ratio <= MOST:
            return [said]
        if 2 * self.again >= self.bytes - self.table_bytes:
            todo = "make its row groups smaller (ringmill optimize --target-mb, or as it is written)"
        else:
            todo = "make its files and their row groups larger, each of which costs a footer or a small file"
        warned = f"warning  striped reads more than {MOST} times the table's bytes: {todo}, or set train.order: global"
        return [said, warned]


def reading_lines(handed: HandOff, *, epochs: int) -> list[str]:
    """The lines for a plan in the order 'striped'; none in 'global'. Raises PlanError where a file is gone."""
    manifest = handed.manifests["train"]
    if handed.window_rows is None:
        return []
    if len(manifest.files) > FILES_LOOKED_AT:
        return [f"read     not counted: the footers of {len(manifest.files):,} files are not looked at for a plan"]
    return reading(handed, epochs=epochs).lines()


def reading(handed: HandOff, *, epochs: int) -> Reading:
    """What the epoch that reads most, of so many, reads of the training rows. Raises PlanError where a file is gone."""
    manifest, wanted = handed.manifests["train"], frozenset(handed.columns.names)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        looked = list(pool.map(lambda place: _of_file(manifest, place, wanted), range(len(manifest.files))))
    table = np.concatenate([np.zeros((0, 4), np.int64), *(groups for groups, _ in looked)])
    # In the files' order, and within each in the order of its rows, as `row_groups` has them.
    costs, stripes = table[:, 3], Stripes(handed.plan, row_groups(table[:, :3]), handed.window_rows or 1)
    once, largest = int(costs.sum()), max(chunk for _, chunk in looked)
    again = max(int((costs * (stripes.readers(epoch) - 1)).sum()) for epoch in range(epochs))
    size = sum(file.bytes for file in manifest.files)
    return Reading(once + again, again, size, exact=not again or largest <= BUFFER_BYTES)


def _of_file(manifest: Manifest, place: int, names: frozenset[str]) -> tuple[NDArray[np.int64], int]:
    """(groups, 4) of one file: file, begin, rows and the bytes that reading a part of the group costs; and the largest
    chunk of a column that is read."""
    data = manifest.files[place]
    if not data.rows:
        return np.zeros((0, 4), np.int64), 0
    metadata, begins, rows = groups_of(data)
    chunks = [_chunks(metadata.row_group(group), names) for group in range(metadata.num_row_groups)]
    costs = np.array([_footer(data.bytes, metadata.serialized_size) + sum(of_group) for of_group in chunks], np.int64)
    largest = max(map(max, chunks))
    if data.bytes <= WHOLE_BYTES:
        costs, largest = np.full(len(rows), data.bytes), 0
    return np.stack([np.full(len(rows), place), begins, rows, costs], axis=1)[rows > 0], largest


def _chunks(group: pq.RowGroupMetaData, names: frozenset[str]) -> list[int]:
    """Bytes of the chunks of the columns `names`; of a nested column each leaf has one."""
    inside = tuple(f"{name}." for name in names)
    columns = (group.column(place) for place in range(group.num_columns))
    return [
        one.total_compressed_size
        for one in columns
        if one.path_in_schema in names or one.path_in_schema.startswith(inside)
    ]


def _footer(size: int, length: int) -> int:
    """Bytes that are read of a file of `size` bytes to have its footer, whose metadata have `length`."""
    tail = min(size, FOOTER_BYTES)
    return tail if length + FOOTER_END <= tail else tail + length
