"""Varied texts: what each way of varying does, and that seed, epoch and row id alone decide (law 5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringmill.config.text import TextAugmentation
from ringmill.mixing import GOLDEN, mixed
from ringmill.train.vary_words import KnownIds

# They start no ranks, but import TensorFlow.
pytestmark = pytest.mark.ring

KNOWN = KnownIds(((4, 5, 6), (7, 8)), (2, 3))
ALL: dict[str, Any] = {"synonym": 0.5, "unknown": 0.1, "swap": 0.3, "delete": 0.2, "punctuation": 0.2}


def how(**chances: float) -> TextAugmentation:
    return TextAugmentation(synonyms={"told": ("by", "ids")}, **chances)


def keys_of(ids: list[int], *, seed: int = 1, epoch: int = 1) -> Any:
    import tensorflow as tf

    from ringmill.train.draws import row_keys

    return row_keys(seed, tf.constant(epoch, tf.int64), tf.constant(ids, tf.int64))


def vary(rows: list[list[int]], way: TextAugmentation, keys: Any) -> list[list[int]]:
    import tensorflow as tf

    from ringmill.train.vary import varied

    found: list[list[int]] = varied(tf.constant(rows, tf.int32), keys, way, KNOWN).numpy().tolist()
    return found


def seen(row: list[int], way: TextAugmentation, *, times: int = 300) -> set[tuple[int, ...]]:
    """What becomes of a text in so many rows."""
    return {tuple(each) for each in vary([row] * times, way, keys_of(list(range(times))))}


def test_synonyms_come_from_the_table() -> None:
    assert seen([4, 7, 9, 0], how(synonym=1)) == {(5, 8, 9, 0), (6, 8, 9, 0)}


def test_tokens_change_places_with_their_next_and_none_moves_twice() -> None:
    expected = {(4, 5, 6, 7, 0), (5, 4, 6, 7, 0), (4, 6, 5, 7, 0), (4, 5, 7, 6, 0), (5, 4, 7, 6, 0)}
    assert seen([4, 5, 6, 7, 0], how(swap=0.5)) == expected
    assert seen([4, 5, 6], how(swap=1)) == {(5, 4, 6)}


def test_tokens_are_left_out_and_one_stays() -> None:
    assert seen([4, 5, 6, 0], how(delete=1)) == {(4, 0, 0, 0)}
    assert seen([4, 5, 0], how(delete=0.5)) == {(4, 5, 0), (4, 0, 0), (5, 0, 0)}
    assert seen([0, 0], how(delete=1)) == {(0, 0)}


def test_marks_follow_tokens_and_what_becomes_too_long_is_cut() -> None:
    assert seen([4, 0, 0], how(punctuation=1)) == {(4, 2, 0), (4, 3, 0)}
    assert seen([4, 5, 6], how(punctuation=1)) == {(4, mark, 5) for mark in (2, 3)}
    assert seen([0, 0], how(punctuation=1)) == {(0, 0)}


def test_a_token_becomes_unknown_and_padding_never_does() -> None:
    assert seen([4, 0], how(unknown=1)) == {(1, 0)}


TEXTS = st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(texts=TEXTS, epoch=st.integers(0, 99), data=st.data())
def test_law_5_a_varied_text_depends_on_seed_epoch_and_row_id_alone(
    texts: list[list[int]], epoch: int, data: st.DataObject
) -> None:
    rows = [text + [0] * (6 - len(text)) for text in texts]
    count = len(rows)
    ids = data.draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=count, max_size=count, unique=True))
    order = data.draw(st.permutations(range(count)))
    way = how(**ALL)
    whole = vary(rows, way, keys_of(ids, epoch=epoch))
    again = vary([rows[at] for at in order], way, keys_of([ids[at] for at in order], epoch=epoch))
    assert [whole[at] for at in order] == again
    assert whole == [_by_hand(row, way, key) for row, key in zip(rows, keys_of(ids, epoch=epoch).numpy(), strict=True)]


def _by_hand(row: list[int], way: TextAugmentation, key: np.uint64) -> list[int]:
    """One text, token by token, by draws in NumPy."""

    def drawn(layer: int) -> np.ndarray:
        with np.errstate(over="ignore"):
            start = mixed(np.array([key + np.uint64(layer) * GOLDEN]))
            numbers = mixed(start + np.arange(1, len(row) + 1, dtype=np.uint64) * GOLDEN)
        return (numbers >> np.uint64(11)) * 2.0**-53

    tokens = [token for token in row if token]
    options = {own: others for own, *others in KNOWN.synonyms}
    for at, token in enumerate(tokens):
        if token in options and drawn(11)[at] < way.synonym:
            tokens[at] = options[token][int(drawn(12)[at] * len(options[token]))]
        if drawn(13)[at] < way.unknown:
            tokens[at] = 1
    chosen = [bool(drawn(14)[at] < way.swap) for at in range(len(tokens))]
    for at in range(len(tokens) - 1):
        if chosen[at] and not (at and chosen[at - 1]):
            tokens[at], tokens[at + 1] = tokens[at + 1], tokens[at]
    tokens = [token for at, token in enumerate(tokens) if drawn(15)[at] >= way.delete] or tokens[:1]
    marked: list[int] = []
    for at, token in enumerate(tokens):
        marked.append(token)
        if drawn(16)[at] < way.punctuation:
            marked.append(KNOWN.marks[int(drawn(17)[at] * len(KNOWN.marks))])
    return (marked + [0] * len(row))[: len(row)]


def test_another_seed_or_epoch_varies_anew() -> None:
    rows, ids = [[4, 5, 6, 7, 9, 0]] * 50, list(range(50))
    found = [vary(rows, how(**ALL), keys_of(ids, seed=seed, epoch=epoch)) for seed, epoch in ((1, 1), (2, 1), (1, 2))]
    assert found[0] != found[1] and found[0] != found[2]
