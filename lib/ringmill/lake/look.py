"""One raw file on the driver: its columns, and whether it holds rows; no JVM is started here."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from ringmill.errors import InputError

# Keys that first come later are known once the file is read to its end, for its hash (`Keys`).
JSON_LINES_LOOKED_AT = 1_000
MOST_KEYS = 5_000  # of so many columns Spark makes no plan in bearable time


@dataclass(frozen=True)
class RawFile:
    """One file: where it is, its name below the path that was asked for, its size and its columns in order.

    `types` holds the columns' types where the format has any (Parquet), by place; `nanos` names columns of nanoseconds.
    """

    path: str
    name: str
    bytes: int
    columns: tuple[str, ...]
    types: tuple[str, ...] = ()
    nanos: tuple[str, ...] = ()
    modified: int = 0


def look(system: fs.FileSystem, info: fs.FileInfo, name: str, form: str, delimiter: str) -> tuple[RawFile, bool]:
    """A file with its columns, and whether it holds rows.

    Raises:
        InputError: it is not what `form` says.
    """
    if form != "parquet" and info.path.lower().endswith(".gz") and not info.path.endswith(".gz"):
        raise InputError.unreadable(info.path, "gzip whose name ends otherwise than in '.gz': Spark unpacks that alone")
    try:
        match form:
            case "parquet":
                return _look_at_parquet(system, info, name)
            case "jsonl":
                return _look_at_json(system, info, name)
            case _:
                return _look_at_csv(system, info, name, delimiter)
    except (pa.ArrowInvalid, OSError, EOFError, csv.Error) as error:
        raise InputError.unreadable(info.path, " ".join(str(error).split())) from error


def _look_at_parquet(system: fs.FileSystem, info: fs.FileInfo, name: str) -> tuple[RawFile, bool]:
    with system.open_input_file(info.path) as stream:
        footer = pq.ParquetFile(stream)
        schema, rows = footer.schema_arrow, footer.metadata.num_rows
    nanos = tuple(field.name for field in schema if pa.types.is_timestamp(field.type) and field.type.unit == "ns")
    types = tuple(str(field.type) for field in schema)
    return _file(info, name, tuple(schema.names), types, nanos), rows > 0


def _look_at_json(system: fs.FileSystem, info: fs.FileInfo, name: str) -> tuple[RawFile, bool]:
    keys = _json_keys(info.path, list(islice(_lines(system, info.path), JSON_LINES_LOOKED_AT)))
    return _file(info, name, keys), bool(keys)


def _look_at_csv(system: fs.FileSystem, info: fs.FileInfo, name: str, delimiter: str) -> tuple[RawFile, bool]:
    first = list(islice(_lines(system, info.path), 2))
    header = next(csv.reader(first[:1], delimiter=delimiter), [])
    columns = tuple(column or f"_c{index}" for index, column in enumerate(header))
    return _file(info, name, columns), len(first) > 1


def _file(
    info: fs.FileInfo, name: str, columns: tuple[str, ...], types: tuple[str, ...] = (), nanos: tuple[str, ...] = ()
) -> RawFile:
    return RawFile(info.path, name, info.size, columns, types, nanos, modified=info.mtime_ns or 0)


def _lines(system: fs.FileSystem, path: str) -> Iterator[str]:
    """Lines that are not blank, as UTF-8 where they are and as Windows-1252 otherwise."""
    with system.open_input_stream(path, compression=None) as stream:
        plain = gzip.GzipFile(fileobj=stream) if path.lower().endswith(".gz") else stream
        for line in io.BufferedReader(plain):
            if text := _decoded(line).strip("\r\n"):
                yield text


def _decoded(line: bytes) -> str:
    try:
        return line.decode().removeprefix("\ufeff")  # 'utf-8-sig' takes ten times as long
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def _json_keys(path: str, lines: list[str]) -> tuple[str, ...]:
    """The keys of the first thousand objects, in the order of their first appearance; torn lines are passed over."""
    keys = dict.fromkeys(_keys(lines))
    if lines and not keys:
        # No part of a line is said: it may hold personal values.
        raise InputError.unreadable(path, f"no line is a JSON object, of the first {len(lines):,} that are not blank")
    return tuple(keys)


def _keys(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):  # a number of thousands of digits too
            continue
        if isinstance(row, dict):
            yield from row


class Keys:
    """The keys of a file of JSON lines, in the order of their first appearance, behind those that are known already.

    The file's bytes are taken in blocks, wherever these end; `close` takes a last line without an end.
    """

    def __init__(self, file: RawFile) -> None:
        self._path, self._begun, self._found = file.path, list[bytes](), dict.fromkeys(file.columns)

    def take(self, block: bytes) -> None:
        """Raises InputError where there are more keys than a table can have columns."""
        head, end, rest = block.replace(b"\r", b"\n").partition(b"\n")
        self._begun.append(head)
        if not end:
            return
        *lines, begun = rest.split(b"\n")
        self._found.update(dict.fromkeys(_keys(map(_decoded, (b"".join(self._begun), *lines)))))
        self._begun = [begun]
        if len(self._found) > MOST_KEYS:
            raise InputError.unreadable(self._path, f"objects with more than {MOST_KEYS:,} keys: each is a column")

    def close(self) -> tuple[str, ...]:
        self.take(b"\n")
        return tuple(self._found)
