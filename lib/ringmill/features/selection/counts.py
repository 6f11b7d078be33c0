"""Rows → how often each value of a column meets each class: a table per column, from one job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ringmill.errors import InputError
from ringmill.features.gather import as_class, check_columns, of

# The driver holds so many counts, at most: a million of (column, value, class).
MOST_COUNTS = 1_000_000


def count_values(rows: DataFrame, names: Sequence[str], label: str, *, where: str) -> Mapping[str, NDArray[np.int64]]:
    """Rows → by column of `names` its (values, classes) counts, both in rising order (one job).

    Raises:
        InputError: a column is missing or no number; a value is null or NaN, or a class is; or there are more than a
            million counts: a column has too many values.
    """
    check_columns(rows, names, [label], where=where)
    cells = F.array(
        *(
            F.struct(F.lit(place).alias("place"), of(name).cast("double").alias("value"))
            for place, name in enumerate(names)
        )
    )
    counted = (
        rows.select(as_class(rows, label).alias("class"), F.explode(cells).alias("cell"))
        .groupBy("cell.place", "cell.value", "class")
        .count()
        .limit(MOST_COUNTS + 1)
        .toArrow()
    )
    if counted.num_rows > MOST_COUNTS:
        raise InputError.unfit(
            where,
            f"at most {MOST_COUNTS:,} pairs of a value and a class in {len(names)} columns",
            "more",
            "put a column of many values into bins by an entry before, or leave it out of mutual_information",
        )
    places, counts = (counted[name].to_numpy() for name in ("place", "count"))
    values = counted["value"].to_numpy()
    unknown = np.isnan(values)
    bad = {name: int(counts[unknown & (places == place)].sum()) for place, name in enumerate(names)}
    is_known = np.asarray(counted["class"].is_valid())
    bad[label] = int(counts[~is_known & (places == 0)].sum())
    if bad := {name: count for name, count in bad.items() if count}:
        raise InputError.unusable(where, bad, int(counts[places == 0].sum()))
    classes = np.array(counted["class"].to_pylist(), dtype=str)
    return {
        name: _table(values[places == place], classes[places == place], counts[places == place])
        for place, name in enumerate(names)
    }


def _table(values: NDArray[np.float64], classes: NDArray[np.str_], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    value_names, value = np.unique(values, return_inverse=True)
    class_names, class_ = np.unique(classes, return_inverse=True)
    table = np.zeros((len(value_names), len(class_names)), dtype=np.int64)
    table[value, class_] = counts
    return table
