"""Entries → parts, where nothing is learnt from rows: what the entry says is all."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame

from ringmill.config.features import Calendar, Combination, Holidays, Missing
from ringmill.features.calendar import Calendar as CalendarPart
from ringmill.features.calendar import Holidays as HolidaysPart
from ringmill.features.combine import Combined
from ringmill.features.scaling import Missing as MissingPart
from ringmill.features.state import Part


def fit_missing(_: DataFrame, entries: Sequence[Missing]) -> list[Sequence[Part]]:
    return [[MissingPart(name, entry.name_of(name)) for name in entry.columns] for entry in entries]


def fit_combined(_: DataFrame, entries: Sequence[Combination]) -> list[Sequence[Part]]:
    return [[Combined(*entry.columns, entry.name, entry.kind, entry.null)] for entry in entries]


def fit_calendar(_: DataFrame, entries: Sequence[Calendar]) -> list[Sequence[Part]]:
    return [
        [
            CalendarPart(name, entry.name_of(name), entry.zone or "UTC", entry.null, part, entry.output)
            for name in entry.columns
            for part in entry.parts
        ]
        for entry in entries
    ]


def fit_holidays(_: DataFrame, entries: Sequence[Holidays]) -> list[Sequence[Part]]:
    return [
        [
            HolidaysPart(
                name,
                entry.name_of(name),
                entry.zone or "UTC",
                entry.null,
                tuple(sorted({day.isoformat() for day in entry.days})),
                entry.outputs,
                entry.most_days,
            )
            for name in entry.columns
        ]
        for entry in entries
    ]
