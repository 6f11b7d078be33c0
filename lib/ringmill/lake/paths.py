"""Paths, globs and URIs: which file system holds them, which files are there, how these are named below a folder.

Names that begin with '_' or '.' are not data, as for Spark.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import fs

from ringmill.errors import InputError
from ringmill.uris import named_for_pyarrow


def open_path(path: str) -> tuple[fs.FileSystem, str]:
    """The file system of a local path or a URI, and the path in it."""
    if "://" not in path:
        return fs.LocalFileSystem(), absolute(path)
    try:
        system, below = fs.FileSystem.from_uri(named_for_pyarrow(path))
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError.unreadable(path, str(error)) from error
    return system, below


def local(path: str) -> str:
    """A `file:` URI of this host as the path that it names; anything else as it is."""
    found = re.fullmatch(r"file:(?://(?:localhost)?)?(/(?!/).*)", path)
    return unquote(found[1]) if found else path


def absolute(path: str) -> str:
    """A URI as it is, a path from the root."""
    return path if "://" in path else str(Path(path).absolute())


def lies_at(path: str, name: str) -> str:
    """The full path of a file that was found at a file's, folder's or glob's path, and is named below its folder."""
    place = absolute(path).partition("?")[0] if "://" in path else absolute(path)
    return place if place.endswith(f"/{name}") else f"{_before_glob(place).rstrip('/')}/{name}"


def list_below(path: str) -> tuple[str, list[tuple[str, int]]]:
    """Names and bytes of the files at a file's, folder's or glob's path, and the folder below which they are named."""
    system, inner = open_path(path)
    base, found = data_files(system, inner)
    return absolute(path).removesuffix(inner[len(base) :]), [(name_below(info.path, base), info.size) for info in found]


def data_files(system: fs.FileSystem, path: str) -> tuple[str, list[fs.FileInfo]]:
    """The data files at a file's, folder's or glob's path, by name, and the folder below which they were looked for."""
    info = system.get_file_info(path)
    if info.type == fs.FileType.File:
        return path.rpartition("/")[0], [info]
    base = path if info.type == fs.FileType.Directory else _before_glob(path)
    if base == path and info.type != fs.FileType.Directory:
        return base, []
    below = system.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True))
    pattern = None if base == path else path
    files = [item for item in below if item.type == fs.FileType.File and not _is_hidden(item.path, base)]
    return base, sorted((item for item in files if _matches(item.path, pattern)), key=lambda item: item.path)


def _before_glob(path: str) -> str:
    """The folders before the first component with *, ? or [; `path` itself where there is none."""
    parts = path.split("/")
    wild = next((index for index, part in enumerate(parts) if any(sign in part for sign in "*?[")), None)
    return path if wild is None else "/".join(parts[:wild])


def _matches(path: str, pattern: str | None) -> bool:
    """Whether a file matches a glob component by component, or lies below a folder that matches."""
    if pattern is None:
        return True
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) >= len(wanted) and all(map(fnmatchcase, parts, wanted))


def _is_hidden(path: str, base: str) -> bool:
    return any(part.startswith(("_", ".")) for part in name_below(path, base).split("/"))


def name_below(path: str, base: str) -> str:
    return path.removeprefix(base).lstrip("/")
