"""Customers → k-means segments: fitted on the driver from the grid cells they fall into, assigned as a column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ringmill.config.rfm import Clusters
from ringmill.rfm.kmeans import Floats, choose, fit_clusters, match_names, name_clusters
from ringmill.rfm.scores import LETTERS, measures

# Standard deviations. Customers of one cell are one weighted point: the driver's memory is bounded by the cells.
CELL = 0.05
# Sums in another partition order differ in the last bits; twelve digits make the scale, and all after it, repeatable.
DIGITS = 12


@dataclass(frozen=True)
class ClusterState:
    """What names a customer's cluster: plain data. Means and deviations by measure; centres in standard deviations."""

    scale: str
    means: tuple[float, ...]
    deviations: tuple[float, ...]
    names: tuple[str, ...]
    centres: tuple[tuple[float, ...], ...]
    tried: tuple[dict[str, float], ...]
    """By k its inertia and silhouette, for the report."""

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> ClusterState:
        centres = tuple(tuple(centre) for centre in tree["centres"])
        values = {name: tuple(tree[name]) for name in ("means", "deviations", "names", "tried")}
        return cls(scale=tree["scale"], centres=centres, **values)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def fit_state(
    customers: DataFrame, section: Clusters, *, seed: int, last: Mapping[str, Any] | None = None
) -> ClusterState | None:
    """Customers of one cutoff → centres and names (two actions); None where they fall into fewer cells than clusters.

    Customers of whom no order stands are left out. Names are those of the `last` state's clusters where a centre is
    near one of them.
    """
    values = {letter: _scaled(value, section.scale) for letter, value in measures().items()}
    known = customers.where(measures()["r"].isNotNull())
    moments = known.agg(*(part for value in values.values() for part in (F.avg(value), F.stddev_pop(value)))).collect()
    numbers = [_repeatable(value or 0.0) for value in moments[0]]
    means, deviations = tuple(numbers[::2]), tuple(value or 1.0 for value in numbers[1::2])
    cells = [
        F.round((value - mean) / (deviation * CELL)).cast("bigint")
        for value, mean, deviation in zip(values.values(), means, deviations, strict=True)
    ]
    counted = known.groupBy(*(cell.alias(letter) for letter, cell in zip(LETTERS, cells, strict=True))).count()
    rows = sorted(tuple(row) for row in counted.collect())
    least = section.k or section.k_least
    if len(rows) < least:
        return None
    points = np.array([row[:3] for row in rows], dtype=np.float64) * CELL
    weights = np.array([row[3] for row in rows], dtype=np.float64)
    ks = [section.k] if section.k else range(section.k_least, min(section.k_most, len(rows)) + 1)
    fits = [fit_clusters(points, weights, k, seed=seed) for k in ks]
    fit = fits[choose(fits)]
    return ClusterState(
        scale=section.scale,
        means=means,
        deviations=deviations,
        names=tuple(_named(fit.centres, means, deviations, section.scale, last)),
        centres=tuple(tuple(float(value) for value in centre) for centre in fit.centres),
        tried=tuple(
            {"k": float(len(each.centres)), "inertia": each.inertia, "silhouette": each.silhouette} for each in fits
        ),
    )


def with_cluster(customers: DataFrame, state: ClusterState | None) -> DataFrame:
    """Add `cluster`, the name of the nearest centre; null where no order stands, or where nothing could be fitted."""
    if state is None:
        return customers.withColumn("cluster", F.lit(None).cast("string"))
    axes = [
        (_scaled(value, state.scale) - mean) / deviation
        for value, mean, deviation in zip(measures().values(), state.means, state.deviations, strict=True)
    ]
    distances = [
        F.struct(
            reduce(Column.__add__, ((axis - at) * (axis - at) for axis, at in zip(axes, centre, strict=True))),
            F.lit(name).alias("name"),
        )
        for centre, name in zip(state.centres, state.names, strict=True)
    ]
    nearest = F.array_min(F.array(*distances)).getField("name")
    return customers.withColumn("cluster", F.when(measures()["r"].isNotNull(), nearest))


def _scaled(value: Column, scale: str) -> Column:
    return F.log1p(value) if scale == "log" else value.cast("double")


def _repeatable(value: float) -> float:
    return float(f"{value:.{DIGITS - 1}e}")


def _named(
    centres: Floats,
    means: tuple[float, ...],
    deviations: tuple[float, ...],
    scale: str,
    last: Mapping[str, Any] | None,
) -> list[str]:
    names = name_clusters(centres)
    if last is None or last["scale"] != scale:
        return names
    # The last run standardised by other means: its centres are set over into this run's standard deviations.
    before = ClusterState.from_json(last)
    raw = np.array(before.centres) * np.array(before.deviations) + np.array(before.means)
    return match_names(centres, names, (raw - np.array(means)) / np.array(deviations), before.names)
