"""The λ of Box and Cox by maximum likelihood, for any number of columns in three grouped aggregates.

For values x with geometric mean g the log-likelihood per row is −½ log Var(((x / g)^λ − 1) / λ), up to a constant: the
scaling by g takes the Jacobian's place (Box & Cox 1964, section 3). Two grids narrow the maximum down to 1/16; there
a polynomial through 11 Chebyshev nodes is the likelihood to rounding, and its derivative's root is λ.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

LIMIT = 5.0
GRID, FINE, NODES = 41, 17, 11
DECIMALS = 9
# Of values that are equal up to rounding, in a scale where their geometric mean is 1.
NO_SPREAD = 1e-24


def fit_exponents(train: DataFrame, columns: Mapping[str, tuple[str, float]]) -> dict[str, float]:
    """By key of `columns` (name, mean of the logarithms) its λ in [−5, 5]; 1 where the values have no spread.

    Numbers that are not positive have no part. Three actions; none where `columns` is empty.
    """
    if not columns:
        return {}
    coarse = np.linspace(-LIMIT, LIMIT, GRID)
    found = _likelihoods(train, columns, dict.fromkeys(columns, coarse))
    has_spread = {key for key, values in found.items() if np.isfinite(values).any()}
    columns = {key: column for key, column in columns.items() if key in has_spread}
    around = {key: _around(coarse, found[key], FINE) for key in columns}
    fine = _likelihoods(train, columns, around) if columns else {}
    nodes = {key: _around(around[key], fine[key], NODES, chebyshev=True) for key in columns}
    last = _likelihoods(train, columns, nodes) if columns else {}
    return {key: _maximum(nodes[key], last[key]) if key in last else 1.0 for key in found}


def column_of(name: str) -> Column:
    """The column of exactly this name, whatever signs are in it."""
    return F.col("`" + name.replace("`", "``") + "`")


def _likelihoods(
    train: DataFrame, columns: Mapping[str, tuple[str, float]], at: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    """Per column the log-likelihood per row at each of its exponents; −∞ where the variance is nothing or overflows."""
    keys = list(columns)
    trials = []
    for place, key in enumerate(keys):
        name, mean = columns[key]
        value = column_of(name).cast("double")
        logarithm = F.log(F.when(value > 0, value)) - F.lit(float(mean))
        exponents = F.array(*(F.lit(float(exponent)) for exponent in at[key]))
        trials.append(F.struct(F.lit(place).alias("of"), logarithm.alias("logarithm"), exponents.alias("exponents")))
    stacked = train.select(F.explode(F.array(*trials)).alias("trial")).select("trial.*").where("logarithm IS NOT NULL")
    each = stacked.select("of", "logarithm", F.posexplode("exponents").alias("place", "exponent"))
    power = F.when(F.col("exponent") == 0, F.col("logarithm")).otherwise(
        F.expm1(F.col("exponent") * F.col("logarithm")) / F.col("exponent")
    )
    variances = {key: np.zeros(len(at[key])) for key in keys}
    for row in each.groupBy("of", "place").agg(F.var_pop(power).alias("variance")).collect():
        variances[keys[row["of"]]][row["place"]] = row["variance"]
    return {key: _of_variance(variance) for key, variance in variances.items()}


def _of_variance(variance: NDArray[np.float64]) -> NDArray[np.float64]:
    usable = np.isfinite(variance) & (variance > NO_SPREAD)
    return np.where(usable, -0.5 * np.log(np.where(usable, variance, 1.0)), -np.inf)


def _around(
    at: NDArray[np.float64], likelihood: NDArray[np.float64], many: int, *, chebyshev: bool = False
) -> NDArray[np.float64]:
    """`many` exponents between the neighbours of the best one: evenly, or at Chebyshev's points."""
    best = int(np.argmax(likelihood))
    low, high = at[max(best - 1, 0)], at[min(best + 1, len(at) - 1)]
    if not chebyshev:
        return np.linspace(low, high, many)
    points = np.cos(np.pi * (2 * np.arange(many) + 1) / (2 * many))
    return np.asarray((low + high) / 2 + (high - low) / 2 * points, np.float64)


def _maximum(at: NDArray[np.float64], likelihood: NDArray[np.float64]) -> float:
    """Where the polynomial through the points is highest, between the outermost of them."""
    low, high = float(at.min()), float(at.max())
    polynomial = Chebyshev.fit(at, likelihood, len(at) - 1, domain=[low, high])
    roots = np.asarray(polynomial.deriv().roots(), np.complex128)
    real = roots.real[(np.abs(roots.imag) < 1e-12) & (roots.real >= low) & (roots.real <= high)]
    best = max([*map(float, real), low, high], key=lambda exponent: float(polynomial(exponent)))
    # Other partitions sum in another order: nine decimals are the same in each, also where λ is 0.
    return round(best, DECIMALS) + 0.0
