"""Raw texts → clean ones, each with its reasons or its key: one implementation, for Spark and outside (law 9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringmill.config.texts import Cleaning
from ringmill.features.text.tokens import alike, bare

Cleaner = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]
# Separators of any kind, and controls, line ends among them.
SPACE = r"[\p{Z}\p{Cc}]+"
# Zero-width space, word joiner and byte-order mark: the joiners within emoji and scripts stay.
NOTHING = r"[\x{200b}\x{2060}\x{feff}]+"
# Marks and joiners alone, or nothing at all.
UNSEEN = r"^[\p{M}\p{C}\p{Z}]*$"
NO_UTF8 = "\N{REPLACEMENT CHARACTER}"
REASONS = ("torn_line", "not_utf8", "empty_text", "too_long")


def cleaned(texts: pa.Array) -> pa.Array:
    """(rows) texts, null as empty → NFC, without controls, single spaces within, none at the ends."""
    composed = pc.utf8_normalize(pc.fill_null(texts, ""), form="NFC")
    spaced = pc.replace_substring_regex(pc.replace_substring_regex(composed, NOTHING, ""), SPACE, " ")
    return pc.utf8_trim(spaced, " ")


def clean(batch: pa.RecordBatch, how: Cleaning) -> pa.RecordBatch:
    """(rows) of text and torn beside other columns → the same rows with text cleaned, and raw, key, group, status and
    reasons.

    `raw` is the text as it came, or the torn line; null where it equals the clean text. clean: `key` is what texts are
    compared by, see `alike`, and `group` what near repeats have in common, see `bare`. rejected: key, group and text
    are null, and `reasons` has all of `REASONS` that hold.
    """
    torn, came = batch.column("torn"), batch.column("text")
    texts = cleaned(came)
    long = pc.greater(pc.utf8_length(texts), how.longest)
    whole = pc.is_null(torn)
    if how.too_long == "cut":
        texts = pc.utf8_trim(pc.utf8_slice_codeunits(texts, 0, how.longest), " ")
        long = pc.and_(long, False)
    found = np.stack(
        [
            _array(pc.invert(whole)),
            _array(pc.and_(whole, pc.match_substring(texts, NO_UTF8))),
            _array(pc.and_(whole, pc.match_substring_regex(texts, UNSEEN))),
            _array(pc.and_(whole, long)),
        ],
        axis=1,
    )
    good = pa.array(~found.any(axis=1))
    reasons = [[REASONS[place] for place in np.flatnonzero(row)] for row in found]
    nothing = pa.scalar(None, pa.string())
    kept = pc.if_else(good, texts, nothing)
    came = pc.coalesce(torn, came)
    key = alike(pc.fill_null(kept, ""))
    changed = {
        "text": kept,
        "raw": pc.if_else(pc.fill_null(pc.equal(came, kept), False), nothing, came),
        "key": pc.if_else(good, key, nothing),
        "group": pc.if_else(good, bare(key), nothing),
        "status": pc.if_else(good, "clean", "rejected"),
        "reasons": pa.array(reasons, pa.list_(pa.string())),
    }
    rest = [name for name in batch.schema.names if name not in ("text", "torn")]
    return pa.record_batch({name: batch.column(name) for name in rest} | changed)


def cleaner(how: Cleaning) -> Cleaner:
    """`clean` for `mapInArrow`."""

    def each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield clean(batch, how)

    return each


def _array(mask: pa.Array) -> np.ndarray:
    return np.asarray(mask.to_numpy(zero_copy_only=False), np.bool_)
