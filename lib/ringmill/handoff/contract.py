"""What features/<name> promises to training, as data; and the check of a pinned version before anything starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from numpy.typing import NDArray

from ringmill.contracts import Table
from ringmill.errors import InputError
from ringmill.handoff.manifest import Manifest
from ringmill.handoff.storage import open_file

# Of a column: rows, or fewer where they hold more numbers than these.
ROWS_AT_ONCE, NUMBERS_AT_ONCE = 65_536, 2**25
# Spark's types that can hold NaN.
FLOATING = {"double", "float", "array<double>", "array<float>"}
# Delta's names of types, by Spark's.
DELTA = {"bigint": "long", "int": "integer", "smallint": "short", "tinyint": "byte"}


@dataclass(frozen=True)
class Promise:
    """One column of the table: its Spark type, and whether a null may be in it. NaN may be in none."""

    name: str
    type: str
    nulls: bool

    @property
    def words(self) -> str:
        """What a row holds."""
        if self.type not in FLOATING:
            held = "a value in every row"
        else:
            held = ("a list without NaN" if self.type.startswith("array<") else "a number, not NaN,") + " in every row"
        return held + (", or null" if self.nulls else "")


@dataclass(frozen=True)
class Tensor:
    """What training reads: the column, the tensor's name, its shape without the rows, and its NumPy type.

    A tensor holds finite numbers alone: neither null nor NaN nor infinity. Its column holds lists of them, flat, the
    last axis fastest, or single numbers; of dtype uint8 a binary value, one byte a number.
    """

    column: str
    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def length(self) -> int:
        """Of a row's list."""
        return prod(self.shape)

    @property
    def words(self) -> str:
        """What a row holds."""
        if self.dtype == "uint8":
            return f"{self.length:,} bytes in every row"
        return f"lists of {self.length} finite numbers" if self.shape else "a finite number in every row"


@dataclass(frozen=True)
class Contract:
    """The manifest of features/<name>: columns, tensors, and hashes of the state and of its vocabularies by part.

    `inputs` are the columns from which x is made (name, Arrow type, whether a null may be in it): scoring's input.
    """

    table: str
    columns: tuple[Promise, ...]
    inputs: tuple[Promise, ...]
    tensors: tuple[Tensor, ...]
    features: tuple[str, ...]
    state: str
    vocabularies: Mapping[str, str]

    @classmethod
    def of(
        cls,
        table: Table,
        *tensors: Tensor,
        state: str,
        vocabularies: Mapping[str, str],
        inputs: tuple[Promise, ...] = (),
        features: tuple[str, ...] = (),
    ) -> Self:
        """Of a table, by what is known of its columns already; `state` is the hash of the state that encoded it."""
        columns = tuple(Promise(column.name, column.type, column.nullable) for column in table.columns)
        return cls(table.path, columns, inputs, tensors, features, state, vocabularies)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: Mapping[str, Any]) -> Contract:
        tensors = (Tensor(**{**tensor, "shape": tuple(tensor["shape"])}) for tensor in tree["tensors"])
        return cls(
            table=tree["table"],
            columns=tuple(Promise(**column) for column in tree["columns"]),
            inputs=tuple(Promise(**column) for column in tree["inputs"]),
            tensors=tuple(tensors),
            features=tuple(tree["features"]),
            state=tree["state"],
            vocabularies=dict(tree["vocabularies"]),
        )


def check_contract(contract: Contract, table_path: str, version: int, manifests: Sequence[Manifest]) -> None:
    """Check the version's columns and types by its log, and what its rows hold in one pass of bounded memory.

    Raises:
        InputError: a column is missing, of another type or length, or holds NaN, or a null where none may be; or a
            tensor holds null, NaN or infinity; the message names column, table, version and how many rows are affected.
        PlanError: a file is gone.
    """
    where, rows = f"{table_path}, version {version}", sum(manifest.rows for manifest in manifests)
    table = DeltaTable(table_path, version=version)
    found = {field.name: _type(field.type) for field in table.schema().fields}
    for column in contract.columns:
        if column.name not in found:
            there = f"columns {', '.join(found)}; {rows:,} rows"
            raise InputError.differs(where, column.name, f"a column of that name, {column.type}", there)
        if found[column.name] != (expected := _delta(column.type)):
            raise InputError.differs(
                where, column.name, f"type {expected}", f"type {found[column.name]}; {rows:,} rows"
            )
    tensors = {tensor.column: tensor for tensor in contract.tensors}
    elsewhere = {*tensors, *table.metadata().partition_columns}
    others = (column for column in contract.columns if column.name not in elsewhere)
    others = (column for column in others if column.type in FLOATING or not column.nulls)
    looked_at: dict[str, Tensor | Promise] = {**tensors, **{column.name: column for column in others}}
    longest = max((tensor.length for tensor in contract.tensors), default=1)
    at_once = max(1, min(ROWS_AT_ONCE, NUMBERS_AT_ONCE // longest))
    bad = dict.fromkeys(looked_at, 0)
    for path in (file.path for manifest in manifests for file in manifest.files):
        with open_file(path) as file:
            for batch in pq.ParquetFile(file).iter_batches(at_once, columns=list(bad)):
                for name, held in looked_at.items():
                    bad[name] += _bad_rows(batch.column(name), held)
    for name, held in looked_at.items():
        if bad[name]:
            received = f"something else in {bad[name]:,} of {rows:,} rows"
            raise InputError.differs(where, name, held.words, received)


def _bad_rows(column: pa.Array, held: Tensor | Promise) -> int:
    """How many rows of a tensor are null, have another length, or a number among theirs that is null or not finite.

    Of another column, how many are NaN, or hold one, or are null where none may be.
    """
    return _unlike(column, held) if isinstance(held, Tensor) else _broken(column, held)


def _broken(column: pa.Array, promise: Promise) -> int:
    bad: NDArray[np.bool_] = np.zeros(len(column), np.bool_)
    if not promise.nulls:
        bad |= column.is_null().to_numpy(zero_copy_only=False)
    if promise.type in FLOATING and promise.type.startswith("array<"):
        rows = pc.list_parent_indices(column).to_numpy()
        bad[rows[_nan(pc.list_flatten(column))]] = True
    elif promise.type in FLOATING:
        bad |= _nan(column)
    return int(bad.sum())


def _nan(values: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(pc.is_nan(values).fill_null(False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _unlike(column: pa.Array, tensor: Tensor) -> int:
    if tensor.dtype == "uint8":
        return int((pc.binary_length(column).fill_null(-1).to_numpy(zero_copy_only=False) != tensor.length).sum())
    if not tensor.shape:
        return int((~_finite(column)).sum())
    lengths = column.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False)
    bad: NDArray[np.bool_] = lengths != tensor.length
    rows = np.repeat(np.arange(len(column)), np.maximum(lengths, 0))
    bad[rows[~_finite(column.flatten())]] = True
    return int(bad.sum())


def _finite(values: pa.Array) -> NDArray[np.bool_]:
    sound = pc.is_finite(values) if pa.types.is_floating(values.type) else values.is_valid()
    return np.asarray(sound.fill_null(False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _delta(kind: str) -> str:
    """Delta's name of a Spark type."""
    if kind.startswith("array<"):
        return f"array<{_delta(kind[len('array<') : -1])}>"
    return DELTA.get(kind, kind)


def _type(kind: Any) -> str:
    """A type of Delta's schema, as text: 'double', 'array<float>'."""
    element = getattr(kind, "element_type", None)
    return f"array<{_type(element)}>" if element is not None else str(kind.type)
