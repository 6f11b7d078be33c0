"""BG/NBD and Gamma-Gamma against lifetimes 0.11.3 and the published figures, on CDNOW."""

import warnings

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta

from rfm import cdnow
from ringmill.lifetime import bgnbd, gamma_gamma
from ringmill.lifetime.bgnbd import BetaGeo, Histories
from ringmill.lifetime.fit import EXACT
from ringmill.lifetime.gamma_gamma import GammaGamma
from ringmill.lifetime.likelihood import newton


@pytest.fixture(scope="module")
def customers():
    return cdnow.summary()


@pytest.fixture(scope="module")
def theirs(customers):
    """lifetimes' two fitters, fitted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # autograd and lifetimes use names that NumPy and pandas have deprecated
        from lifetimes import BetaGeoFitter, GammaGammaFitter

        again = customers[customers["frequency"] > 0]
        return (
            BetaGeoFitter().fit(customers["frequency"], customers["recency"], customers["T"]),
            GammaGammaFitter().fit(again["frequency"], again["monetary_value"]),
        )


def histories_of(table):
    counted = table.groupby(["frequency", "recency", "T"]).size().reset_index(name="n")
    return Histories(*(counted[name].to_numpy(float) for name in ("frequency", "recency", "T", "n")))


@pytest.fixture(scope="module")
def purchases(customers):
    return bgnbd.fit(*bgnbd.in_memory(histories_of(customers)))


@pytest.fixture(scope="module")
def values(customers):
    again = customers[customers["frequency"] > 0]
    return gamma_gamma.fit(
        *gamma_gamma.in_memory(again["frequency"].to_numpy(float), again["monetary_value"].to_numpy(float))
    )


def test_bg_nbd_has_lifetimes_parameters_errors_and_likelihood(purchases, theirs):
    fitter = theirs[0]
    assert purchases.converged
    assert purchases.customers == 2_357
    for name, value in {"r": 0.24259, "alpha": 4.41353, "a": 0.79289, "b": 2.42575}.items():
        assert purchases.values[name] == pytest.approx(value, rel=5e-5)
        assert purchases.values[name] == pytest.approx(fitter.params_[name], rel=1e-4)
        assert purchases.standard_errors[name] == pytest.approx(fitter.standard_errors_[name], rel=1e-3)
    data = (fitter.data["frequency"], fitter.data["recency"], fitter.data["T"], fitter.data["weights"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mean = fitter._negative_log_likelihood(np.log(fitter.params_.to_numpy()), *data, 0.0)
    assert purchases.log_likelihood == pytest.approx(-mean * 2_357, rel=1e-6)
    # Fader, Hardie and Lee's own, on times that were not rounded to two digits as the shipped ones are.
    assert purchases.log_likelihood == pytest.approx(-9_582.429, abs=0.005)


def test_rounded_sums_give_the_parameters_of_exact_ones_to_eight_digits(customers, purchases):
    histories = histories_of(customers)
    counted, _ = bgnbd.in_memory(histories)

    def rounded(values):
        each = bgnbd.terms(histories.in_units(counted.unit), values)
        return np.array([np.rint(term * EXACT).sum() / EXACT for term in each])

    found = bgnbd.fit(counted, rounded)
    assert found.values == pytest.approx(purchases.values, rel=1e-8)
    assert found.log_likelihood == pytest.approx(purchases.log_likelihood, rel=1e-12)


def test_newtons_step_goes_to_a_near_minimum_and_nowhere_where_it_is_flat_or_far():
    curvature, minimum = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([2e-4, -5e-4])
    assert newton(curvature, curvature @ -minimum) == pytest.approx(minimum)
    assert not newton(curvature, curvature @ np.array([0.0, 2e-3])).any()
    for flat in (np.diag([1.0, 0.0]), np.diag([1.0, -1.0]), np.diag([np.nan, 1.0])):
        assert not newton(flat, np.array([1e-6, 1e-6])).any()


def test_gamma_gamma_has_lifetimes_parameters_errors_and_likelihood(values, theirs):
    fitter = theirs[1]
    assert values.converged
    for name, value in {"p": 6.2488, "q": 3.7446, "v": 15.4477}.items():
        assert values.values[name] == pytest.approx(value, rel=5e-4)
        assert values.values[name] == pytest.approx(fitter.params_[name], rel=1e-3)
        assert values.standard_errors[name] == pytest.approx(fitter.standard_errors_[name], rel=5e-3)
    assert values.log_likelihood == pytest.approx(-fitter._negative_log_likelihood_ * values.customers, rel=1e-6)


def test_predictions_are_lifetimes_for_every_customer(customers, theirs):
    fitter, worth = theirs
    model = BetaGeo(**fitter.params_)
    x, recency, age, value = (customers[name].to_numpy(float) for name in customers.columns)
    np.testing.assert_allclose(
        model.alive(x, recency, age), fitter.conditional_probability_alive(x, recency, age), rtol=1e-9
    )
    for ahead in (30 / 7, 90 / 7, 365 / 7):
        np.testing.assert_allclose(
            model.expected(ahead, x, recency, age), fitter.predict(ahead, x, recency, age), rtol=1e-6
        )
    theirs_value = worth.conditional_expected_average_profit(customers["frequency"], customers["monetary_value"])
    np.testing.assert_allclose(GammaGamma(**worth.params_).expected(x, value), theirs_value, rtol=1e-9)


def test_the_chance_of_a_purchase_is_what_draws_from_the_posterior_give(theirs):
    model = BetaGeo(**theirs[0].params_)
    x, recency, age = 2.0, 30.0, 39.0
    draw = np.random.Generator(np.random.Philox(4))
    alive = model.alive(np.array([x]), np.array([recency]), np.array([age]))[0]
    rates = draw.gamma(model.r + x, 1 / (model.alpha + age), 400_000)
    expected = alive * (1.0 - np.exp(-rates * 10.0)).mean()
    assert model.buys(10.0, np.array([x]), np.array([recency]), np.array([age]))[0] == pytest.approx(expected, rel=5e-3)
    assert model.buys(0.0, np.array([x]), np.array([recency]), np.array([age]))[0] == 0.0


def test_expected_purchases_stay_finite_for_a_customer_with_very_many(theirs):
    model = BetaGeo(**theirs[0].params_)
    x, recency, age = (np.array([value]) for value in (5_000.0, 300.0, 301.0))
    expected = model.expected(52.0, x, recency, age)[0]
    assert 0 < expected < 5_000
    near_1 = BetaGeo(0.5, 5.0, 1.0, 3.0)
    around = [BetaGeo(0.5, 5.0, a, 3.0).expected(9.0, x, recency, age)[0] for a in (0.999, 1.001)]
    assert min(around) < near_1.expected(9.0, x, recency, age)[0] < max(around)


@pytest.mark.parametrize(("a", "b"), [(2.5, 3.0), (400.0, 900.0), (3e4, 5e4), (5e6, 2e6)])
def test_expected_purchases_are_the_integral_over_the_chance_to_drop_out(a, b):
    model = BetaGeo(0.3, 4.0, a, b)
    for frequency, recency, age in ((0.0, 0.0, 50.0), (3.0, 20.0, 50.0), (40.0, 300.0, 310.0)):
        ends = model.alpha + age + 90.0
        chance = beta(b + frequency, a - 1.0)
        again = model.r + frequency
        low, high = chance.ppf(1e-14), chance.ppf(1 - 1e-14)
        stays, _ = quad(lambda p: chance.pdf(p) * (1 - 90.0 / ends * p) ** -again, low, high, limit=400, epsrel=1e-11)  # noqa: B023
        none = ((ends - 90.0) / ends) ** again * stays
        row = [np.array([value]) for value in (frequency, recency, age)]
        expected = (a + b + frequency - 1.0) / (a - 1.0) * (1.0 - none) * model.alive(*row)
        assert model.expected(90.0, *row) == pytest.approx(expected, rel=1e-9)


def test_the_gradients_are_the_differences_of_the_likelihoods(customers):
    point = np.log(np.array([0.3, 0.6, 0.9, 2.0]))
    evaluate = bgnbd._negative(*bgnbd.in_memory(histories_of(customers)))
    for at, unit in enumerate(np.eye(4)):
        slope = (evaluate(point + 1e-6 * unit)[0] - evaluate(point - 1e-6 * unit)[0]) / 2e-6
        assert evaluate(point)[1][at] == pytest.approx(slope, rel=1e-5, abs=1e-9)


def test_customers_who_never_came_again_leave_the_minimum_flat_and_the_errors_out():
    histories = Histories(*(np.array(values, float) for values in ([0, 0], [0, 0], [10, 20], [5, 5])))
    found = bgnbd.fit(*bgnbd.in_memory(histories))
    assert not found.converged or None in found.standard_errors.values()
