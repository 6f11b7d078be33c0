"""What BG/NBD and Gamma-Gamma foresee for a customer, as features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ringmill.features.columns_of import Columns, Matrix


@dataclass(frozen=True)
class LifetimeValue:
    """The fitted parameters: (r, alpha, a, b) with time in days, and (p, q, v) in currency or none.

    Reads the days with an order, the days since the first and since the last order and, where values were fitted, the
    mean value of the days with an order after the first (null for who came once).
    """

    kind: ClassVar[str] = "lifetime"
    columns: tuple[str, ...]
    name: str
    purchases: tuple[float, float, float, float]
    values: tuple[float, float, float] | None
    horizons_days: tuple[int, ...]
    months: int
    discount_per_month: float

    @property
    def reads(self) -> tuple[str, ...]:
        return self.columns

    @property
    def refuses_null(self) -> bool:
        return False

    @property
    def names(self) -> tuple[str, ...]:
        foreseen = ["alive_probability", *(f"expected_purchases_{days}d" for days in self.horizons_days)]
        if self.values is not None:
            foreseen += ["expected_value", "lifetime_value"]
        return tuple(self.name.replace("{output}", output) for output in foreseen)

    def apply(self, columns: Columns) -> Matrix:
        # They need SciPy, which a scorer imports for states with such a part alone.
        from ringmill.lifetime.bgnbd import BetaGeo
        from ringmill.lifetime.foresee import Ahead, foresee_columns
        from ringmill.lifetime.gamma_gamma import GammaGamma

        active, tenure, since = (columns.numbers(name, nulls=False) for name in self.columns[:3])
        mean = np.zeros(columns.rows)
        if self.values is not None:
            mean = np.nan_to_num(columns.numbers(self.columns[3], nulls=True), nan=0.0)
        # T ends with the day before the cutoff, as lifetimes' last day of observation does.
        history = (active - 1.0, tenure - since, tenure - 1.0, mean)
        ahead = Ahead(self.horizons_days, self.months, self.discount_per_month)
        worth = GammaGamma(*self.values) if self.values is not None else None
        found = foresee_columns(BetaGeo(*self.purchases), worth, ahead, history)
        return np.stack([values for values in found.values() if values is not None], axis=1)
