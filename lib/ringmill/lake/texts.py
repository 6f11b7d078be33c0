"""Files with a text and a label on each line → one row per line, and labels that people gave."""

from __future__ import annotations

import csv
from io import TextIOWrapper
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from ringmill.config.texts import Texts
from ringmill.errors import InputError
from ringmill.lake.paths import list_below, open_path
from ringmill.lake.raw import TORN, decoded, plain_path, strings

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

COLUMNS = ("text", "label", "torn", "reviewed", "source_file")


def read_texts(spark: SparkSession, section: Texts) -> DataFrame:
    """What `section` names: text, label (null where there is none), torn, reviewed, source_file; a row per line.

    `torn` is the text of a line with too few or too many columns, or that is no JSON; text and label are then null.
    `reviewed` is true for the lines of texts.reviewed. Bytes of CSV that are no UTF-8 are read as Windows-1252, those
    of JSON become U+FFFD. A label has no white space at its ends.

    Raises:
        InputError: nothing is there, or a column that is read is not; or files have different headers.
    """
    found = _read(spark, section, section.path)
    if section.reviewed is None:
        return _shaped(found, section.text, section.label, reviewed=False)
    way = section.model_copy(
        update={"format": "csv", "delimiter": ",", "quote": '"', "columns": (), "text": "text", "label": "label"}
    )
    checked = _shaped(_read(spark, way, section.reviewed), "text", "label", reviewed=True)
    return _shaped(found, section.text, section.label, reviewed=False).union(checked)


def _read(spark: SparkSession, section: Texts, path: str) -> DataFrame:
    """All columns as text, _torn, and _metadata still within reach."""
    base, listed = list_below(path)
    if not listed:
        raise InputError.no_file(path)
    files = [f"{base.rstrip('/')}/{name}" for name, _ in listed]
    paths = [plain_path(file) for file in files]
    if section.format == "jsonl":
        return spark.read.schema(strings(_wanted(section))).options(**TORN).json(paths)
    reader = (
        spark.read.option("sep", section.delimiter)
        .option("quote", section.quote)
        .option("escape", section.quote)  # RFC 4180 doubles a quote; Spark's default is the backslash
        .option("multiLine", bool(section.quote))
        .option("encoding", "ISO-8859-1")  # every byte is a character: nothing is lost before the cells are decoded
        .option("columnPruning", False)  # a pruned parser does not see that a line is too short
        .option("header", not section.columns)
    )
    names = section.columns or _header(files, section)
    if missing := {*_wanted(section)} - {*names}:
        raise InputError.missing_columns(path, missing, names)
    lines = reader.schema(strings(names)).options(**TORN).csv(paths)
    cells = {name: decoded(F.col(f"`{name}`")).alias(name) for name in (*_wanted(section), "_torn")}
    return lines.select(*cells.values(), F.col("_metadata.file_name").alias("_file"))


def _header(paths: list[str], section: Texts) -> tuple[str, ...]:
    """The columns that the files' first lines name. Spark would take those of the first file for all.

    Raises:
        InputError: a file has no line, or others than the first.
    """
    found = {path: _first_line(path, section) for path in paths}
    first, names = next(iter(found.items()))
    for path, others in found.items():
        if not names or others != names:
            received = f"columns {', '.join(others) or '(none)'}; in {first} they are {', '.join(names) or '(none)'}"
            raise InputError.unreadable(path, received)
    return names


def _first_line(path: str, section: Texts) -> tuple[str, ...]:
    system, inner = open_path(path)
    with system.open_input_stream(inner) as stream, TextIOWrapper(stream, "utf-8-sig", "replace", newline="") as text:
        if not section.quote:
            return tuple(text.readline().rstrip("\r\n").split(section.delimiter))
        return tuple(next(csv.reader(text, delimiter=section.delimiter), ()))


def _wanted(section: Texts) -> tuple[str, ...]:
    return (section.text, section.label) if section.label else (section.text,)


def _shaped(lines: DataFrame, text: str, label: str | None, *, reviewed: bool) -> DataFrame:
    file = F.col("_file") if "_file" in lines.columns else F.col("_metadata.file_name")

    def whole(cell: Column) -> Column:
        return F.when(F.col("_torn").isNull(), cell)

    # A byte-order mark stands in front of a file's first cell.
    said = F.trim(F.translate(F.col(f"`{label}`"), "\ufeff", "")) if label else F.lit(None).cast("string")
    return lines.select(
        whole(F.col(f"`{text}`")).alias("text"),
        whole(F.nullif(said, F.lit(""))).alias("label"),
        F.col("_torn").alias("torn"),
        F.lit(reviewed).alias("reviewed"),
        file.alias("source_file"),
    )
