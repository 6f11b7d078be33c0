"""Raw input as files on the driver: which there are, in which format, with which columns; no JVM is started here.

A path is a file, a folder (read at any depth) or a glob, on the local disk or at a URI that pyarrow knows.
"""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pyarrow import fs

from ringmill.config.raw import Raw
from ringmill.errors import InputError
from ringmill.lake.look import Keys, RawFile, look
from ringmill.lake.paths import data_files, name_below, open_path

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
BLOCK = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One input file, or one Delta table at a version, as law 3 identifies it."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Refused:
    """A file that cannot be read, and why."""

    name: str
    bytes: int
    reason: str


@dataclass(frozen=True)
class Source:
    """Raw input that was found and can be read: its format, its files or the Delta version, and all its columns.

    `base` is the folder below which the files' names begin. `refused` holds the files that are passed over, where
    raw.bad_files allows it.
    """

    path: str
    format: str
    delimiter: str
    files: tuple[RawFile, ...]
    columns: tuple[str, ...]
    version: int | None = None
    base: str = ""
    refused: tuple[Refused, ...] = ()

    def only(self, names: Collection[str]) -> Source:
        """The same source with these of its files; its columns stay those of all."""
        return replace(self, files=tuple(file for file in self.files if file.name in names))

    def without(self, name: str, reason: str) -> Source:
        """The same source with one of its files refused."""
        (file,) = (file for file in self.files if file.name == name)
        refused = (*self.refused, Refused(name, file.bytes, reason))
        return replace(self.only({each.name for each in self.files} - {name}), refused=refused)


def find_source(raw: Raw, *, personal: Collection[str] = (), empty_files: Literal["bad", "ignore"] = "bad") -> Source:
    """Look for the input and check what can be checked before Spark starts.

    A file that cannot be read is refused where raw.bad_files is 'quarantine', and its neighbours are taken. So is one
    that has none of the mapped columns: its first line is no header. Where columns are `personal`, no error says a name
    that is not mapped, for it may be a value. A file that holds nothing at all is a bad one; with `empty_files`
    'ignore' it is passed over, but for Parquet, where one of no row has a footer.

    Raises:
        InputError: nothing is there, no rows are in it, a file is empty, its format is unknown or not what the files
            hold, or a mapped column is missing in one of the files (the nearest name is given).
    """
    system, path = open_path(raw.path)
    if raw.format == "delta" or (raw.format == "auto" and _is_delta(system, path)):
        return _delta(raw, personal)
    base, found = data_files(system, path)
    if not found:
        raise InputError.no_file(raw.path)
    form = raw.format if raw.format != "auto" else _format_of(found, raw)
    files, refused, rows = [], [], False
    for info in found:
        name = name_below(info.path, base)
        try:
            looked_at = _looked_at(system, info, name, form, raw, personal)
            if looked_at is None and (empty_files == "bad" or form == "parquet"):
                raise InputError.empty(info.path)
        except InputError as error:
            if raw.bad_files == "fail":
                raise
            refused.append(Refused(name, info.size, f"{error.what} {error.received}"))
            continue
        if looked_at is not None:
            files.append(looked_at[0])
            rows |= looked_at[1]
    if not rows:
        raise InputError.no_file_fit(raw.path, refused[0].reason) if refused else InputError.empty(raw.path)
    absent = raw.mapped.values() if raw.drift.missing == "ignore" else ()
    columns = tuple(dict.fromkeys([*(name for file in files for name in file.columns), *absent]))
    check_distinct(raw, columns, personal)
    return Source(raw.path, form, raw.delimiter, tuple(files), columns, base=base, refused=tuple(refused))


def _looked_at(
    system: fs.FileSystem, info: fs.FileInfo, name: str, form: str, raw: Raw, personal: Collection[str]
) -> tuple[RawFile, bool] | None:
    """The file, and whether it holds rows; None where it holds nothing at all."""
    if info.size == 0:
        return None
    if raw.bad_files == "quarantine" and raw.format == "auto" and SUFFIXES.get(_suffix(info.path)) != form:
        raise InputError.unreadable(info.path, f"its name says that it is no {form}")
    file, has_rows = look(system, info, name, form, raw.delimiter)
    if not file.columns:
        return None
    if raw.drift.missing == "fail" or not set(raw.mapped.values()) & set(file.columns):
        _check_columns(file.path, file.columns, raw, personal)
    return file, has_rows


def fingerprint(source: Source, known: Mapping[str, Entry] | None = None) -> tuple[Entry, ...]:
    """What the input holds, as law 3 compares it: SHA-256 of each file's bytes; for Delta the table's version.

    `known` holds entries of files that are known not to have changed since.

    Raises:
        InputError: a gzip file ends too early or is none.
    """
    if source.version is not None:
        from deltalake import DeltaTable

        # A table that was dropped and written again has another id and other files under the same version.
        table = DeltaTable(source.path, version=source.version)
        identity = "\n".join([str(table.metadata().id), str(source.version), *sorted(table.file_uris())])
        return (Entry(f"version {source.version}", 0, hashlib.sha256(identity.encode()).hexdigest()),)
    system, _ = open_path(source.path)
    kept = known or {}
    return tuple(
        kept.get(file.name) or Entry(file.name, file.bytes, _sha256(system, file.path)) for file in source.files
    )


