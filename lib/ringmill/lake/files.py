"""Raw input as files on the driver: which there are, in which format, with which columns; no JVM is started here.

A path is a file, a folder (read at any depth) or a glob, on the local disk or at a URI that pyarrow knows. Names that
begin with '_' or '.' are not data, as for Spark.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from ringmill.config.models import Raw
from ringmill.errors import InputError

SUFFIXES = {
    ".csv": "csv",
    ".json": "jsonl",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
FORMATS = ("csv", "jsonl", "parquet", "delta")
# Names that the reader adds itself.
ADDED = ("source_file", "_torn", "_repaired")
JSON_LINES_LOOKED_AT = 1_000


@dataclass(frozen=True)
class Entry:
    """One input file, or one Delta table at a version, as law 3 identifies it."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class RawFile:
    """One file: where it is, its name below the path that was asked for, its size and its columns in order.

    `schema` tells Parquet files of the same columns but other types apart; `nanos` names columns of nanoseconds.
    """

    path: str
    name: str
    bytes: int
    columns: tuple[str, ...]
    schema: str = ""
    nanos: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Raw input that was found and can be read: its format, its files or the Delta version, and all its columns."""

    path: str
    format: str
    delimiter: str
    files: tuple[RawFile, ...]
    columns: tuple[str, ...]
    version: int | None = None


def find_source(raw: Raw) -> Source:
    """Look for the input and check what can be checked before Spark starts.

    Raises:
        InputError: nothing is there, no rows are in it, its format is unknown or not what the files hold, or a mapped
            column is missing in one of the files (the nearest name is given).
    """
    system, path = open_path(raw.path)
    if raw.format == "delta" or (raw.format == "auto" and _is_delta(system, path)):
        return _delta(raw)
    base, found = _list(system, path)
    if not found:
        raise InputError.no_file(raw.path)
    form = raw.format if raw.format != "auto" else _format_of(found)
    looked = [_look(system, info, _name_below(info.path, base), form, raw.delimiter) for info in found]
    files = tuple(file for file, _ in looked)
    if not any(rows for _, rows in looked):
        raise InputError.empty(raw.path)
    for file in files:
        if file.columns:
            _check_columns(file.path, file.columns, raw)
    columns = tuple(dict.fromkeys(name for file in files for name in file.columns))
    _check_distinct(raw.path, columns)
    return Source(raw.path, form, raw.delimiter, files, columns)


def fingerprint(source: Source) -> tuple[Entry, ...]:
    """What the input holds, as law 3 compares it: SHA-256 of each file's bytes; for Delta the table's version."""
    if source.version is not None:
        from deltalake import DeltaTable

        # A table that was dropped and written again has another id and other files under the same version.
        table = DeltaTable(source.path, version=source.version)
        identity = "\n".join([str(table.metadata().id), str(source.version), *sorted(table.file_uris())])
        return (Entry(f"version {source.version}", 0, hashlib.sha256(identity.encode()).hexdigest()),)
    system, _ = open_path(source.path)
    return tuple(Entry(file.name, file.bytes, _sha256(system, file.path)) for file in source.files)


def batch_of(raw: Raw, entries: tuple[Entry, ...]) -> str:
    """The batch's name: the configured one, or twelve hex digits of a hash over names and contents."""
    text = "\n".join(f"{entry.name} {entry.sha256}" for entry in entries)
    return raw.batch or hashlib.sha256(text.encode()).hexdigest()[:12]


