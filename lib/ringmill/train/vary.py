"""Texts as training sees them in one epoch: a function of (seed, epoch, row id) alone, whatever the batch or rank."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from ringmill.config.text import TextAugmentation
from ringmill.train.draws import uniforms
from ringmill.train.vary_words import KnownIds

# Of the numbers that tell draws apart, images have those from 1 to 5.
SYNONYM, WHICH, UNKNOWN, SWAP, DELETE, MARK, WHICH_MARK = range(11, 18)
UNKNOWN_ID = 1


def varied(ids: Any, keys: Any, spec: TextAugmentation, known: KnownIds) -> Any:
    """(rows, length) int32 → the same shape, varied; `keys` (rows,) uint64 stands for (seed, epoch, row id).

    Zeros stand at the end, before and after; of a text that marks make too long the end is cut. A text without tokens
    stays without.
    """
    length = ids.shape[1]

    def chosen(layer: int, chance: float) -> Any:
        return (uniforms(keys, layer, length) < chance) & (ids > 0)

    if spec.synonym and known.synonyms:
        ids = tf.where(chosen(SYNONYM, spec.synonym), _synonyms(ids, uniforms(keys, WHICH, length), known), ids)
    if spec.unknown:
        ids = tf.where(chosen(UNKNOWN, spec.unknown), UNKNOWN_ID, ids)
    if spec.swap:
        ids = _swapped(ids, chosen(SWAP, spec.swap))
    if spec.delete:
        ids = _without(ids, chosen(DELETE, spec.delete))
    if spec.punctuation and known.marks:
        ids = _marked(ids, chosen(MARK, spec.punctuation), uniforms(keys, WHICH_MARK, length), known)
    return ids


def _synonyms(ids: Any, chance: Any, known: KnownIds) -> Any:
    """What stands in each token's place: itself where it has no synonym."""
    found = ids
    for own, *others in known.synonyms:
        which = tf.cast(tf.floor(chance * len(others)), tf.int32)
        found = tf.where(ids == own, tf.gather(tf.constant(others, tf.int32), which), found)
    return found


def _swapped(ids: Any, chosen: Any) -> Any:
    """Each chosen token and the next have changed places; of chosen ones in a run the first alone moves."""
    none = tf.zeros_like(chosen[:, :1])
    followed = tf.concat([ids[:, 1:] > 0, none], axis=1)
    first = chosen & followed & ~tf.concat([none, chosen[:, :-1]], axis=1)
    second = tf.concat([none, first[:, :-1]], axis=1)
    order = tf.range(ids.shape[1])[None, :] + tf.cast(first, tf.int32) - tf.cast(second, tf.int32)
    return tf.gather(ids, order, axis=1, batch_dims=1)


def _without(ids: Any, chosen: Any) -> Any:
    """The tokens that were not chosen; where all were, the first."""
    stays = (ids > 0) & ~chosen
    first = np.arange(ids.shape[1]) == 0
    stays |= ~tf.reduce_any(stays, axis=1, keepdims=True) & first[None, :]
    return _closed(tf.where(stays, ids, 0))


def _marked(ids: Any, chosen: Any, chance: Any, known: KnownIds) -> Any:
    """A mark behind each chosen token."""
    mark = tf.gather(tf.constant(known.marks, tf.int32), tf.cast(tf.floor(chance * len(known.marks)), tf.int32))
    pairs = tf.stack([ids, tf.where(chosen & (ids > 0), mark, 0)], axis=2)
    length = ids.shape[1]
    return _closed(tf.reshape(pairs, [-1, 2 * length]))[:, :length]


def _closed(ids: Any) -> Any:
    """The zeros moved to the end; the others keep their order."""
    length = ids.shape[1]
    # Places are distinct, so that sorting has but one answer.
    place = tf.range(length)[None, :] + tf.where(ids > 0, 0, length)
    return tf.gather(ids, tf.argsort(place, axis=1), axis=1, batch_dims=1)
