"""A seed and a setting → cases of raw lines that collide often: copies, corrections, tears, nulls, odd values."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clean.fuzz.judging import AmbiguousOrder, Line, Setting
from clean.fuzz.reading import read_instant
from clean.fuzz.reference import expected_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FILES = ("a.csv", "b.csv", "c.csv")
IDS = ["1", "1", "7", "7.0", "A", "a", "\u00a0A", "B", "C1", "c1", "1.0\t", "", " \t", None]
WORDS = [
    "cup",
    " The  cup of\ttea ",
    "R&amp;D!",
    "&eacute;t\u00e9",
    "e\u0301",
    "\ufb01ne, B",
    "A",
    "...",
    "",
    None,
    "tea",
]
TIMES = [
    "2024-01-05 10:00:00",
    "2024-01-05 10:00:00",
    "2024-01-06 10:00:01",
    "2024-03-31 01:30:00",  # skipped in London
    "2024-10-27 01:30:00",  # twice in London
    "2024-03-10 02:30:00",  # skipped in New York
    "2024-01-05T10:00:00",
    "2024-01-05 10:00",
    "2024-01-07",
    "2024-01-05 10:00:00.250",
    "2024-01-05 10:00:00Z",
    "05/01/2024 10:00",
    "13/01/2024 10:00",
    "01/13/2024 09:00",
    "2024-01-05T10:00:00+02:00",
    "2024-01-05T10:00:00Z",
    "2024-02-30 10:00:00",
    "yesterday",
    "",
    None,
]
PLAIN = ["1", "1", "2", "2", "3", "-1", "0"]
NUMBERS = ["6.0", "2.5", "1e1", "+2", "x", "NaN", "1d", "", " 2 ", None, "2.0000001", "9" * 30, "Infinity", ".5", "1."]
WRITTEN = ["1.234,5", "€ 2,5", "-€2", "€-2", "2,5 EUR", "1'234", "CHF 3", "1 234,5", "1\u00a0234", "£1,234.5", "12,34"]
POOLS: dict[str, list[str | None]] = {
    "Words": [*WORDS],
    "Quantity": [*PLAIN * 3, *NUMBERS, *WRITTEN[:3], *WRITTEN[5:7]],
    "Price": [*PLAIN * 3, "1.5", "1,5", "200", *NUMBERS, *WRITTEN],
    "Date": [*TIMES],
    "Known": [*TIMES],
    "Gift": ["yes", "YES", "no", "1", "maybe", "", None],
    "Weight": ["1,5", "2", "1.5", "€ 2", None],
    "Points": ["1", "2", "2.0", "2.5", "x", None],
    "Note": ["A", "a", "\u20037\u3000", "", None],
    "Sent": ["05/01/2024", "2024-01-05", "31/02/2024", None],
    "Seen": [*TIMES],
    "Colour": ["red", "", None],
}


def cases_of(seed: int, setting: Setting, *, cases: int) -> dict[str, list[Line]]:
    """By the case's name its 8 to 15 lines; a mixture whose order only a hash would settle is drawn again."""
    found = {}
    for place in range(cases):
        name = f"case {place:03d}"
        for attempt in range(50):
            lines = _lines(random.Random(f"{seed}/{place}/{attempt}"), setting, name)
            try:
                expected_rows(lines, setting)
            except AmbiguousOrder:
                continue
            found[name] = lines
            break
    return found


def _lines(rng: random.Random, setting: Setting, name: str) -> list[Line]:
    columns = [*setting.raw.mapped.values(), "Colour"]
    # A case has few instants and few ids of its own, so that its lines meet.
    fits = _fitting(setting)
    pools = {column: _pool(rng, column, fits) for column in columns}
    lines: list[Line] = []
    for place in range(rng.randint(8, 15)):
        if lines and rng.random() < 0.45:
            lines.append(_again(rng, rng.choice(lines), pools))
        else:
            cells = {column: rng.choice(pool) for column, pool in pools.items()} | {"Country": name}
            torn = f"{name}: torn, {place}" if rng.random() < 0.05 else None
            lines.append(Line(cells, rng.choice(FILES), torn, rng.random() < 0.05))
    return lines


def _again(rng: random.Random, line: Line, pools: dict[str, list[str | None]]) -> Line:
    """A copy in some file, or a correction: other cells, or an id that is written another way."""
    changed = rng.sample(sorted(pools), rng.choice([0, 0, 1, 2, 3]))
    cells = line.cells | {column: rng.choice(pools[column]) for column in changed if column != "Country"}
    similar = rng.choice(["Line", "Invoice", "Code", "Customer ID"])
    if rng.random() < 0.3 and cells.get(similar):
        cells[similar] = rng.choice([f" {cells[similar]}", str(cells[similar]).swapcase()])
    return replace(line, cells=cells, file=rng.choice(FILES), repaired=rng.random() < 0.1)


def _fitting(setting: Setting) -> list[str]:
    """Times that the setting's formats read: most lines have one."""
    return [text for text in TIMES if text and read_instant(text, setting.raw.timestamp_formats, "UTC") is not None]


def _pool(rng: random.Random, column: str, times: Sequence[str]) -> list[str | None]:
    pool: Sequence[str | None] = POOLS.get(column, IDS)
    if column in ("Date", "Known"):
        return [rng.choice(pool), *(rng.choice(times) for _ in range(12))]
    if column in ("Quantity", "Price"):
        return [rng.choice(pool), *(rng.choice(PLAIN) for _ in range(10))]
    return [rng.choice(pool) for _ in range(4)]


def raw_frame(spark: SparkSession, lines: Sequence[Line], setting: Setting) -> DataFrame:
    """Lines as the reader gives them."""
    columns = [*setting.raw.mapped.values(), "Colour"]
    names = ", ".join(f"`{name}` string" for name in columns)
    values = [[*(line.cells[name] for name in columns), line.file, line.torn, line.repaired] for line in lines]
    return spark.createDataFrame(values, f"{names}, source_file string, _torn string, _repaired boolean")
