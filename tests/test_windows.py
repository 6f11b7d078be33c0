from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringmill.windows import Window, horizon, instant_of, look_back, midnight, next_midnight

LONDON = "Europe/London"
DAYS = st.dates(date(1990, 1, 1), date(2035, 1, 1))
ZONES = st.sampled_from([LONDON, "UTC", "Asia/Tokyo", "America/Sao_Paulo", "Australia/Lord_Howe"])


def test_a_horizon_is_calendar_days_and_ends_at_a_local_midnight():
    window = horizon(date(2011, 9, 10), 90, LONDON)
    assert window.start == datetime(2011, 9, 9, 23, tzinfo=UTC)  # summer time
    assert window.end == datetime(2011, 12, 9, 0, tzinfo=UTC)  # winter time: 2,161 hours later
    assert window.end - window.start == timedelta(hours=90 * 24 + 1)


def test_windows_hold_their_start_and_not_their_end():
    window = look_back(date(2024, 4, 1), 7, "UTC")
    assert window.start in window
    assert window.end not in window


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        (datetime(2024, 3, 31, 1, 30), datetime(2024, 3, 31, 1, 30, tzinfo=UTC)),  # skipped: becomes 02:30 summer time
        (datetime(2024, 10, 27, 1, 30), datetime(2024, 10, 27, 0, 30, tzinfo=UTC)),  # repeated: the first one
    ],
)
def test_skipped_times_move_forward_and_repeated_ones_take_the_first(local, utc):
    assert instant_of(local, LONDON) == utc


@given(day=DAYS, days=st.integers(0, 400), zone=ZONES)
def test_law_2_look_back_and_horizon_meet_at_the_cutoff(day, days, zone):
    before, after = look_back(day, days, zone), horizon(day, days, zone)
    assert before.end == after.start == midnight(day, zone)
    assert not (before.start in after and days > 0)


@given(instant=st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1)), zone=ZONES)
def test_the_next_midnight_is_the_first_one_after_an_instant(instant, zone):
    aware = instant.replace(tzinfo=UTC)
    day = next_midnight(aware, zone)
    assert aware in Window(midnight(day - timedelta(days=1), zone), midnight(day, zone))
