"""Folders that a command wrote: under which key, and with names that do not change from run to run."""

from __future__ import annotations

from pyarrow import fs

from ringmill.errors import WarehouseError
from ringmill.lake.paths import open_path

# Holds the key under which a folder was written; hidden, so that no reader takes it for data.
DONE = "_done"


def name_parts(folder: str, suffix: str) -> None:
    """Name the files that Spark wrote into `folder` part-00000 and so on, in order: its own names differ every time."""
    system, path = open_path(folder)
    found = system.get_file_info(fs.FileSelector(path))
    parts = sorted(info.path for info in found if info.base_name.startswith("part-"))
    for number, part in enumerate(parts):
        system.move(part, f"{path}/part-{number:05}{suffix}")
    for info in found:
        if info.base_name.endswith(".crc"):  # sums of files under their old names
            system.delete_file(info.path)


def was_done(folder: str, key: str) -> bool:
    """Whether `folder` was marked as done under this key."""
    system, path = open_path(folder)
    mark = f"{path}/{DONE}"
    if system.get_file_info(mark).type != fs.FileType.File:
        return False
    with system.open_input_stream(mark) as stream:
        return bool(stream.read().decode() == key)


def mark_done(folder: str, key: str | None) -> None:
    """Mark `folder` as done under `key`; None takes the mark away, before the contents change.

    Raises:
        WarehouseError: the folder cannot be written.
    """
    system, path = open_path(folder)
    mark = f"{path}/{DONE}"
    try:
        system.create_dir(path)
        if system.get_file_info(mark).type == fs.FileType.File:
            system.delete_file(mark)
        if key is not None:
            with system.open_output_stream(mark) as stream:
                stream.write(key.encode())
    except OSError as error:
        raise WarehouseError.not_writable(folder, str(error)) from error