def looked_through(source: Source, name: str) -> tuple[Source, Entry]:
    """One of the files as law 3 identifies it, and the source with all the keys of it where it is JSON lines, of which
    the first lines alone were looked at; one reading gives both.

    Raises:
        InputError: a gzip file ends too early or is none; a file of JSON lines has too many keys.
    """
    (file,) = (file for file in source.files if file.name == name)
    system, _ = open_path(source.path)
    if source.format != "jsonl":
        return source, Entry(name, file.bytes, _sha256(system, file.path))
    keys = Keys(file)
    entry = Entry(name, file.bytes, _sha256(system, file.path, keys.take))
    whole = replace(file, columns=keys.close())
    files = tuple(whole if each is file else each for each in source.files)
    return replace(source, files=files, columns=tuple(dict.fromkeys((*source.columns, *whole.columns)))), entry


def batch_of(raw: Raw, entries: tuple[Entry, ...]) -> str:
    """The batch's name: the configured one, or twelve hex digits of a hash over names and contents."""
    text = "\n".join(f"{entry.name} {entry.sha256}" for entry in entries)
    return raw.batch or hashlib.sha256(text.encode()).hexdigest()[:12]


def _is_delta(system: fs.FileSystem, path: str) -> bool:
    return bool(system.get_file_info(f"{path}/_delta_log").type == fs.FileType.Directory)


def _suffix(path: str) -> str:
    return Path(path.lower().removesuffix(".gz")).suffix


def _format_of(found: list[fs.FileInfo], raw: Raw) -> str:
    """The one format that the suffixes of all files say; a file of another kind is named, never skipped in silence.

    Where bad files are put aside, the commonest of the formats.
    """
    named: list[tuple[str | None, str]] = [(SUFFIXES.get(_suffix(info.path)), info.path) for info in found]
    formats = {form: path for form, path in reversed(named) if form}
    strangers = [path for form, path in named if form is None]
    if raw.bad_files == "quarantine" and formats:
        counted = Counter(form for form, _ in named if form)
        return str(min(counted, key=lambda form: (-counted[form], form)))
    if strangers:
        raise InputError.unknown_format(strangers[0], FORMATS)
    if len(formats) > 1:
        paths = " and ".join(sorted(formats.values()))
        raise InputError.unreadable(str(Path(found[0].path).parent), f"files of several formats: {paths}")
    return next(iter(formats))


def _check_columns(where: str, columns: tuple[str, ...], raw: Raw, personal: Collection[str]) -> None:
    mapped = set(raw.mapped.values())
    if missing := mapped - set(columns):
        raise InputError.missing_columns(where, missing, columns, shown=mapped if personal else columns)


def check_distinct(raw: Raw, columns: tuple[str, ...], personal: Collection[str]) -> None:
    """Raises InputError for two names that are one: Spark compares them without case, and the reader adds some."""
    seen = {name.lower(): name for name in ADDED}
    known = {*raw.mapped.values(), *ADDED}
    for name in columns:
        if (other := seen.setdefault(name.lower(), name)) != name or name in ADDED:
            one, two = ("(withheld)" if personal and each not in known else each for each in (name, other))
            raise InputError.unreadable(raw.path, f"column '{one}' cannot be told from '{two}'")


def _delta(raw: Raw, personal: Collection[str]) -> Source:
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
    _check_columns(raw.path, columns, raw, personal)
    check_distinct(raw, columns, personal)
    return Source(raw.path, "delta", raw.delimiter, (), columns, table.version())


def _sha256(system: fs.FileSystem, path: str, taking: Callable[[bytes], object] = len) -> str:
    """The hash of a file's bytes; `taking` gets what they are once they are unpacked, block by block."""
    packed = path.lower().endswith(".gz")
    if packed:
        _check_gzip(system, path, taking)
    hasher = hashlib.sha256()
    with system.open_input_stream(path, compression=None) as stream:
        while block := stream.read(BLOCK):
            hasher.update(block)
            if not packed:
                taking(block)
    return hasher.hexdigest()


def _check_gzip(system: fs.FileSystem, path: str, taking: Callable[[bytes], object]) -> None:
    """Unpack it once: its sums stand at its end, and a file that was cut off begins like a whole one."""
    try:
        with system.open_input_stream(path, compression=None) as stream, gzip.GzipFile(fileobj=stream) as plain:
            while block := plain.read(BLOCK):
                taking(block)
    except (OSError, EOFError) as error:
        raise InputError.unreadable(path, str(error)) from error
