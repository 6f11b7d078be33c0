"""The whole shop on disk: blocks of customers made by Spark tasks, each from (seed, block) alone, in Arrow batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ringmill.config.load import dump
from ringmill.config.models import Generate
from ringmill.generate.catalogue import catalogue
from ringmill.generate.customers import rate_scale
from ringmill.generate.defects import Rows, choose_kinds, plant
from ringmill.generate.lines import DAY, Block, blocks_of, draw_lines
from ringmill.generate.text import HEADER, PLANTED, csv_lines, planted_lines
from ringmill.lake.key import code_hash, stage_key
from ringmill.lake.written import mark_done, name_parts, was_done

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LINES_PER_BLOCK = 50_000
BLOCKS_PER_FILE = 16  # about 70 MB of text, once there are more than two files' worth
FEWEST_FILES = 4

OUR_NAMES: Mapping[str, str] = {}
Batches = Iterator[pa.RecordBatch]


def orders_path(folder: str) -> str:
    """Where the raw orders lie, as CSV files with a header each."""
    return f"{folder.rstrip('/')}/orders"


def planted_path(folder: str) -> str:
    """Where the list of planted defects lies, as Parquet: kind, line_id, copies."""
    return f"{folder.rstrip('/')}/planted"


def is_written(generate: Generate, *, seed: int, folder: str, names: Mapping[str, str] = OUR_NAMES) -> bool:
    """Whether this very shop lies in `folder` already; needs no JVM."""
    return was_done(folder, _key(generate, seed, names))


def write_shop(
    spark: SparkSession, generate: Generate, *, seed: int, folder: str, names: Mapping[str, str] = OUR_NAMES
) -> bool:
    """Write the shop's orders and the list of what was planted; False where they were there already.

    `names` are what the files call their columns, by our names; a column without one is called as we do.
    Times are clock times of the shop: the zone that reads them says which instants they are.
    """
    if is_written(generate, seed=seed, folder=folder, names=names):
        return False
    mark_done(folder, None)
    blocks = blocks_of(generate.customers, generate.lines, lines_per_block=LINES_PER_BLOCK)
    # The number of files follows from the arguments alone: on any machine the same files come out.
    files = min(len(blocks), max(FEWEST_FILES, -(-len(blocks) // BLOCKS_PER_FILE)))
    scale = rate_scale(seed, customers=generate.customers, lines=generate.lines, days=generate.days)
    numbers = spark.range(0, len(blocks), 1, files)
    make = partial(_per_block, generate, seed, scale)
    # Bytes as they are: a cast from binary checks nothing, so two encodings can lie in one file.
    texts = numbers.mapInArrow(partial(_orders, make, _header(names)), "value binary").selectExpr(
        "CAST(value AS STRING) AS value"
    )
    texts.write.mode("overwrite").text(orders_path(folder))
    name_parts(orders_path(folder), ".csv")
    planted = numbers.mapInArrow(partial(_planted, make), "kind string, line_id string, copies int")
    planted.write.mode("overwrite").parquet(planted_path(folder))
    mark_done(folder, _key(generate, seed, names))
    return True


def make_block(generate: Generate, seed: int, scale: float, block: Block) -> tuple[np.random.Generator, Rows]:
    """The rows of one block, and the generator with which their texts are drawn."""
    rng = np.random.default_rng([seed, 2, block.number])
    start = (generate.start - date(1970, 1, 1)).days
    lines = draw_lines(rng, block, days=generate.days, scale=scale, start=start)
    accented = catalogue().has_accent[lines.product]
    kind = choose_kinds(rng, lines, share=generate.defect_share, accented=accented)
    return rng, plant(rng, lines, kind, total=generate.lines, until=(start + generate.days) * DAY)


def _per_block(
    generate: Generate, seed: int, scale: float, batches: Iterable[pa.RecordBatch]
) -> Iterator[tuple[np.random.Generator, Rows]]:
    blocks = blocks_of(generate.customers, generate.lines, lines_per_block=LINES_PER_BLOCK)
    for batch in batches:
        for number in batch.column(0).to_pylist():
            yield make_block(generate, seed, scale, blocks[number])


def _header(names: Mapping[str, str]) -> bytes:
    return b",".join(names.get(name.decode(), name.decode()).encode() for name in HEADER)


def _orders(
    make: Callable[[Batches], Iterator[tuple[np.random.Generator, Rows]]], header: bytes, batches: Batches
) -> Batches:
    """A partition becomes one file, so its first line is the header."""
    yield pa.record_batch([pa.array([header], pa.binary())], ["value"])
    for rng, rows in make(batches):
        yield pa.record_batch([csv_lines(rng, rows)], ["value"])


def _planted(make: Callable[[Batches], Iterator[tuple[np.random.Generator, Rows]]], batches: Batches) -> Batches:
    for _, rows in make(batches):
        yield planted_lines(rows).cast(PLANTED)


def _key(generate: Generate, seed: int, names: Mapping[str, str]) -> str:
    header = _header(names).decode()
    return stage_key(
        {}, {"generate": dump(generate), "seed": seed, "header": header}, code_hash("ringmill.generate.shop")
    )
