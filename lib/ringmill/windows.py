"""Half-open windows [start, end) of instants, cut at local midnights of a named zone.

A cutoff is a calendar date: the instant of its first moment in the zone, and exclusive. Horizons and look-backs are
calendar days, so a 90-day horizon over a daylight-saving change is one hour longer or shorter than 2,160 hours.
A local time that is skipped moves forward by the gap; one that occurs twice means its first occurrence. This is the
rule of Java's `LocalDateTime.atZone`, by which Spark's `to_utc_timestamp` converts, so both sides agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def instant_of(local: datetime, zone: str) -> datetime:
    """The UTC instant of a naive local time in `zone`; skipped times move forward, repeated ones take the first."""
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


def midnight(day: date, zone: str) -> datetime:
    """The UTC instant at which `day` begins in `zone`."""
    return instant_of(datetime.combine(day, time.min), zone)


def next_midnight(instant: datetime, zone: str) -> date:
    """The first local date whose midnight lies after `instant` (an aware datetime)."""
    return instant.astimezone(ZoneInfo(zone)).date() + timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """The instants t with start <= t < end; both are aware and in UTC."""

    start: datetime
    end: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end


def look_back(cutoff: date, days: int, zone: str) -> Window:
    """The `days` calendar days that end at `cutoff`'s midnight."""
    return Window(midnight(cutoff - timedelta(days=days), zone), midnight(cutoff, zone))


def horizon(cutoff: date, days: int, zone: str) -> Window:
    """The `days` calendar days that begin at `cutoff`'s midnight: where labels are looked for."""
    return Window(midnight(cutoff, zone), midnight(cutoff + timedelta(days=days), zone))
