"""Every kind of part on a few rows: a null, an unseen value, a boundary; and what each makes of an all-null batch."""

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringmill.errors import InputError
from ringmill.features.apply import apply
from ringmill.features.calendar import Calendar, Holidays
from ringmill.features.categories import Frequency, Hashed, OneHot, Ordinal, Target, bucket
from ringmill.features.columns_of import SEPARATOR
from ringmill.features.combine import Combined
from ringmill.features.scaling import Bins, BoxCox, Missing, Scaled
from ringmill.features.state import State

TYPES = {
    "a": pa.float64(),
    "b": pa.float64(),
    "whole": pa.int64(),
    "text": pa.string(),
    "other": pa.string(),
    "flag": pa.bool_(),
    "at": pa.timestamp("us", tz="UTC"),
    "day": pa.date32(),
    "fold": pa.int32(),
}


def encoded(parts, *, fold=None, **columns):
    parts = parts if isinstance(parts, tuple) else (parts,)
    inputs = tuple((name, str(TYPES[name])) for name in sorted(columns) if name != "fold")
    state = State(inputs, parts, tuple(name for part in parts for name in part.names))
    batch = pa.record_batch({name: pa.array(values, TYPES[name]) for name, values in columns.items()})
    assert State.from_json(state.to_json()) == state
    return apply(batch, state, fold=fold).tolist()


def test_a_category_called_other_and_combinations_with_a_sign_of_ours_have_names_of_their_own():
    assert OneHot(("city",), "city", ("Rome", "other")).names == ("city = Rome", "city = other", "city = any other")
    assert OneHot(("city",), "city", ("Rome",)).names == ("city = Rome", "city = other")
    assert OneHot(("city",), "city", ("other",), other=False).names == ("city = other",)
    pairs = tuple(SEPARATOR.join(pair) for pair in (("a × b", "c"), ("a", "b × c"), ("a", "b")))
    assert len(set(OneHot(("one", "two"), "both", pairs).names)) == 4
    assert encoded(OneHot(("text",), "t", ("other",)), text=["other", "unseen", None]) == [[1, 0], [0, 1], [0, 1]]


def test_scaling_subtracts_divides_and_gives_a_null_what_is_said_of_it():
    assert encoded(Scaled("a", "a", False, 10.0, 4.0, 0.5), a=[12.0, None]) == [[0.5], [0.5]]
    assert encoded(Scaled("a", "a", True, 0.0, 1.0), a=[0.0, -3.0]) == [[0.0], [0.0]]
    assert encoded(Scaled("whole", "w", False, 1.0, 1.0), whole=[3]) == [[2.0]]
    assert encoded(Scaled("flag", "f", False, 0.0, 1.0), flag=[True, False]) == [[1.0], [0.0]]


def test_box_cox_of_positive_numbers_and_what_is_none():
    assert encoded(BoxCox("a", "a", 2.0), a=[3.0, 1.0]) == [[4.0], [0.0]]
    assert encoded(BoxCox("a", "a", 0.0), a=[1.0]) == [[0.0]]
    assert encoded(BoxCox("a", "a", 2.0, null=-1.0), a=[None, 0.0, -5.0, 3.0]) == [[-1.0], [-1.0], [-1.0], [4.0]]
    with pytest.raises(InputError, match=r"'a'[\s\S]*positive numbers[\s\S]*1 rows with 0 or less"):
        encoded(BoxCox("a", "a", 2.0), a=[0.0, 3.0])


