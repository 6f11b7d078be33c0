"""Rows → their moments on the driver, in one job: partial sums by task, merged by matrix row, never a row of data.

A task holds one matrix of columns × columns; the merging is spread over the shuffle's partitions, a matrix row being
one record; the driver receives columns² numbers, however many rows and partitions there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_array

from ringmill.errors import InputError
from ringmill.features.moments import ROWS, Classes, Moments, moments_of, moments_of_sparse
from ringmill.features.records import KEY, SCHEMA, Batches, batches_of, merging, moments_from, records_of
from ringmill.features.sparse import entries_of

MOST_COLUMNS, MOST_CLASSES = 2_000, 1_000
NUMBERS = frozenset({"double", "float", "bigint", "int", "smallint", "tinyint", "boolean"})

Mapper = Callable[[Batches], Iterator[pa.RecordBatch]]
Reader = Callable[[pa.RecordBatch], Moments]


def gather(rows: DataFrame, names: Sequence[str], *, labels: Sequence[str] = (), where: str) -> Moments:
    """Rows → the moments of the number columns `names`, by class of each column in `labels` too (one job).

    Raises:
        InputError: a column is missing or no number; a value is null, NaN or beyond 1e120; a label is null or NaN; a
            label has more than 1,000 classes; there are more than 2,000 columns, or no row.
    """
    names, labels = tuple(dict.fromkeys(names)), tuple(dict.fromkeys(labels))
    check_columns(rows, names, labels, where=where)
    if len(names) > MOST_COLUMNS:
        raise InputError.unfit(
            where, f"at most {MOST_COLUMNS:,} columns: their products are held", f"{len(names):,}", "name fewer columns"
        )
    picked = rows.select(
        *(of(name).cast("double").alias(f"x{place}") for place, name in enumerate(names)),
        *(as_class(rows, label).alias(f"y{place}") for place, label in enumerate(labels)),
    )
    return _gathered(picked, _dense(names, labels), names, where=where)


def gather_sparse(rows: DataFrame, indices: str, values: str, *, terms: int, where: str) -> Moments:
    """Rows of (indices, values) lists, one entry per term that occurs → the moments of all terms (one job).

    Raises:
        InputError: a column is missing; there are more than 2,000 terms; a list is null, the lists of a row differ in
            length, an index is outside 0 … terms - 1; a value is null, NaN or beyond 1e120; there is no row.
    """
    if missing := [name for name in (indices, values) if name not in rows.columns]:
        raise InputError.missing_columns(where, missing, rows.columns)
    if terms > MOST_COLUMNS:
        raise InputError.unfit(
            where,
            f"a vocabulary of at most {MOST_COLUMNS:,} terms: their products are held",
            f"{terms:,} terms",
            "keep the most frequent terms alone, or hash them into fewer",
        )
    picked = rows.select(
        of(indices).cast("array<bigint>").alias(indices), of(values).cast("array<double>").alias(values)
    )
    names = tuple(map(str, range(terms)))
    return _gathered(picked, _sparse(indices, values, terms, where), names, where=where)


def of(name: str) -> Column:
    """A column by its name, which may hold spaces, dots and backticks."""
    return F.col("`" + name.replace("`", "``") + "`")


def as_class(rows: DataFrame, label: str) -> Column:
    """The label as text; NaN is as unknown as null."""
    known = ~F.isnan(of(label)) if dict(rows.dtypes)[label] in ("double", "float") else F.lit(True)
    return F.when(known, of(label).cast("string"))


def check_columns(rows: DataFrame, names: Sequence[str], labels: Sequence[str], *, where: str) -> None:
    """Check that all are there, and `names` numbers.

    Raises:
        InputError: they are not.
    """
    types = dict(rows.dtypes)
    if missing := [name for name in (*names, *labels) if name not in types]:
        raise InputError.missing_columns(where, missing, rows.columns)
    for name in names:
        if types[name] not in NUMBERS and not types[name].startswith("decimal"):
            raise InputError.differs(where, name, "a number or a truth value", types[name])


def _dense(names: Sequence[str], labels: Sequence[str]) -> Reader:
    def read(batch: pa.RecordBatch) -> Moments:
        columns = [batch.column(place).fill_null(np.nan).to_numpy() for place in range(len(names))]
        matrix = np.stack(columns, axis=1) if columns else np.zeros((batch.num_rows, 0))
        classes = {label: _classes(batch.column(len(names) + place)) for place, label in enumerate(labels)}
        return moments_of(names, matrix, classes)

    return read


def _sparse(indices: str, values: str, terms: int, where: str) -> Reader:
    def read(batch: pa.RecordBatch) -> Moments:
        found = entries_of(batch.column(0), batch.column(1), terms, where=where, columns=(indices, values))
        rows = csr_array((found.values, found.indices, found.offsets), shape=(batch.num_rows, terms))
        rows.sum_duplicates()
        return moments_of_sparse(values, rows)

    return read


def _classes(column: pa.Array) -> Classes:
    encoded = column.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return Classes(codes, tuple(encoded.dictionary.to_pylist()))


def _gathered(picked: DataFrame, read: Reader, names: Sequence[str], *, where: str) -> Moments:
    partial = picked.mapInArrow(_summing(read, where), SCHEMA)
    merged = partial.repartition(*KEY).mapInArrow(merging, SCHEMA)
    found = moments_from(names, merged.toArrow())
    if found is None:
        raise InputError.unfit(
            where, "at least one row to fit on", "0 rows", "choose a split or cutoffs that have rows"
        )
    if bad := {name: count for name, count in found.refused.items() if count}:
        raise InputError.unusable(where, bad, found.rows)
    return found


def _summing(read: Reader, where: str) -> Mapper:
    def summed(batches: Batches) -> Iterator[pa.RecordBatch]:
        pieces = (batch.slice(start, ROWS) for batch in batches for start in range(0, batch.num_rows, ROWS))
        total: Moments | None = None
        for piece in pieces:
            total = read(piece) if total is None else total + read(piece)
            for label, classes in total.classes.items():
                if len(classes) > MOST_CLASSES:
                    raise InputError.differs(
                        where, label, f"at most {MOST_CLASSES:,} classes", f"more; '{min(classes)}' is one"
                    )
        if total is not None:
            yield from batches_of(records_of(total))

    return summed
