"""What a fit by maximum likelihood gives, and standard errors from a gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
STEP = 1e-5
# Of the parameters' logarithms: a minimum within this is one and the same, and its surroundings are a parabola.
NEARBY = 1e-3


@dataclass(frozen=True)
class Fitted:
    """Parameters and standard errors by name (NaN-free: an error that cannot be had is None); plain data."""

    values: Mapping[str, float]
    standard_errors: Mapping[str, float | None]
    log_likelihood: float
    customers: float
    converged: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def hessian(gradient: Callable[[Floats], Floats], log_values: Floats) -> Floats:
    """Of the negative log-likelihood by the parameters' logarithms, from central differences of its gradient."""
    rows = [
        (gradient(log_values + STEP * unit) - gradient(log_values - STEP * unit)) / (2.0 * STEP)
        for unit in np.eye(len(log_values))
    ]
    made: Floats = (np.array(rows) + np.array(rows).T) / 2.0
    return made


def newton(curvature: Floats, slope: Floats) -> Floats:
    """The step from a point near a minimum to it, by Hessian and gradient there; none where it is flat, or far."""
    if not _is_minimum(curvature):
        return np.zeros_like(slope)
    step = -np.linalg.solve(curvature, slope).astype(np.float64)
    return step if np.abs(step).max() < NEARBY else np.zeros_like(slope)


def standard_errors(curvature: Floats, values: Floats) -> list[float | None]:
    """Standard errors of parameters, from the Hessian at the minimum by their logarithms.

    By the delta method a parameter's error is its value times that of its logarithm. None where the minimum is flat.
    """
    if not _is_minimum(curvature):
        return [None] * len(values)
    return [float(error) for error in values * np.sqrt(np.diag(np.linalg.inv(curvature)))]


def _is_minimum(curvature: Floats) -> bool:
    return bool(np.isfinite(curvature).all() and np.linalg.eigvalsh(curvature).min() > 0)
