"""Texts of train rows → varied texts, a pure function of seed, epoch and row id: the same on every rank (law 5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ringmill.config.text import TextAugmentation
from ringmill.errors import InputError
from ringmill.features.columns_of import WHERE
from ringmill.features.text.tokens import folded
from ringmill.mixing import GOLDEN, mixed, uniform

AROUND = ".,;:!?-…\"'()[]{}“”‘’«»¿¡*_~"


class What(IntEnum):
    """What a number is drawn for: each has numbers of its own."""

    SYNONYM = 1
    WHICH_SYNONYM = 2
    SWAP = 3
    DELETE = 4
    PUNCTUATION = 5
    WHICH_MARK = 6


@dataclass(frozen=True, eq=False)
class Words:
    """The words of some texts: the distinct ones; of each that occurs its row (ascending), place and which it is."""

    distinct: pa.Array
    row: NDArray[np.int64]
    place: NDArray[np.int64]
    which: NDArray[np.int64]


def augment(batch: pa.RecordBatch, how: TextAugmentation, *, seed: int, epoch: int) -> pa.RecordBatch:
    """(rows) → the same, where train rows have varied texts in the column `how.column`; for training alone.

    It reads `row_id` and `split`: a row whose split is not 'train' keeps its text, as does null. A text in which
    nothing is varied stays as it is; in any other, words are joined by single spaces.

    Raises:
        InputError: one of the three columns is missing, as row_id and split are where rows are scored.
    """
    wanted = (how.column, "row_id", "split")
    if missing := [name for name in wanted if name not in batch.schema.names]:
        raise InputError.missing_columns(WHERE, missing, batch.schema.names)
    texts = batch.column(how.column)
    chosen = pc.and_(pc.equal(batch.column("split"), "train").fill_null(False), texts.is_valid())
    ids = batch.column("row_id").filter(chosen).to_numpy(zero_copy_only=False).astype(np.int64)
    varied = pc.replace_with_mask(texts, chosen, _varied(texts.filter(chosen), ids, how, seed=seed, epoch=epoch))
    return batch.set_column(batch.schema.get_field_index(how.column), how.column, varied)


def _varied(texts: pa.Array, ids: NDArray[np.int64], how: TextAugmentation, *, seed: int, epoch: int) -> pa.Array:
    """(rows) texts and their rows' ids → (rows) texts."""
    words = _words(texts)

    def draw(what: What) -> NDArray[np.float64]:
        return draws(seed, epoch, ids[words.row], words.place, what)

    names, which = _synonyms(words, how, draw(What.SYNONYM) < how.synonym, draw(What.WHICH_SYNONYM))
    order = _swapped(words.row, draw(What.SWAP) < how.swap)
    kept = _kept(words.row, draw(What.DELETE) >= how.delete)[order]
    marked = draw(What.PUNCTUATION) < how.punctuation
    marks = np.array([*how.marks, ""])
    mark = np.where(marked, (draw(What.WHICH_MARK) * len(how.marks)).astype(np.int64), len(how.marks))
    moved = np.bincount(words.row, weights=(which != words.which) | (order != np.arange(len(order))) | ~kept | marked)
    changed = np.zeros(len(texts), np.bool_)
    changed[: len(moved)] = moved > 0
    order = order[kept]
    spoken = pc.binary_join_element_wise(names.take(pa.array(which[order])), pa.array(marks).take(mark[order]), "")
    counts = np.bincount(words.row[order], minlength=len(texts))
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, spoken), " ")
    return pc.if_else(pa.array(changed), joined, texts)


def _words(texts: pa.Array) -> Words:
    lists = pc.utf8_split_whitespace(texts)
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    row = np.repeat(np.arange(len(lists)), lengths)
    place = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    encoded = lists.flatten().dictionary_encode()
    which = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    # White space at a text's ends makes empty words.
    spoken = which != encoded.dictionary.index("").as_py()
    return Words(encoded.dictionary, row[spoken], place[spoken], which[spoken])


def _synonyms(
    words: Words, how: TextAugmentation, chosen: NDArray[np.bool_], chance: NDArray[np.float64]
) -> tuple[pa.Array, NDArray[np.int64]]:
    """Distinct words and synonyms, and of each word which of them stands for it."""
    table = dict(zip(folded(pa.array(how.synonyms, pa.string())).to_pylist(), how.synonyms.values(), strict=True))
    inner = pc.utf8_trim(words.distinct, AROUND)
    options: list[str] = []
    starts, counts = np.zeros((2, len(words.distinct)), np.int64)
    for at, (word, core, key) in enumerate(
        zip(words.distinct.to_pylist(), inner.to_pylist(), folded(inner).to_pylist(), strict=True)
    ):
        found = table.get(key, ()) if core else ()
        starts[at], counts[at] = len(words.distinct) + len(options), len(found)
        before, _, behind = word.partition(core) if core else ("", "", "")
        options += [f"{before}{other}{behind}" for other in found]
    replaced = chosen & (counts[words.which] > 0)
    choice = starts[words.which] + (chance * counts[words.which]).astype(np.int64)
    return pa.concat_arrays([words.distinct, pa.array(options, pa.string())]), np.where(replaced, choice, words.which)


def _swapped(row: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The words' order after each chosen one has changed places with the next of its row; none moves twice."""
    order = np.arange(len(row))
    first = chosen[:-1] & (row[:-1] == row[1:])
    # Of chosen words in a run the first alone moves.
    first[1:] &= ~first[:-1].copy()
    places = np.flatnonzero(first)
    order[places], order[places + 1] = places + 1, places
    return order


def _kept(row: NDArray[np.int64], kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where no word of a row would be kept, its first is."""
    left = np.bincount(row, weights=kept)
    begins = np.concatenate([[True], row[1:] != row[:-1]]) if len(row) else kept
    return kept | (begins & (left[row] == 0)) if len(row) else kept


def draws(seed: int, epoch: int, ids: NDArray[np.int64], place: NDArray[np.int64], what: int) -> NDArray[np.float64]:
    """(n) row ids and places → (n) numbers in [0, 1), uniform, each a function of all five alone.

    The finaliser of `mixing` over one after the other.
    """
    state = np.zeros(len(ids), np.uint64)
    for part in (np.uint64(seed), np.uint64(epoch), ids.view(np.uint64), place.view(np.uint64), np.uint64(what)):
        state = mixed(state ^ mixed(np.zeros(len(ids), np.uint64) + part + GOLDEN))
    return uniform(state)
