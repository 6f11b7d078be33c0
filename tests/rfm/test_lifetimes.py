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
def test_the_shipped_summary_is_ours_in_weeks_to_its_two_digits(lines):
    ours, shipped = ours_of(lines, date(1997, 10, 1), "day"), cdnow.summary()
    ours = ours.assign(recency=ours["recency"] / 7, T=ours["T"] / 7).set_axis(ours.index.astype(int))
    assert list(ours.sort_index().index) == list(shipped.index)
    assert (ours["frequency"] == shipped["frequency"]).all()
    for name in ("recency", "T", "monetary_value"):
        assert np.abs(ours[name] - shipped[name]).max() <= 0.005 + 1e-9, name
