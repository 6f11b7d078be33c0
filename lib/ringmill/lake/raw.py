"""Raw input → a frame with every source column as text, the file it came from, and the lines that could not be read."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from ringmill.lake.files import Source
from ringmill.lake.look import RawFile

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

# Integers up to here are exact in a double.
EXACT_INTEGERS = 2**53
# Windows-1252 gives these 27 bytes another character than ISO-8859-1 does; the five undefined ones stay what they are.
_MOVED = [code for code in range(0x80, 0xA0) if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)]
LATIN_1 = "".join(map(chr, _MOVED))
CP1252 = bytes(_MOVED).decode("cp1252")
# A line that cannot be read is kept as its text.
TORN = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": "_torn"}


def read_raw(spark: SparkSession, source: Source) -> DataFrame:
    """The source's rows: every column of every file as string, `source_file`, `_torn` and `_repaired`.

    `_torn` is the text of a CSV or JSON line that could not be parsed, else null. `_repaired` is true where a CSV line
    has bytes that are no UTF-8 and were read as Windows-1252. Local timestamps become 'yyyy-MM-dd HH:mm:ss[.SSSSSS]',
    instants end in 'Z', and an integral double has no '.0', so that no value is lost by becoming text.
    """
    if source.format == "delta":
        table = spark.read.format("delta").option("versionAsOf", str(source.version)).load(source.path)
        return _as_text(table, source)
    groups = defaultdict(list)
    for file in source.files:
        if file.columns:
            groups[file.columns, file.types].append(file)
    read = {"csv": _read_csv, "jsonl": _read_json, "parquet": _read_parquet}[source.format]
    frames = [read(spark, source, files) for files in groups.values()]
    return reduce(lambda left, right: left.unionByName(right), frames)


def _read_parquet(spark: SparkSession, source: Source, files: list[RawFile]) -> DataFrame:
    # Spark has no nanoseconds: read as a count of them, which pandas writes unless told otherwise.
    spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    return _as_text(spark.read.parquet(*_paths(files)), source, files[0].nanos)


def _read_json(spark: SparkSession, source: Source, files: list[RawFile]) -> DataFrame:
    columns = files[0].columns
    lines = spark.read.schema(strings(columns)).options(**TORN).json(_paths(files))
    return _shaped(lines, {name: F.col(_quoted(name)) for name in columns}, source, torn=F.col("_torn"))


def _read_csv(spark: SparkSession, source: Source, files: list[RawFile]) -> DataFrame:
    """The files whose header has exactly the first one's columns in its order."""
    cells = {name: F.col(_quoted(name)) for name in files[0].columns}
    lines = (
        spark.read.schema(strings(files[0].columns))
        .options(**TORN)
        .option("header", True)
        .option("sep", source.delimiter)
        .option("escape", '"')  # RFC 4180 doubles a quote; Spark's default is the backslash
        .option("encoding", "ISO-8859-1")  # every byte is a character: nothing is lost before the cells are decoded
        .option("columnPruning", False)  # a pruned parser does not see that a line is too short
        .csv(_paths(files))
    )
    texts = {name: decoded(cell) for name, cell in cells.items()}
    repaired = needs_repair(list(cells.values()))
    return _shaped(lines, texts, source, torn=decoded(F.col("_torn")), repaired=repaired)


def unreadable_file(error: Exception, source: Source) -> tuple[str, str] | None:
    """The name of the file of `source` that Spark could not read to its end, and why; None where that is not it."""
    if "FAILED_READ_FILE" not in str(error):
        return None
    text = unquote(str(error))
    broken = next((file.name for file in source.files if file.path in text), None)
    causes = [line.partition("Caused by: ")[2] for line in text.splitlines() if line.startswith("Caused by: ")]
    return None if broken is None else (broken, causes[-1] if causes else "it is damaged")


def decoded(latin_1: Column) -> Column:
    """Text that was read as ISO-8859-1 → the text that its bytes are in UTF-8, or else in Windows-1252."""
    repaired = F.coalesce(_as_utf8(latin_1), F.translate(latin_1, LATIN_1, CP1252))
    return F.when(_is_ascii(latin_1), latin_1).otherwise(repaired)


