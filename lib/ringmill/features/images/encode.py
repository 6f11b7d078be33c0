"""Arrow batch of files → Arrow batches of tensors and reasons: one implementation, for Spark and outside (law 9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa

from ringmill.config.images import Decoding
from ringmill.errors import InputError
from ringmill.features.images.decode import Pixels, Reason, decode, resized
from ringmill.features.images.stored import WHERE, column_of, pixels_of

Encoder = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]
# Decoded bytes of one batch on its way to the JVM, which holds several of them.
AT_ONCE = 16 * 2**20
ADDED = (("status", pa.string()), ("reasons", pa.list_(pa.string())), ("pixels", pa.binary()))


def encode(batch: pa.RecordBatch, decoding: Decoding, *, raw: tuple[int, int, int] | None = None) -> pa.RecordBatch:
    """(rows) with `content`, an image's file → the other columns, and `status`, `reasons`, `pixels`.

    clean: `pixels` has height × width × channels bytes, `reasons` is empty. rejected: `pixels` is null, and `reasons`
    holds one of `Reason`; null content is a file that was too large to be read. With `raw` the content is no file but
    (H, W, C) uint8 of that shape.

    Raises:
        InputError: there is no column `content`; or, with `raw`, a row is null or of another length.
    """
    if "content" not in batch.schema.names:
        raise InputError.missing_columns(WHERE, ["content"], batch.schema.names)
    content = batch.column("content")
    found = _unpacked(content, decoding) if raw is None else _raw(content, decoding, raw)
    places = [place for place, each in enumerate(found) if not isinstance(each, str)]
    pixels = np.stack([found[place] for place in places]) if places else np.zeros((0, *decoding.shape), np.uint8)
    reasons = [[each] if isinstance(each, str) else [] for each in found]
    rest = batch.drop_columns(["content"])
    added = (
        pa.array(["rejected" if why else "clean" for why in reasons], pa.string()),
        pa.array(reasons, pa.list_(pa.string())),
        column_of(pixels, len(found), places),
    )
    names = [*rest.schema.names, *(name for name, _ in ADDED)]
    return pa.RecordBatch.from_arrays([*rest.columns, *added], names=names)


def encoder(decoding: Decoding, *, raw: tuple[int, int, int] | None = None) -> Encoder:
    """`encode` for `mapInArrow`, in batches of at most 16 MiB of pixels."""
    rows = max(1, AT_ONCE // decoding.bytes)

    def encoded(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for start in range(0, batch.num_rows, rows):
                yield encode(batch.slice(start, rows), decoding, raw=raw)

    return encoded


def _unpacked(content: pa.Array, decoding: Decoding) -> list[Pixels | Reason]:
    return ["too_large" if one is None else decode(one, decoding) for one in content.to_pylist()]


def _raw(content: pa.Array, decoding: Decoding, shape: tuple[int, int, int]) -> list[Pixels | Reason]:
    pixels = pixels_of(content, shape, name="content")
    return list(pixels) if shape == decoding.shape else [resized(each, decoding) for each in pixels]
