"""What a fit by maximum likelihood gives, and standard errors from a gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
STEP = 1e-5


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


def standard_errors(gradient: Callable[[Floats], Floats], log_values: Floats, values: Floats) -> list[float | None]:
    """Standard errors of parameters, from the negative log-likelihood's gradient by their logarithms at its minimum.

    The Hessian is made of central differences of the gradient; by the delta method a parameter's error is its value
    times that of its logarithm. None where the Hessian is not positive definite: the minimum is flat.
    """
    size = len(log_values)
    rows = [
        (gradient(log_values + STEP * unit) - gradient(log_values - STEP * unit)) / (2.0 * STEP)
        for unit in np.eye(size)
    ]
    hessian = (np.array(rows) + np.array(rows).T) / 2.0
    if not np.isfinite(hessian).all() or np.linalg.eigvalsh(hessian).min() <= 0:
        return [None] * size
    return [float(error) for error in values * np.sqrt(np.diag(np.linalg.inv(hessian)))]