def test_a_bin_holds_its_lower_bound_and_the_outer_bins_all_that_lies_beyond():
    edges = (1.0, 2.0)
    assert encoded(Bins("a", "a", edges), a=[-9.0, 1.0, 1.5, 2.0, 99.0]) == [[0.0], [1.0], [1.0], [2.0], [2.0]]
    assert encoded(Bins("a", "a", edges, "columns", 0.0), a=[1.0, None]) == [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    with pytest.raises(InputError, match="null"):
        encoded(Bins("a", "a", edges), a=[None])


def test_an_ordinal_is_the_place_of_a_value_and_minus_one_else():
    values = ("low", "high")
    assert encoded(Ordinal(("text",), "t", values), text=["high", "low", "odd", None]) == [[1.0], [0.0], [-1.0], [-1.0]]


def test_one_hot_without_other_is_all_zero_for_what_is_not_known():
    part = OneHot(("whole",), "w", ("1", "20"), other=False)
    assert encoded(part, whole=[20, 3, None]) == [[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
    assert part.names == ("w = 1", "w = 20")


def test_a_combination_is_one_category_and_null_where_one_is_null():
    part = OneHot(("text", "flag"), "both", ("x\x1ftrue",))
    rows = encoded(part, text=["x", "x", None], flag=[True, False, True])
    assert (rows, part.names) == ([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], ("both = x × true", "both = other"))


def test_whole_doubles_are_categories_and_others_are_refused():
    assert encoded(Ordinal(("a",), "a", ("1", "2")), a=[2.0, None]) == [[1.0], [-1.0]]
    with pytest.raises(InputError, match=r"'a'[\s\S]*whole numbers[\s\S]*1 rows"):
        encoded(Ordinal(("a",), "a", ("1", "2")), a=[1.5, 2.0, None])


def test_a_bin_of_an_earlier_part_may_be_part_of_a_combination():
    parts = (Bins("a", "band", (5.0,)), OneHot(("text", "band"), "both", ("x\x1f0", "x\x1f1"), other=False))
    assert encoded(parts, a=[9.0, 1.0], text=["x", "x"]) == [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]


def test_a_bucket_is_the_same_everywhere_and_null_is_in_none():
    # Written down once: in another process, on another machine and next year they have to be the same.
    assert [bucket("Réunion", 1_000, 0), bucket("Réunion", 1_000, 1)] == [679, 291]
    rows = encoded(Hashed(("text",), "t", 4, 0, "columns"), text=["x", None, "x"])
    assert rows[0] == rows[2] == [float(place == bucket("x", 4, 0)) for place in range(4)]
    assert rows[1] == [0.0] * 4
    assert encoded(Hashed(("text",), "t", 4, 0, "index"), text=["x", None]) == [[float(bucket("x", 4, 0))], [-1.0]]


def test_a_frequency_is_a_share_of_the_train_rows_and_null_has_its_own():
    part = Frequency(("text",), "t", ("x", "y"), (0.5, 0.25), null=0.125)
    assert encoded(part, text=["y", "odd", None]) == [[0.25], [0.0], [0.125]]


def test_a_train_row_is_encoded_with_its_fold_and_any_other_with_all_folds():
    part = Target(("text",), "t", ("x",), full=(0.5, 0.25), folds=((0.125, 0.0), (1.0, 0.75)))
    text, fold = ["x", "x", "x", "odd", None, None], [0, 1, None, 1, 0, None]
    expected = [[0.125], [1.0], [0.5], [0.75], [0.0], [0.25]]
    assert encoded(part, text=text) == [[0.5], [0.5], [0.5], [0.25], [0.25], [0.25]]
    batch = pa.record_batch({"text": pa.array(text), "fold": pa.array(fold, pa.int32())})
    state = State((("text", "string"),), (part,), ("t",))
    assert apply(batch, state, fold="fold").tolist() == expected
    with pytest.raises(InputError, match="fold"):
        apply(batch.set_column(1, "fold", pa.array([2] * 6, pa.int32())), state, fold="fold")


def test_calendar_parts_are_local_across_a_change_of_the_clock():
    # 2024-03-31 00:30 UTC is 00:30 in London; half an hour before and after the clocks go forward at 01:00 UTC.
    at = [datetime(2024, 3, 31, 0, 30, tzinfo=UTC), datetime(2024, 3, 31, 1, 0, tzinfo=UTC), None]
    hour = Calendar("at", "at", "Europe/London", -1.0, "hour", "number")
    day = Calendar("at", "at", "Asia/Tokyo", -1.0, "weekday", "number")
    assert encoded((hour, day), at=at) == [[0.0, 6.0], [2.0, 6.0], [-1.0, -1.0]]
    parts = ("year", "month", "day", "weekday", "week", "day_of_year")
    of_day = tuple(Calendar("day", "day", "UTC", None, part, "number") for part in parts)
    assert encoded(of_day, day=[date(2024, 12, 31)]) == [[2024.0, 12.0, 31.0, 1.0, 1.0, 366.0]]
    new_year = [datetime(2023, 12, 31, 23, 30, tzinfo=UTC)]
    assert encoded(Calendar("at", "at", "Europe/Paris", None, "year", "number"), at=new_year) == [[2024.0]]


def test_a_wave_comes_round_again():
    part = Calendar("day", "d", "UTC", 0.0, "month", "wave")
    rows = encoded(part, day=[date(2024, 1, 5), date(2024, 4, 5), None])
    np.testing.assert_allclose(rows, [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]], atol=1e-7)
    assert part.names == ("d month sine", "d month cosine")


def test_holidays_are_counted_in_local_days_and_bounded():
    part = Holidays("day", "d", "UTC", 9.0, ("2024-12-25", "2024-12-26"), ("is", "until", "since"), 30)
    days = [date(2024, 12, 24), date(2024, 12, 25), date(2024, 12, 28), date(2024, 1, 1), None]
    expected = [[0.0, 1.0, 30.0], [1.0, 0.0, 0.0], [0.0, 30.0, 2.0], [0.0, 30.0, 30.0], [9.0, 9.0, 9.0]]
    assert encoded(part, day=days) == expected
    late = Holidays("at", "at", "Asia/Tokyo", None, ("2024-12-25",), ("is",), 30)
    assert encoded(late, at=[datetime(2024, 12, 24, 15, 0, tzinfo=UTC)]) == [[1.0]]  # midnight of the 25th in Tokyo
    past = Holidays("day", "d", "UTC", None, ("1969-12-25",), ("is", "since"), 30)
    assert encoded(past, day=[date(1969, 12, 25), date(1969, 12, 31)]) == [[1.0, 0.0], [0.0, 6.0]]


def test_ratios_and_differences_say_what_null_and_zero_come_out_as():
    ratio, difference = Combined("a", "b", "r", "ratio", -1.0), Combined("a", "b", "d", "difference", -1.0)
    rows = encoded((ratio, difference), a=[6.0, 6.0, None], b=[3.0, 0.0, 3.0])
    assert rows == [[2.0, 3.0], [-1.0, 6.0], [-1.0, -1.0]]
    with pytest.raises(InputError, match=r"'b'[\s\S]*no 0"):
        encoded(Combined("a", "b", "r", "ratio", None), a=[6.0], b=[0.0])


ALL = (
    Scaled("a", "z", False, 1.0, 2.0, 0.0),
    BoxCox("a", "boxcox", 0.5, 0.0),
    Bins("a", "bin", (0.0, 1.0), "index", -1.0),
    Bins("a", "bins", (0.0, 1.0), "columns", 0.0),
    Missing("a", "a is null"),
    OneHot(("text",), "text", ("x", "")),
    Ordinal(("text",), "ordinal", ("x", "")),
    Hashed(("text", "other"), "hashed", 3, 7, "columns"),
    Frequency(("text",), "frequency", ("x",), (0.5,), 0.25),
    Target(("text",), "target", ("x",), (0.5, 0.25), ((0.125, 0.0), (1.0, 0.75))),
    Calendar("at", "at", "Europe/London", 0.0, "hour", "wave"),
    Holidays("at", "at", "Europe/London", 0.0, ("2024-12-25",), ("is", "until", "since"), 30),
    Combined("a", "b", "ratio", "ratio", 0.0),
    Combined("a", "b", "difference", "difference", 0.0),
)
USED = ("a", "b", "text", "other", "at")


def test_an_all_null_batch_and_an_empty_one_have_defined_values():
    null = encoded(ALL, **{name: [None, None] for name in USED})
    assert null[0] == null[1]
    assert np.isfinite(null).all()
    assert encoded(ALL, **{name: [] for name in USED}) == []


ROW = st.tuples(
    st.none() | st.floats(-1e6, 1e6),
    st.none() | st.floats(-1e6, 1e6).filter(lambda number: abs(number) > 1e-6 or number == 0),
    st.none() | st.sampled_from(["x", "", "odd", "Ünïcode"]),
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, max_size=12), cut=st.integers(0, 12))
def test_law_9_what_a_row_becomes_does_not_depend_on_the_rows_beside_it(rows, cut):
    def columns(part):
        return {name: [row[place] for row in part] for place, name in enumerate(USED)}

    assert encoded(ALL, **columns(rows)) == encoded(ALL, **columns(rows[:cut])) + encoded(ALL, **columns(rows[cut:]))
