"""Rows of numbers → their count, sums and products XᵀX, by class too: mergeable, and free of the rows' order. No JVM.

Each column of a batch is cut into slices of 19 bits, whole numbers whose matrix products are exact in float64 in any
order; these are added up to 105 bits. Where a column's values lie within a factor of 2²³ of its greatest, nothing at
all is lost; else what is lost is 2⁻⁷⁷ of the greatest. So centring after the sum is sound, no first guess of the mean
is needed, and neither partitions nor batches leave a trace in the rounded result where means are within a million
deviations; at a billion eleven digits are left (of a float64 sum of squares: none).
Source of the slices: Ozaki, Ogita, Oishi and Rump, Error-free transformations of matrix
multiplication (2012).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from ringmill.features.twofold import Floats, Twofold

SLICE_BITS, SLICES = 19, 4
# 2 · 19 bits of a product and 15 of their number fill float64's 53.
ROWS = 2**15
# Numbers of a matrix that are summed at a time.
BLOCK = 2**15
# Beyond it a product of sums leaves the range in which Twofold is exact.
GREATEST = 1e120
# 2⁻⁴⁰⁰ is about 1e-120: below it squares leave the range too, and digits are lost.
LEAST_EXPONENT = -400
# Relative to a sum of squares; what centring leaves below it is rounding, not spread.
NOISE = 2.0**-90


@dataclass(frozen=True, eq=False)
class Classes:
    """Each row's class: its place in `names`, which are texts; -1 where it is not known."""

    codes: NDArray[np.int64]
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Total:
    """Sums over some rows: how many rows, and per column the sum of its values."""

    rows: int
    sums: Twofold

    def __add__(self, other: Total) -> Total:
        return Total(self.rows + other.rows, self.sums + other.sums)


@dataclass(frozen=True, eq=False)
class Moments:
    """What is known of some rows of `names`.

    `refused`: rows by column whose value is null, NaN, or beyond GREATEST (counted as 0 everywhere else). `least` and
    `most`: (columns). `products`: (columns, columns). `classes`: by label column and by class the sums of its rows.
    """

    names: tuple[str, ...]
    refused: Mapping[str, int]
    least: Floats
    most: Floats
    total: Total
    products: Twofold
    classes: Mapping[str, Mapping[str, Total]] = field(default_factory=dict)

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.names,
            _added(self.refused, other.refused),
            np.minimum(self.least, other.least),
            np.maximum(self.most, other.most),
            self.total + other.total,
            self.products + other.products,
            {label: _added(found, other.classes[label]) for label, found in self.classes.items()},
        )

    @property
    def rows(self) -> int:
        return self.total.rows

    def pick(self, names: Sequence[str]) -> Moments:
        """The same rows, some of the columns, in this order."""
        if tuple(names) == self.names:
            return self
        places = np.array([self.names.index(name) for name in names], dtype=np.intp)

        def picked(total: Total) -> Total:
            return Total(total.rows, total.sums[places])

        return replace(
            self,
            names=tuple(names),
            least=self.least[places],
            most=self.most[places],
            total=picked(self.total),
            products=self.products[places[:, None], places[None, :]],
            classes={label: {name: picked(each) for name, each in of.items()} for label, of in self.classes.items()},
        )

    def mean(self) -> Floats:
        return self.total.sums.over(self.rows).rounded()

    def scatter(self) -> Floats:
        """(columns, columns): the sum over rows of (x − mean)(x − mean)ᵀ; exactly 0 for a constant column."""
        return self._centred([self.total])

    def within(self, label: str) -> Floats:
        """(columns, columns): as `scatter`, each row less its class's mean."""
        return self._centred([self.classes[label][name] for name in self.class_names(label)])

    def between(self, label: str) -> Floats:
        """(columns): the sum over rows of (its class's mean − mean)², 0 where only rounding is left."""
        squares = self._squares(self.total)
        spread = -squares
        for name in self.class_names(label):
            spread = spread + self._squares(self.classes[label][name])
        rest = spread.rounded()
        return np.where(rest > NOISE * np.diagonal(self.products.high), rest, 0.0)

    def class_names(self, label: str) -> tuple[str, ...]:
        return tuple(sorted(self.classes[label]))

    def class_means(self, label: str) -> Floats:
        """(classes, columns): each class's mean less the mean of all rows."""
        mean = self.total.sums.over(self.rows)
        totals = (self.classes[label][name] for name in self.class_names(label))
        return np.stack([(total.sums.over(total.rows) - mean).rounded() for total in totals])

    def class_rows(self, label: str) -> Floats:
        """(classes)"""
        return np.array([self.classes[label][name].rows for name in self.class_names(label)], dtype=np.float64)

    def _centred(self, totals: Sequence[Total]) -> Floats:
        rest = self.products
        for total in totals:
            rest = rest - total.sums.outer().over(total.rows)
        scale = np.sqrt(np.diagonal(self.products.high))
        found = rest.rounded()
        return np.where(np.abs(found) > NOISE * np.outer(scale, scale), found, 0.0)

    @staticmethod
    def _squares(total: Total) -> Twofold:
        return (total.sums * total.sums).over(total.rows)


