"""A feature set beside a peer that is fitted on the same train rows: what both make of train and of other rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter

from ringmill.config.features import FeatureEntry
from ringmill.features.apply import outputs
from ringmill.features.fit import fit
from ringmill.features.state import State

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Encoded(NamedTuple):
    """Two tables, the state that Spark fitted on the first, and what it makes of both."""

    train: pa.Table
    test: pa.Table
    state: State
    of_train: np.ndarray
    of_test: np.ndarray


def fitted(
    spark: SparkSession, train: pa.Table, test: pa.Table, entries: Sequence[Any], *, columns: Sequence[str]
) -> Encoded:
    frame = spark.createDataFrame(train).persist()
    state = fit(frame, TypeAdapter(tuple[FeatureEntry, ...]).validate_python(entries), columns=columns)
    frame.unpersist()
    whole = [outputs(table.combine_chunks().to_batches()[0], state) for table in (train, test)]
    return Encoded(train, test, state, *whole)


def of(table: pa.Table, names: Sequence[str]) -> np.ndarray:
    """(rows, names): columns side by side."""
    return np.stack([table[name].to_numpy(zero_copy_only=False) for name in names], axis=1)


def quantile_bins(rows: np.ndarray, bins: int) -> Any:
    """scikit-learn's bins, fitted on these rows."""
    from sklearn.preprocessing import KBinsDiscretizer

    peer = KBinsDiscretizer(bins, encode="ordinal", strategy="quantile", quantile_method="linear", subsample=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that bins too narrow are left out, as they are in ours
        return peer.fit(rows)


def compare(
    encoded: Encoded,
    beginning: str,
    peer: Callable[[np.ndarray], Any],
    columns: Sequence[str],
    *,
    rtol: float = 1e-10,
    atol: float = 1e-10,
) -> None:
    """Our outputs of both tables whose names begin so, against the peer's of these columns."""
    places = [place for place, name in enumerate(encoded.state.outputs) if name.startswith(beginning)]
    for table, found in ((encoded.train, encoded.of_train), (encoded.test, encoded.of_test)):
        expected = np.asarray(peer(of(table, columns)), np.float64)
        np.testing.assert_allclose(found[:, places], expected, rtol=rtol, atol=atol)
