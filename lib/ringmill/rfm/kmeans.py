"""Weighted points → k-means clusters, how many of them, and what each is called. NumPy alone, repeatable to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.float64]
STARTS, ROUNDS = 8, 200
# A last run's cluster whose centre is further away than this many standard deviations is another one.
SAME = 1.5


@dataclass(frozen=True)
class Fit:
    """Centres (k, dimensions), the weighted sum of squared distances to them, and the mean silhouette."""

    centres: Floats
    inertia: float
    silhouette: float


def fit_clusters(points: Floats, weights: Floats, k: int, *, seed: int) -> Fit:
    """(points, dimensions) with weights → the best of several seeded starts; rows in a fixed order give fixed bits.

    Source: Arthur and Vassilvitskii, k-means++ (2007), for the starts; Lloyd (1982) for the rounds.
    """
    generator = np.random.Generator(np.random.Philox(seed))
    fits = [_lloyd(points, weights, _start(points, weights, k, generator)) for _ in range(STARTS)]
    centres, inertia = min(fits, key=lambda fit: fit[1])
    return Fit(centres, inertia, silhouette(points, weights, _nearest(points, centres)[0]))


def _start(points: Floats, weights: Floats, k: int, generator: np.random.Generator) -> Floats:
    """k-means++: each further centre is drawn by its weighted squared distance to the nearest one so far."""
    chosen = [points[_draw(weights, generator)]]
    while len(chosen) < k:
        _, distance = _nearest(points, np.array(chosen))
        chosen.append(points[_draw(weights * distance, generator)])
    return np.array(chosen)


def _draw(weights: Floats, generator: np.random.Generator) -> int:
    cumulated = np.cumsum(weights)
    return int(np.searchsorted(cumulated, generator.random() * cumulated[-1], side="right"))


def _lloyd(points: Floats, weights: Floats, centres: Floats) -> tuple[Floats, float]:
    for _ in range(ROUNDS):
        nearest, _ = _nearest(points, centres)
        moved = np.stack([_mean(points, weights, nearest == index, centre) for index, centre in enumerate(centres)])
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres, float((weights * _nearest(points, centres)[1]).sum())


def _mean(points: Floats, weights: Floats, mine: NDArray[np.bool_], otherwise: Floats) -> Floats:
    """The weighted mean of a cluster's points; an empty cluster stays where it is."""
    total = weights[mine].sum()
    return (points[mine] * weights[mine, None]).sum(axis=0) / total if total else otherwise


def _nearest(points: Floats, centres: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Index of, and squared distance to, the nearest centre; the first of equals."""
    squares = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    nearest = squares.argmin(axis=1)
    return nearest, squares[np.arange(len(points)), nearest]


def silhouette(points: Floats, weights: Floats, cluster: NDArray[np.intp]) -> float:
    """The mean silhouette with squared Euclidean distances, exact in one pass over the points for each cluster.

    The mean squared distance of x to a cluster is |x|² − 2 x·mean + mean|y|². A point alone in its cluster counts 0.
    Source: Rousseeuw (1987); the squared form is that of Spark ML's ClusteringEvaluator.
    """
    labels = np.unique(cluster)
    if len(labels) < 2:
        return 0.0
    own, other = np.zeros(len(points)), np.full(len(points), np.inf)
    alone = np.zeros(len(points), bool)
    norms = (points**2).sum(axis=1)
    for label in labels:
        mine = cluster == label
        size = weights[mine].sum()
        mean = (points[mine] * weights[mine, None]).sum(axis=0) / size
        distance = norms - 2.0 * points @ mean + (weights[mine] * norms[mine]).sum() / size
        own[mine] = distance[mine] * size / (size - 1.0) if size > 1 else 0.0
        alone[mine] = size <= 1
        other[~mine] = np.minimum(other[~mine], distance[~mine])
    widest = np.maximum(own, other)
    scores = np.where(alone | (widest <= 0), 0.0, (other - own) / np.where(widest > 0, widest, 1.0))
    return float((weights * scores).sum() / weights.sum())


def elbow(inertias: Sequence[float]) -> int:
    """The index of the inertia that lies farthest below the line from the first to the last."""
    line = np.linspace(inertias[0], inertias[-1], len(inertias))
    return int(np.argmax(line - np.asarray(inertias)))


def choose(fits: Sequence[Fit]) -> int:
    """The index of the fit to use, among fits by rising k: from the elbow on the one with the highest silhouette.

    The silhouette alone nearly always prefers two clusters of customers, those with many orders and the others.
    """
    first = elbow([fit.inertia for fit in fits])
    return first + int(np.argmax([fit.silhouette for fit in fits[first:]]))


def name_clusters(centres: Floats) -> list[str]:
    """Standardised centres (k, [recency, frequency, monetary value]) → a name each, told apart by a number if need be.

    A centre is recent where its days since the last order are below the mean; its worth is the mean of frequency and
    monetary value, high or low from half a standard deviation on. Of clusters with one name the worthier is first.
    """
    names: list[str] = [""] * len(centres)
    worths = (centres[:, 1] + centres[:, 2]) / 2
    for index in np.argsort(-worths, kind="stable"):
        worth = worths[index]
        column = 0 if worth > 0.5 else 2 if worth < -0.5 else 1
        recent = centres[index, 0] < 0
        name = (("high-value", "potential", "new") if recent else ("slipping away", "fading", "lost"))[column]
        names[index] = _apart(name, names)
    return names


def _apart(name: str, taken: Sequence[str]) -> str:
    numbered = (name if number == 1 else f"{name} {number}" for number in range(1, len(taken) + 2))
    return next(candidate for candidate in numbered if candidate not in taken)


def match_names(centres: Floats, names: Sequence[str], last: Floats, last_names: Sequence[str]) -> list[str]:
    """Names by centre, but those of the last run's centres where one is near: the least total distance of all pairs."""
    if not len(last):
        return list(names)
    distances = np.sqrt(((centres[:, None, :] - last[None, :, :]) ** 2).sum(axis=2))
    pairs = zip(*linear_sum_assignment(distances), strict=True)
    kept = {int(mine): last_names[theirs] for mine, theirs in pairs if distances[mine, theirs] <= SAME}
    found = [kept.get(index, "") for index in range(len(centres))]
    for index, name in enumerate(names):
        found[index] = found[index] or _apart(name.rstrip(" 0123456789"), found)
    return found