def open_path(path: str) -> tuple[fs.FileSystem, str]:
    """The file system of a local path or a URI, and the path in it."""
    if "://" not in path:
        return fs.LocalFileSystem(), str(Path(path).absolute())
    try:
        system, below = fs.FileSystem.from_uri(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError.unreadable(path, str(error)) from error
    return system, below


def _list(system: fs.FileSystem, path: str) -> tuple[str, list[fs.FileInfo]]:
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
    return any(part.startswith(("_", ".")) for part in _name_below(path, base).split("/"))


def _name_below(path: str, base: str) -> str:
    return path.removeprefix(base).lstrip("/")


def _is_delta(system: fs.FileSystem, path: str) -> bool:
    return bool(system.get_file_info(f"{path}/_delta_log").type == fs.FileType.Directory)


def _suffix(path: str) -> str:
    return Path(path.lower().removesuffix(".gz")).suffix


def _format_of(found: list[fs.FileInfo]) -> str:
    """The one format that the suffixes of all files say; a file of another kind is named, never skipped."""
    formats: dict[str, str] = {}
    for info in found:
        if _suffix(info.path) not in SUFFIXES:
            raise InputError.unknown_format(info.path, FORMATS)
        formats.setdefault(SUFFIXES[_suffix(info.path)], info.path)
    if len(formats) > 1:
        paths = " and ".join(formats.values())
        raise InputError.unreadable(str(Path(found[0].path).parent), f"files of several formats: {paths}")
    return next(iter(formats))


def _look(system: fs.FileSystem, info: fs.FileInfo, name: str, form: str, delimiter: str) -> tuple[RawFile, bool]:
    """A file with its columns, and whether it holds rows."""
    look = {"parquet": _look_at_parquet, "jsonl": _look_at_json}.get(form)
    try:
        if look:
            return look(system, info, name)
        return _look_at_csv(system, info, name, delimiter)
    except (pa.ArrowInvalid, OSError, EOFError, csv.Error) as error:
        raise InputError.unreadable(info.path, " ".join(str(error).split())) from error


def _look_at_parquet(system: fs.FileSystem, info: fs.FileInfo, name: str) -> tuple[RawFile, bool]:
    with system.open_input_file(info.path) as stream:
        footer = pq.ParquetFile(stream)
        schema, rows = footer.schema_arrow, footer.metadata.num_rows
    nanos = tuple(field.name for field in schema if pa.types.is_timestamp(field.type) and field.type.unit == "ns")
    text = schema.remove_metadata().to_string()
    return RawFile(info.path, name, info.size, tuple(schema.names), text, nanos), rows > 0


def _look_at_json(system: fs.FileSystem, info: fs.FileInfo, name: str) -> tuple[RawFile, bool]:
    keys = _json_keys(info.path, list(islice(_lines(system, info.path), JSON_LINES_LOOKED_AT)))
    return RawFile(info.path, name, info.size, keys), bool(keys)


def _look_at_csv(system: fs.FileSystem, info: fs.FileInfo, name: str, delimiter: str) -> tuple[RawFile, bool]:
    first = list(islice(_lines(system, info.path), 2))
    header = next(csv.reader(first[:1], delimiter=delimiter), [])
    columns = tuple(column or f"_c{index}" for index, column in enumerate(header))
    return RawFile(info.path, name, info.size, columns), len(first) > 1


def _lines(system: fs.FileSystem, path: str) -> Iterator[str]:
    """Lines that are not blank, as UTF-8 where they are and as Windows-1252 otherwise."""
    with system.open_input_stream(path, compression=None) as stream:
        plain = gzip.GzipFile(fileobj=stream) if path.lower().endswith(".gz") else stream
        for line in io.BufferedReader(plain):
            if text := _decoded(line).strip("\r\n"):
                yield text


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def _json_keys(path: str, lines: list[str]) -> tuple[str, ...]:
    """The keys of the first thousand objects, in the order of their first appearance; torn lines are passed over."""
    keys: dict[str, None] = {}
    for line in lines:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict):
            keys.update(dict.fromkeys(row))
    if lines and not keys:
        raise InputError.unreadable(path, f"no line is a JSON object; the first begins {lines[0][:40]!r}")
    return tuple(keys)


def _check_columns(where: str, columns: tuple[str, ...], raw: Raw) -> None:
    if missing := set(raw.mapped.values()) - set(columns):
        raise InputError.missing_columns(where, missing, columns)


def _check_distinct(where: str, columns: tuple[str, ...]) -> None:
    """Spark compares names without case, and the reader adds columns of its own."""
    seen = {name.lower(): name for name in ADDED}
    for name in columns:
        if (other := seen.setdefault(name.lower(), name)) != name or name in ADDED:
            raise InputError.unreadable(where, f"column '{name}' cannot be told from '{other}'")


def _delta(raw: Raw) -> Source:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        table = DeltaTable(raw.path)
        columns = tuple(field.name for field in table.schema().fields)
        rows = pa.table(table.get_add_actions(flatten=True)).num_rows
    except (DeltaError, OSError) as error:
        raise InputError.unreadable(raw.path, " ".join(str(error).split())) from error
    if not rows:
        raise InputError.empty(raw.path)
    _check_columns(raw.path, columns, raw)
    _check_distinct(raw.path, columns)
    return Source(raw.path, "delta", raw.delimiter, (), columns, table.version())


def _sha256(system: fs.FileSystem, path: str) -> str:
    hasher = hashlib.sha256()
    with system.open_input_stream(path, compression=None) as stream:
        while block := stream.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()