def _added(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: mine[name] + theirs[name] for name in mine if name in theirs}
    return {**mine, **theirs, **both}


def moments_of(names: Sequence[str], matrix: Floats, labels: Mapping[str, Classes]) -> Moments:
    """(rows, columns), at most ROWS of them, null as NaN; and by label column each row's class."""
    usable = np.abs(matrix) <= GREATEST
    clean = np.where(usable, matrix, 0.0)
    exponents = _exponents(np.abs(clean).max(axis=0, initial=0.0))
    slices = _sliced(clean, exponents)
    refused = dict(zip(names, (len(matrix) - usable.sum(axis=0)).tolist(), strict=True))
    refused |= {label: int((classes.codes < 0).sum()) for label, classes in labels.items()}
    return Moments(
        tuple(names),
        refused,
        clean.min(axis=0, initial=np.inf),
        clean.max(axis=0, initial=-np.inf),
        Total(len(matrix), _sums([part.sum(axis=0) for part in slices], exponents)),
        _products(slices, exponents),
        {label: _by_class(slices, exponents, classes) for label, classes in labels.items()},
    )


def moments_of_sparse(name: str, rows: csr_array) -> Moments:
    """(rows, terms) of TF-IDF or counts, at most ROWS of them; the columns are named by their place."""
    usable = np.abs(rows.data) <= GREATEST
    clean = np.where(usable, rows.data, 0.0)
    exponent = _exponents(np.abs(clean).max(initial=0.0))
    exponents = np.full(rows.shape[1], exponent)
    slices = [csr_array((part, rows.indices, rows.indptr), shape=rows.shape) for part in _sliced(clean, exponent)]
    whole = csr_array((clean, rows.indices, rows.indptr), shape=rows.shape)
    return Moments(
        tuple(map(str, range(rows.shape[1]))),
        {name: int((~usable).sum())},
        whole.min(axis=0).toarray().reshape(-1),
        whole.max(axis=0).toarray().reshape(-1),
        Total(rows.shape[0], _sums([part.sum(axis=0) for part in slices], exponents)),
        _products(slices, exponents),
    )


def _exponents(greatest: Any) -> NDArray[np.int64]:
    """e with |x| < 2ᵉ for every x up to `greatest`."""
    found: NDArray[np.int64] = np.maximum(np.frexp(greatest)[1], LEAST_EXPONENT).astype(np.int64)
    return found


def _sliced(values: Floats, exponents: NDArray[np.int64]) -> list[Floats]:
    """Whole numbers q₀, q₁, … with values = Σ qₖ · 2^(exponent − 19 (k + 1)); at least one."""
    rest = values * np.ldexp(1.0, SLICE_BITS - exponents)
    slices = []
    for _ in range(SLICES):
        slices.append(np.rint(rest))
        rest -= slices[-1]
        if not rest.any():
            break
        rest *= 2.0**SLICE_BITS
    return slices


def _sums(sums: Sequence[Floats], exponents: NDArray[np.int64]) -> Twofold:
    total = Twofold.of(np.zeros(len(exponents)))
    for place, part in enumerate(sums):
        total = total.plus(np.ldexp(part, exponents - SLICE_BITS * (place + 1)))
    return total


def _products(slices: Sequence[Any], exponents: NDArray[np.int64]) -> Twofold:
    scale = np.ldexp(1.0, exponents)
    found: list[tuple[float, Floats]] = []
    for first, left in enumerate(slices):
        for second, right in enumerate(slices[first : SLICES + 1 - first], start=first):
            product = left.T @ right
            # Both orders of a pair at once: their sum still fits 53 bits, since a later slice has one bit less.
            whole = product if first == second else product + product.T
            dense: Floats = whole.toarray() if issparse(whole) else whole
            found.append((2.0 ** (-SLICE_BITS * (first + second + 2)), dense))
    total = np.zeros((2, len(scale), len(scale)))
    # Some rows of the matrix at a time: what is in hand stays in the processor's cache.
    step = 1 + BLOCK // max(len(scale), 1)
    for start in range(0, len(scale), step):
        rows = slice(start, start + step)
        both = scale[rows, None] * scale[None, :]
        sums = Twofold.of(np.zeros(both.shape))
        for factor, product in found:
            sums = sums.plus(product[rows] * (both * factor))
        total[0, rows], total[1, rows] = sums.high, sums.low
    return Twofold(total[0], total[1])


def _by_class(slices: Sequence[Floats], exponents: NDArray[np.int64], classes: Classes) -> dict[str, Total]:
    known = np.flatnonzero(classes.codes >= 0)
    order = known[np.argsort(classes.codes[known], kind="stable")]
    codes, starts, counts = np.unique(classes.codes[order], return_index=True, return_counts=True)
    if not len(codes):
        return {}
    sums = [np.add.reduceat(part[order], starts, axis=0) for part in slices]
    return {
        classes.names[code]: Total(int(count), _sums([part[place] for part in sums], exponents))
        for place, (code, count) in enumerate(zip(codes, counts, strict=True))
    }
