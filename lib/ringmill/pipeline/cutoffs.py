"""Cutoffs that follow from the data: what `clean` found to be its first and last event."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from ringmill.config.models import Config
from ringmill.errors import InputError
from ringmill.pipeline.stage import Run
from ringmill.windows import midnight, next_midnight


def event_range(run: Run) -> tuple[datetime, datetime]:
    """The instants of the first and the last clean line of a known customer."""
    detail = run.ledger.resolve("clean").detail
    return datetime.fromisoformat(detail["first_event_at"]), datetime.fromisoformat(detail["last_event_at"])


def default_cutoff(run: Run) -> date:
    """The first local midnight after the last event."""
    last = event_range(run)[1]
    try:
        return next_midnight(last, run.config.zone)
    except OverflowError as error:
        raise InputError.end_of_calendar(last) from error


def data_end(run: Run) -> datetime:
    """The instant up to which the data are whole: the midnight after the last event or, if later, after raw.up_to."""
    ends, last = default_cutoff(run), run.config.raw.up_to
    return midnight(ends if last is None else max(ends, last + timedelta(days=1)), run.config.zone)


def rfm_cutoffs(run: Run) -> tuple[date, list[date]]:
    """The cutoff that the report shows, and all of the configured snapshots in the order of their dates.

    Those that `features.snapshots` needs are among them; but not where the data see nothing: features says so itself.
    """
    section = run.config.rfm
    months = section.month_ends.ends if section.month_ends else ()
    current = section.cutoff or default_cutoff(run)
    check_cutoff(run, current, key="rfm.cutoff")
    for cutoff in section.cutoffs:
        check_cutoff(run, cutoff, key="rfm.cutoffs")
    for cutoff in months:
        check_cutoff(run, cutoff, key="rfm.month_ends")
    of_features = [cutoff for cutoff in snapshot_cutoffs(run.config) if _sees_events(run, cutoff)]
    return current, sorted({current, *section.cutoffs, *months, *of_features})


def snapshot_cutoffs(config: Config) -> tuple[date, ...]:
    """The cutoffs as of which `features.snapshots` reads rfm/customers; none where no column of it is asked for."""
    return config.features.cutoffs if config.features.snapshots else ()


def key_of_cutoff(config: Config, cutoff: date, current: date) -> str:
    """The key that asks for a snapshot."""
    if cutoff == current:
        return "rfm.cutoff"
    if cutoff in config.rfm.cutoffs:
        return "rfm.cutoffs"
    if config.rfm.month_ends and cutoff in config.rfm.month_ends.ends:
        return "rfm.month_ends"
    by_split = config.features.cutoffs_by_split
    return config.features.key_of(next(split for split, cutoffs in by_split.items() if cutoff in cutoffs))


def no_customers(run: Run, cutoff: date, *, key: str) -> InputError:
    """The error for a cutoff before which no sale had happened and was known."""
    return InputError.no_customers(key, cutoff, run.ledger.resolve("clean").detail["last_known_at"])


def check_cutoff(run: Run, cutoff: date, *, key: str, horizon_end: datetime | None = None) -> None:
    """Raises InputError for a cutoff with no event before it, or past the data's end, or with a horizon past it."""
    if not _sees_events(run, cutoff) or (horizon_end is not None and horizon_end > data_end(run)):
        first, last = event_range(run)
        hint = f", and events up to {horizon_end:%Y-%m-%d} after it" if horizon_end else ""
        raise InputError.cutoff_outside(key, cutoff, first.date(), last.date(), hint)


def _sees_events(run: Run, cutoff: date) -> bool:
    return event_range(run)[0] < midnight(cutoff, run.config.zone) <= data_end(run)
