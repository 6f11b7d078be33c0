"""Paths and URIs to open files, by the filesystems that pyarrow knows."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import fs

from ringmill.errors import PlanError
from ringmill.uris import named_for_pyarrow


class Opened:
    """The file that this process opened last, and how many batches of rows it has read so far, of this and of others:
    whoever watches the process for stalls wants to know."""

    path = ""
    batches = 0


def open_file(path: str) -> Any:
    """A random-access file, local or by URI (s3, gs, hdfs, abfs, file).

    Raises:
        PlanError: it cannot be opened; a version older than the table's retention has lost its files.
    """
    Opened.path = path
    try:
        if "://" in path:
            filesystem, inner = fs.FileSystem.from_uri(named_for_pyarrow(path))
        else:
            filesystem, inner = fs.LocalFileSystem(), path
        return filesystem.open_input_file(inner)
    except OSError as error:
        raise PlanError.no_file(path, error.strerror or str(error)) from error
    except pa.ArrowInvalid as error:  # a scheme that pyarrow does not know
        raise PlanError.no_file(path, str(error)) from error
