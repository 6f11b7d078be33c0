"""Cases through the library and through the reference, side by side; a difference is shown by its smallest case."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from clean.fuzz.judging import AmbiguousOrder, Line, Setting
from clean.fuzz.lines import raw_frame
from clean.fuzz.reference import BATCH, Row, expected_rows
from ringmill.clean.rows import clean_rows
from ringmill.contracts import clean_rows_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Cases = Mapping[str, Sequence[Line]]
Frozen = tuple[tuple[str, Any], ...]


def arguments(spark: SparkSession, setting: Setting) -> dict[str, Any]:
    """What `clean_rows` and `judge_lines` take of a setting."""
    tables = {
        name: spark.createDataFrame([[value] for value in values], "Value string")
        for name, values in setting.tables.items()
    }
    batch = BATCH if setting.raw.batches == "whole" else None
    given = {"raw": setting.raw, "clean": setting.clean, "zone": setting.zone, "batch": batch}
    return given | {"fitted": setting.fitted, "tables": tables}


def differences(spark: SparkSession, cases: Cases, setting: Setting) -> dict[str, str]:
    """By the case's name what is different; one Spark job. Empty where the library gives what the reference does."""
    lines = [line for case in cases.values() for line in case]
    rows = clean_rows(raw_frame(spark, lines, setting), **arguments(spark, setting))
    return compared(rows, cases, setting)


def compared(rows: DataFrame, cases: Cases, setting: Setting) -> dict[str, str]:
    """Rows of clean/rows beside what the reference makes of the cases: every column, row order ignored."""
    table = clean_rows_table({name: extra.type for name, extra in setting.raw.extras.items()})
    assert dict(rows.dtypes) == {column.name: column.type for column in table.columns}
    found: dict[str, Counter[Frozen]] = {name: Counter() for name in cases}
    for row in rows.select(*table.names).collect():
        values = row.asDict()
        identity = values["identity"]
        if identity is not None:
            has_key = identity.key is not None
            values["identity"] = (identity.number, has_key, identity.complete if has_key else None)
        found[_case_of(values)][_frozen(values)] += 1
    wrong = {}
    for name, lines in cases.items():
        expected = Counter(_frozen({of: row[of] for of in table.names}) for row in expected_rows(lines, setting))
        if expected != found[name]:
            wrong[name] = _shown(found[name] - expected, expected - found[name])
    gc.collect()  # hundreds of these in one session: what Python holds of their plans is let go of here
    return wrong


def check(spark: SparkSession, cases: Cases, setting: Setting) -> None:
    """Fail with the smallest case in which the library and the reference differ."""
    wrong = differences(spark, cases, setting)
    if wrong:
        name = next(iter(wrong))
        lines, setting = smallest(spark, name, cases[name], setting)
        shown = differences(spark, {name: lines}, setting)[name]
        told = "\n".join(map(str, [*lines, setting.raw, setting.clean, setting.fitted, setting.tables]))
        raise AssertionError(f"{len(wrong)} of {len(cases)} cases differ; the smallest one:\n{told}\n{shown}")


def smallest(spark: SparkSession, name: str, lines: Sequence[Line], setting: Setting) -> tuple[Sequence[Line], Setting]:
    """Fewer rules, then fewer lines, while the case still differs; all lines are left out in turn in one job."""
    for rule in setting.clean.rules:
        rules = tuple(each for each in setting.clean.rules if each is not rule)
        fewer = replace(setting, clean=setting.clean.model_copy(update={"rules": rules}))
        if _differs(spark, {name: lines}, fewer):
            setting = fewer
    while True:
        shorter = {
            f"case {900 + place}": _renamed([*lines[:place], *lines[place + 1 :]], f"case {900 + place}")
            for place in range(len(lines))
        }
        still = _differs(spark, shorter, setting)
        if not still:
            return lines, setting
        lines = _renamed(shorter[still[0]], name)


def _differs(spark: SparkSession, cases: Cases, setting: Setting) -> list[str]:
    settled = {}
    for name, lines in cases.items():
        try:
            expected_rows(lines, setting)
        except AmbiguousOrder:
            continue
        settled[name] = lines
    return list(differences(spark, settled, setting))


def _renamed(lines: Sequence[Line], name: str) -> list[Line]:
    return [
        replace(line, cells=line.cells | {"Country": name}, torn=line.torn and name + line.torn[len(name) :])
        for line in lines
    ]


def _case_of(row: Row) -> str:
    return str(row["country"] or row["raw"]["_torn"].partition(":")[0])


def _frozen(row: Row) -> Frozen:
    return tuple((name, _plain(value)) for name, value in row.items())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    return tuple(value) if isinstance(value, list) else value


def _shown(found: Counter[Frozen], expected: Counter[Frozen]) -> str:
    """The rows that differ, without the columns in which all of them agree."""
    rows = [*found, *expected]
    same = set.intersection(*(set(row) for row in rows)) if rows else set()

    def told(row: Frozen) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in row if (name, value) not in same)

    return "\n".join([*(f"found    {told(row)}" for row in found), *(f"expected {told(row)}" for row in expected)])
