"""Lifetime value by Spark: the same parameters as in memory, whatever the partitions, and lifetimes' values."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from rfm import cdnow
from ringmill.config.rfm import Lifetime
from ringmill.lifetime import bgnbd, gamma_gamma
from ringmill.lifetime.bgnbd import Histories
from ringmill.lifetime.fit import (
    HISTORY,
    _pass_over,
    _pass_over_histories,
    _totals,
    distinct_histories,
    fit_models,
    fit_purchases,
)
from ringmill.rfm.lifetime import summarise_lifetime

pytestmark = pytest.mark.spark
SECTION = Lifetime()


@pytest.fixture(scope="module")
def table():
    """CDNOW's shipped summary, its weeks as whole days."""
    found = cdnow.summary().reset_index()
    return found.assign(recency=(found["recency"] * 7).round(), T=(found["T"] * 7).round())


@pytest.fixture(scope="module")
def customers(spark, table):
    rows = [
        (str(row.ID), int(row.frequency), int(row.recency), int(row.T), float(row.monetary_value) or None)
        for row in table.itertuples()
    ]
    schema = f"customer_id string, {HISTORY[0]} int, {HISTORY[1]} int, {HISTORY[2]} int, repeat_value_mean double"
    gone = [("gone", None, None, None, None)]  # nothing stands
    frame = spark.createDataFrame(rows + gone, schema).withColumn("cutoff", F.lit("1997-10-01").cast("date")).persist()
    yield frame
    frame.unpersist()


@pytest.fixture(scope="module")
def models(customers):
    return fit_models(customers, SECTION.least_repeat_customers)


def test_a_fit_over_partitions_is_that_in_memory(models, table):
    again = table[table["frequency"] > 0]
    arrays = (again["frequency"].to_numpy(float), again["monetary_value"].to_numpy(float))
    expected = gamma_gamma.fit(*gamma_gamma.in_memory(*arrays))
    assert models.values.values == pytest.approx(expected.values, rel=1e-6)
    assert models.values.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-9)
    assert models.values.customers == 946
    # alpha is a time, so days give seven times that of weeks; the others have no unit
    assert models.purchases.values["alpha"] == pytest.approx(7 * 4.41353, rel=1e-4)
    assert models.purchases.values["r"] == pytest.approx(0.24259, rel=1e-4)


def test_neither_the_order_of_rows_nor_their_partitions_change_a_bit_of_the_models(customers, models):
    shuffled = customers.orderBy(F.xxhash64("customer_id")).repartition(5)
    assert fit_models(shuffled, SECTION.least_repeat_customers) == models
    assert models.purchases.customers == 2_357


@pytest.mark.long
def test_more_histories_than_the_driver_holds_give_the_same_model_from_sums(customers, models):
    found = fit_purchases(customers, SECTION.least_repeat_customers, most=100)
    assert found.values == pytest.approx(models.purchases.values, rel=1e-6)
    assert found.standard_errors == pytest.approx(models.purchases.standard_errors, rel=1e-3)
    assert found.log_likelihood == pytest.approx(models.purchases.log_likelihood, rel=1e-10)


def test_a_pass_over_partitions_gives_the_sums_of_memory_whatever_the_partitions(customers, models, table, received):
    values = tuple(models.purchases.values.values())
    shuffled = customers.orderBy(F.xxhash64("customer_id")).repartition(5)
    _pass_over_histories(distinct_histories(shuffled).repartition(3), 7.0)(values)
    assert received == [3]  # a row of sums for each partition, however many histories it holds
    frames = (customers, shuffled)
    one, other = (_pass_over_histories(distinct_histories(frame), 7.0)(values).tolist() for frame in frames)
    assert one == other
    each = Histories(*(table[name].to_numpy(float) for name in ("frequency", "recency", "T")), np.ones(len(table)))
    assert one == pytest.approx(bgnbd.pass_in_memory(each, 7.0)(values).tolist(), rel=1e-9)


