"""Equal to lifetimes 0.11.3, number for number, on CDNOW."""

import warnings
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from rfm import cdnow
from ringmill.rfm.customers import summarise_customers

OURS = ["repeat_period_count", "recency_age_periods", "age_periods", "repeat_value_mean"]
THEIRS = ["frequency", "recency", "T", "monetary_value"]


def ours_of(lines, cutoff, period):
    found = summarise_customers(lines, [cutoff], zone="UTC", period=period, free_orders="count")
    table = pd.DataFrame([row.asDict() for row in found.select("customer_id", *OURS).collect()]).set_index(
        "customer_id"
    )
    return table.set_axis(THEIRS, axis=1).fillna({"monetary_value": 0.0}).astype(float).sort_index()


@pytest.fixture(scope="module")
def lines(spark):
    found = cdnow.lines(spark).persist()
    yield found
    found.unpersist()


@pytest.mark.spark
@pytest.mark.parametrize(
    ("period", "freq", "last"),
    # A week that the end cuts would not do: lifetimes sees it to its Sunday, past the end of the observation.
    [("day", "D", date(1997, 9, 30)), ("week", "W", date(1997, 9, 28))],
)
def test_every_customer_has_lifetimes_frequency_recency_t_and_monetary_value(lines, period, freq, last):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lifetimes 0.11.3 uses names that pandas has deprecated
        from lifetimes.utils import summary_data_from_transaction_data

        theirs = summary_data_from_transaction_data(
            cdnow.transactions(), "customer_id", "ordered_at", "value", observation_period_end=str(last), freq=freq
        ).sort_index()
    ours = ours_of(lines, last + timedelta(days=1), period)
    assert list(ours.index) == list(theirs.index)
    assert len(ours) == 2_357
    assert (ours[THEIRS[:3]] == theirs[THEIRS[:3]]).all().all()
    assert np.abs(ours["monetary_value"] - theirs["monetary_value"]).max() < 1e-9


@pytest.mark.spark
def test_months_are_the_calendars(lines):
    """By pandas' periods: lifetimes divides by a timedelta of a month, which pandas no longer has."""
    bought = cdnow.transactions()
    bought = bought[bought["ordered_at"] <= "1997-09-30"]
    months = bought.assign(month=bought["ordered_at"].dt.year * 12 + bought["ordered_at"].dt.month)
    months = months.groupby(["customer_id", "month"], as_index=False)["value"].sum()
    first, last = (months.groupby("customer_id")["month"].agg(which) for which in ("min", "max"))
    again = months[months["month"] > months["customer_id"].map(first)].groupby("customer_id")["value"]
    ours = ours_of(lines, date(1997, 10, 1), "month")
    assert list(ours.index) == list(first.index)
    assert (ours["frequency"] == again.count().reindex(ours.index, fill_value=0)).all()
    assert (ours["recency"] == last - first).all()
    assert (ours["T"] == 1997 * 12 + 9 - first).all()
    assert np.abs(ours["monetary_value"] - again.mean().reindex(ours.index, fill_value=0)).max() < 1e-9


@pytest.mark.spark
def test_a_week_that_the_cutoff_cuts_holds_what_lies_before_it_alone(lines):
    """lifetimes takes the whole week in: what is not yet known at the cutoff would be seen (law 2)."""
    cut, whole = (ours_of(lines, date(1997, 9, day), "week") for day in (24, 29))  # Wednesday; Monday
    later = lines.where("ordered_at >= '1997-09-24' AND ordered_at < '1997-09-29'").select("customer_id").distinct()
    bought = [row["customer_id"] for row in later.collect()]
    assert len(bought) > 10
    rest = ~cut.index.isin(bought)
    assert (cut[rest] == whole[rest]).all().all()  # their week is counted though it has not ended
    assert (cut["T"] == whole["T"]).all()
    assert (cut.loc[bought, ["frequency", "monetary_value"]] != whole.loc[bought, ["frequency", "monetary_value"]]).any(
        axis=1
    ).sum() > 10


@pytest.mark.spark
def test_the_mean_value_of_repeat_purchases_is_null_exactly_where_there_is_none(lines):
    rows = summarise_customers(lines, [date(1997, 10, 1)], zone="UTC", period="day", free_orders="count")
    assert rows.where("(repeat_value_mean IS NULL) <> (repeat_period_count = 0)").count() == 0
    assert rows.where("repeat_period_count = 0").count() == 2_357 - 946 - rows.where("repeat_value_mean = 0").count()


@pytest.mark.spark
def test_the_shipped_summary_is_ours_in_weeks_to_its_two_digits(lines):
    ours, shipped = ours_of(lines, date(1997, 10, 1), "day"), cdnow.summary()
    ours = ours.assign(recency=ours["recency"] / 7, T=ours["T"] / 7).set_axis(ours.index.astype(int))
    assert list(ours.sort_index().index) == list(shipped.index)
    assert (ours["frequency"] == shipped["frequency"]).all()
    for name in ("recency", "T", "monetary_value"):
        assert np.abs(ours[name] - shipped[name]).max() <= 0.005 + 1e-9, name