def needs_repair(latin_1: Sequence[Column]) -> Column:
    """True where the bytes of one of the texts that were read as ISO-8859-1 are no UTF-8; nulls are passed over."""
    plain = reduce(lambda one, other: one & other, (F.coalesce(_is_ascii(text), F.lit(True)) for text in latin_1))
    # A space ends every character of UTF-8: together they are valid where each is.
    return F.when(plain, F.lit(False)).otherwise(_as_utf8(F.concat_ws(" ", *latin_1)).isNull())


def _as_utf8(latin_1: Column) -> Column:
    """The text that the bytes are in UTF-8; null where they are none."""
    return F.try_validate_utf8(F.encode(latin_1, "ISO-8859-1").cast("string"))


def _is_ascii(latin_1: Column) -> Column:
    # Spark holds UTF-8: only ASCII has as many bytes as characters. Cheaper than a pattern, on nearly every cell.
    return F.octet_length(latin_1) == F.char_length(latin_1)


def _as_text(table: DataFrame, source: Source, nanos: tuple[str, ...] = ()) -> DataFrame:
    texts = {}
    for field in table.schema.fields:
        value = F.col(_quoted(field.name))
        if field.name in nanos:
            # Whole numbers only: a double cannot hold nanoseconds since 1970.
            value = F.timestamp_micros(F.expr(f"{_quoted(field.name)} DIV 1000")).cast("timestamp_ntz")
        texts[field.name] = _text_of(value, "string" if field.name in nanos else field.dataType.simpleString())
    return _shaped(table, texts, source)


def _text_of(value: Column, kind: str) -> Column:
    """A typed value as text that reads back as the same value; NaN, which means missing in pandas' files, is null."""
    if kind in ("double", "float"):
        whole = (F.abs(value) < EXACT_INTEGERS) & (value == F.floor(value))
        text = F.when(whole, value.cast("bigint").cast("string")).otherwise(value.cast("string"))
        return F.when(~F.isnan(value), text)
    if kind == "timestamp":
        return F.concat(value.cast("timestamp_ntz").cast("string"), F.lit("Z"))
    return value.cast("string")


def _shaped(
    lines: DataFrame,
    texts: dict[str, Column],
    source: Source,
    *,
    torn: Column | None = None,
    repaired: Column | None = None,
) -> DataFrame:
    """All columns of the source in its order; those that this file lacks are null."""
    missing = F.lit(None).cast("string")
    return lines.select(
        *(texts.get(name, missing).alias(name) for name in source.columns),
        _file_name(source).alias("source_file"),
        (missing if torn is None else torn).alias("_torn"),
        (F.lit(False) if repaired is None else repaired).alias("_repaired"),
    )


def _file_name(source: Source) -> Column:
    """The file's name below the folder that was asked for."""
    path = F.col("_metadata.file_path")
    if not source.files:
        return F.col("_metadata.file_name")
    if any(quote(file.path) != file.path for file in source.files):
        # Spark gives the path as in a URI, where a plus sign is a plus sign.
        path = F.url_decode(F.replace(path, F.lit("+"), F.lit("%2B")))
    scheme = source.path.partition("://")[0]
    scheme = "file:" if scheme in (source.path, "file") else scheme + "://"  # as Hadoop writes them
    return F.substr(path, F.lit(len(scheme) + len(source.base.rstrip("/")) + 2))


def strings(names: tuple[str, ...]) -> StructType:
    """The columns as text, and `_torn` behind them."""
    return StructType([StructField(name, StringType()) for name in (*names, "_torn")])


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _paths(files: list[RawFile]) -> list[str]:
    """The files' paths, written so that Spark sees no glob in them."""
    return [plain_path(file.path) for file in files]


def plain_path(path: str) -> str:
    """The path, written so that Spark sees no glob in it."""
    return re.sub(r"([\[\]{}*?\\])", r"\\\1", path)
