"""Raw input of any supported format → a pipeline's YAML that a person can edit; nothing is written but that text."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from ringmill.config.models import SparkSection
from ringmill.config.raw import Raw
from ringmill.errors import ConfigError, InputError, WarehouseError
from ringmill.lake.files import Source, find_source
from ringmill.lake.session import open_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from ringmill.clean.evidence import Evidence

DELIMITERS = (",", ";", "\t", "|")
ADDED = ("source_file", "_torn", "_repaired")


def suggest_to(path: str, out: Path | None, *, zone: str) -> None:
    """Write the proposal to `out`, or to standard output, with a Spark session of its own.

    Raises:
        ConfigError: `zone` is no time zone.
        WarehouseError: `out` cannot be written.
    """
    if zone not in available_timezones():
        raise ConfigError.bad_value("--zone", "--zone", "an IANA time zone such as Europe/London", zone)
    with TemporaryDirectory() as folder:
        spark = open_session(SparkSection(), name="suggest", log=Path(folder) / "spark.log")
        try:
            text = suggest(spark, path, zone=zone)
        finally:
            spark.stop()
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WarehouseError.not_writable(str(out), error.strerror or str(error)) from error


def suggest(spark: SparkSession, path: str, *, zone: str = "UTC") -> str:
    """Profile the input in three jobs (all texts, formats of a sample, typed values) and propose a whole pipeline.

    Raises:
        InputError: nothing is there, it cannot be read, or a column that every pipeline needs is not found.
    """
    from ringmill.clean import read_values
    from ringmill.clean.evidence import summarise_values
    from ringmill.clean.proposal import clean_lines, feature_lines, raw_lines
    from ringmill.clean.suggest import NEEDED, guess_columns, guess_number_format, guess_timestamp_formats
    from ringmill.lake.raw import read_raw

    source = _found(path)
    lines = read_raw(spark, source)
    evidence = _evidence(lines, source.columns)
    guesses = guess_columns(evidence)
    if missing := [name for name in NEEDED if name not in guesses]:
        raise InputError.missing_columns(path, missing, source.columns)
    instants = [evidence[guesses[name].theirs] for name in ("ordered_at", "known_at") if name in guesses]
    formats = guess_timestamp_formats(instants) or [("yyyy-MM-dd HH:mm:ss", "as the reader writes typed instants")]
    numbers = {
        name: found
        for name in ("quantity", "unit_price")
        if (found := guess_number_format(evidence[guesses[name].theirs])) is not None
    }
    raw = Raw.model_validate(
        {
            "path": path,
            "format": source.format,
            "delimiter": source.delimiter,
            "columns": {ours: guess.theirs for ours, guess in guesses.items()},
            "timestamp_formats": [letters for letters, _ in formats],
            "number_formats": {name: form for name, (form, _) in numbers.items()},
        }
    )
    values = summarise_values(read_values(lines, raw=raw, zone=zone)).collect()[0].asDict(recursive=True)
    if values["days"] is None:
        raise InputError.unreadable(path, f"no date in column '{guesses['ordered_at'].theirs}' has a known format")
    name = re.sub(r"[^a-z0-9]+", "_", Path(path).name.split(".")[0].lower()).strip("_") or "shop"
    name = name if name[0].isalpha() else f"shop_{name}"
    text = [
        f"# Proposed from {values['lines']:,} lines. Read each comment, change what is wrong, then run it.",
        f"pipeline: {name}",
        f"warehouse: warehouse/{name}",
        f"zone: {zone} # where the days of local times begin and end; the input does not say",
        *raw_lines(path, source.format, source.delimiter, guesses, formats, numbers),
        *clean_lines(guesses, evidence, values),
        *feature_lines(values),
    ]
    return "\n".join(text) + "\n"


def _found(path: str) -> Source:
    """The source; of delimited text by the delimiter that gives the most columns."""
    found = [find_source(_unmapped(path, delimiter)) for delimiter in DELIMITERS[:1]]
    if found[0].format == "csv":
        found += [find_source(_unmapped(path, delimiter)) for delimiter in DELIMITERS[1:]]
    return max(found, key=lambda source: len(source.columns))


def _unmapped(path: str, delimiter: str) -> Raw:
    # Which columns there are is what is asked: no mapping can be checked yet.
    return Raw.model_construct(path=path, columns={}, delimiter=delimiter)


def _evidence(lines: DataFrame, columns: tuple[str, ...]) -> dict[str, Evidence]:
    from ringmill.clean.evidence import evidence_of, sample, summarise_shapes, summarise_texts, with_shapes

    names = [name for name in columns if name not in ADDED]
    found = evidence_of(summarise_texts(lines, names).collect()[0].asDict(recursive=True), names)
    dates = [name for name, of in found.items() if of.count and of.dates >= 0.5 * of.count]
    total = next(iter(found.values())).lines
    shapes = summarise_shapes(sample(lines, names, total), names, dates).collect()[0].asDict(recursive=True)
    return {name: with_shapes(of, shapes, place) for place, (name, of) in enumerate(found.items())}