def test_more_histories_than_the_driver_holds_are_fitted_by_sums_of_which_none_is_a_history(
    customers, received, monkeypatch
):
    def once(counted, passed):
        assert passed((0.2, 30.0, 0.8, 2.4)).shape == (5,)
        return SimpleNamespace(converged=True)

    monkeypatch.setattr(bgnbd, "fit", once)
    spread = customers.repartition(3)
    assert fit_purchases(spread, SECTION.least_repeat_customers, most=100).converged
    by_frequency, by_partition = received
    assert by_frequency == customers.where(f"{HISTORY[0]} IS NOT NULL").select(HISTORY[0]).distinct().count()
    assert by_partition <= int(spread.sparkSession.conf.get("spark.sql.shuffle.partitions"))


def test_of_values_only_sums_by_frequency_reach_the_driver_however_many_customers(customers, received):
    def buyers(copies):
        copied = customers.crossJoin(customers.sparkSession.range(copies))
        again = copied.where(f"{HISTORY[0]} > 0 AND repeat_value_mean > 0")
        return again.select(F.col(HISTORY[0]).alias("x"), (F.col("repeat_value_mean") + F.col("id")).alias("m"))

    for copies in (1, 20):
        rows = buyers(copies)
        totals = _totals(rows)
        _pass_over(rows, totals)((10.0, 15.0, 20.0))
        assert totals.customers.sum() == 946 * copies
    frequencies = len(totals.frequency)
    assert received == [frequencies, 3 * frequencies] * 2


@pytest.mark.parametrize(("period", "freq", "days"), [("day", "D", 1.0), ("week", "W", 7.0), ("month", "M", 30.4375)])
def test_lifetime_value_is_lifetimes_for_every_customer(customers, models, table, period, freq, days):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # autograd and lifetimes use names that NumPy and pandas have deprecated
        from lifetimes import BetaGeoFitter, GammaGammaFitter

        purchases, values = BetaGeoFitter(), GammaGammaFitter()
        # The histories are taken as those of the period: any parameters do to compare what is foreseen.
        purchases.params_ = pd.Series(models.purchases.values)
        purchases.predict = purchases.conditional_expected_number_of_purchases_up_to_time
        values.params_ = pd.Series(models.values.values)
        history = table["frequency"], table["recency"], table["T"]
        worth = values.customer_lifetime_value(
            purchases, *history, table["monetary_value"], time=12, discount_rate=0.01, freq=freq
        )
        alive = purchases.conditional_probability_alive(*history)
        profit = values.conditional_expected_average_profit(table["frequency"], table["monetary_value"])
    rows = summarise_lifetime(customers, models, SECTION, period).collect()
    ours = pd.DataFrame([row.asDict() for row in rows]).assign(ID=lambda found: found["customer_id"].astype(int))
    ours = ours.sort_values("ID").reset_index(drop=True)
    assert len(ours) == 2_357
    np.testing.assert_allclose(ours["lifetime_value"], worth, rtol=1e-6)
    np.testing.assert_allclose(ours["expected_value"], profit, rtol=1e-6)
    np.testing.assert_allclose(ours["alive_probability"], alive, rtol=1e-6)
    for ahead in (30, 90, 365):
        foreseen = purchases.predict(ahead / days, *history)
        np.testing.assert_allclose(ours[f"expected_purchases_{ahead}d"], foreseen, rtol=1e-6)


def test_too_few_who_came_again_are_no_model_and_a_reason(customers):
    few = customers.limit(20)
    models = fit_models(few, SECTION.least_repeat_customers)
    assert models.purchases is None
    assert "came again, 50 are needed" in models.reason
    assert summarise_lifetime(few, models, SECTION, "day").count() == 0


def test_values_that_are_not_known_leave_the_value_out_and_the_purchases_in(customers):
    nameless = customers.withColumn("repeat_value_mean", F.lit(None).cast("double"))
    models = fit_models(nameless, SECTION.least_repeat_customers)
    assert models.purchases is not None
    row = summarise_lifetime(nameless, models, SECTION, "day").first()
    assert (row["expected_value"], row["lifetime_value"]) == (None, None)
    assert row["expected_purchases_30d"] > 0
