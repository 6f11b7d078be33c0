"""A features table with a rare class: each row is a function of (seed, its number), whatever the number of rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake
from numpy.typing import NDArray

from ringmill.config.images import Decoding, Pictures
from ringmill.config.load import dump
from ringmill.config.table import Imbalanced, OwnTable
from ringmill.errors import WarehouseError
from ringmill.generate.pictures import render
from ringmill.lake.key import code_hash, stage_key
from ringmill.lake.written import mark_done, was_done
from ringmill.mixing import GOLDEN, mixed, normals, row_keys, uniform

COMMON, RARE = "common", "rare"
LABEL = "label"
# Numbers that tell a row's draws apart.
KIND, SPLIT, VALUES, SIDE = range(1, 5)
SHARES = (0.7, 0.15)
# Of an image the grey levels that a noise of 1 stands for.
GREY = 40.0
AT_ONCE = 2**13
SCHEMA = pa.schema(
    [("row_id", pa.int64()), ("x", pa.list_(pa.float32())), (LABEL, pa.string()), ("split", pa.string())]
)

Floats = NDArray[np.float64]


def is_written(table: OwnTable, imbalanced: Imbalanced, *, seed: int) -> bool:
    """Whether these very rows lie there already."""
    return was_done(table.path, _key(table, imbalanced, seed))


def write_imbalanced(table: OwnTable, imbalanced: Imbalanced, *, seed: int) -> int:
    """Write row_id, x, label and split, as a Delta table partitioned by split; how many rows are rare.

    The folder is marked as done at the end. Raises WarehouseError where it cannot be written.
    """
    mark_done(table.path, None)
    cuts = range(0, imbalanced.rows, AT_ONCE)
    stretches = [np.arange(start, min(start + AT_ONCE, imbalanced.rows)) for start in cuts]
    parts = (rows_of(numbers, imbalanced, table.shape, seed=seed) for numbers in stretches)
    batches = (batch for part in parts for batch in part.to_batches())
    try:
        # One commit: a table that is half there has no version.
        reader = pa.RecordBatchReader.from_batches(SCHEMA, batches)
        write_deltalake(table.path, reader, mode="overwrite", schema_mode="overwrite", partition_by=["split"])
    except OSError as error:
        raise WarehouseError.not_writable(table.path, str(error)) from error
    mark_done(table.path, _key(table, imbalanced, seed))
    return sum(int(_is_rare(row_keys(seed, 0, numbers), imbalanced).sum()) for numbers in stretches)


def rows_of(numbers: NDArray[np.int64], imbalanced: Imbalanced, shape: tuple[int, ...], *, seed: int) -> pa.Table:
    """(rows,) numbers → their rows."""
    keys = row_keys(seed, 0, numbers)
    is_rare = _is_rare(keys, imbalanced)
    if len(shape) == 1:
        x = _numbers(keys, is_rare, shape[0], noise=imbalanced.noise)
    else:
        x = _images(numbers, is_rare, imbalanced, shape, seed=seed)
    place = np.searchsorted(np.cumsum(SHARES), _chance(keys, SPLIT), side="right")
    columns = [
        pa.array(numbers, pa.int64()),
        pa.array(list(x.astype(np.float32)), pa.list_(pa.float32())),
        pa.array(np.where(is_rare, RARE, COMMON)),
        pa.array(np.array(["train", "validation", "test"])[place]),
    ]
    return pa.table(columns, schema=SCHEMA)


def _numbers(keys: NDArray[np.uint64], is_rare: NDArray[np.bool_], length: int, *, noise: float) -> Floats:
    """A common row is noise around nothing; a rare one lies on one of two sides, where its first numbers hang together.
    The last number is of four values."""
    x = normals(keys, VALUES, length + 1).astype(np.float64)
    last = np.clip(np.floor(x[:, -1] + 1.5 + is_rare), 0, 3)
    side = np.where(_chance(keys, SIDE) < 0.5, -1.0, 1.0)
    first = 1.4 * side + noise * x[:, 0]
    bent = np.stack([first, 0.8 * first + noise * x[:, 1], first**2 - 2 + noise * x[:, 2]], axis=1)
    kept = min(3, length - 1)
    x[is_rare, :kept] = bent[is_rare, :kept]
    return np.concatenate([x[:, : length - 1], last[:, None]], axis=1)


def _images(
    numbers: NDArray[np.int64], is_rare: NDArray[np.bool_], imbalanced: Imbalanced, shape: tuple[int, ...], *, seed: int
) -> Floats:
    """A disc, or, where the row is rare, a ring; from 0 to 1."""
    decoding = Decoding.model_validate(dict(zip(("height", "width", "channels"), shape, strict=True)))
    pictures = Pictures(rows=2 * imbalanced.rows, classes=2, noise=min(imbalanced.noise * GREY, 128.0))
    # Discs and rings take turns among the pictures' numbers.
    which = 2 * numbers + (is_rare.astype(np.int64) - seed) % 2
    return render(which, pictures, decoding, seed=seed).reshape(len(numbers), -1) / 255.0


def _is_rare(keys: NDArray[np.uint64], imbalanced: Imbalanced) -> NDArray[np.bool_]:
    return _chance(keys, KIND) < imbalanced.rare


def _chance(keys: NDArray[np.uint64], layer: int) -> Floats:
    return uniform(mixed(keys + np.array([layer], np.uint64) * GOLDEN))


def _key(table: OwnTable, imbalanced: Imbalanced, seed: int) -> str:
    configuration = {"imbalanced": dump(imbalanced), "shape": table.shape, "seed": seed}
    return stage_key({}, configuration, code_hash("ringmill.generate.imbalanced"))
